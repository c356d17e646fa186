/**
 * librdkafka as a load generator: Debian's Python binding in a process of its own, which reports what
 * it cost itself. Broker and bench are told nothing of it but an address.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** The Python that Debian's packages belong to; another `python3` may come first on the path. */
const PYTHON = '/usr/bin/python3'
/** Beside the source of this file: the compiler takes no Python along. */
const program = fileURLToPath(new URL('../../../bench/tasks/librdkafka.py', import.meta.url))

interface ProduceOrder {
  readonly mode: 'produce'
  readonly address: string
  readonly topic: string
  readonly codec: 'none' | 'lz4'
  readonly recordBytes: number
  readonly durationMs: number
}

interface ConsumeOrder {
  readonly mode: 'consume'
  readonly address: string
  readonly topic: string
  /** Read so many from the beginning of partition 0. */
  readonly recordCount: number
}

export type LibrdkafkaParameters = ProduceOrder | ConsumeOrder

export interface LibrdkafkaRun {
  readonly recordCount: number
  readonly payloadBytes: number
  readonly elapsedMs: number
  /** CPU of the thread that runs Python. */
  readonly mainThreadMs: number
  /** CPU of librdkafka's own threads. */
  readonly otherThreadsMs: number
  /** How long there was no room for the next record; `null` when it consumed. */
  readonly waitedMs: number | null
}

/** Of a Python that failed: what was wrong stands at the end. */
const lastLineOf = (errors: string): string => errors.trim().split('\n').at(-1) ?? ''

export const runLibrdkafka = async (parameters: LibrdkafkaParameters): Promise<LibrdkafkaRun> => {
  const child = spawn(PYTHON, [program, JSON.stringify(parameters)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // It would go on without the bench until its broker is gone.
  const end = (): void => void child.kill('SIGKILL')
  process.once('exit', end)
  try {
    const [output, errors, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number | null]>,
    ])
    if (code !== 0) throw new Error(`librdkafka ended with ${code}: ${lastLineOf(errors)}`)
    return JSON.parse(output) as LibrdkafkaRun
  } finally {
    process.off('exit', end)
  }
}
