/**
 * The broker as `npm start` runs it, from installing and building to serving, with its data and ports
 * out of the way of a broker that the developer may have running.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { readReadyFile } from './ready-file.ts'
import { hasEnded, repositoryRoot } from './shell.ts'

export interface StartedBroker {
  readonly url: string
  readonly httpUrl: string
  readonly kafkaAddress: string
  readonly amqpUrl: string
  /** Resolves once it has ended, for whatever reason. */
  readonly ended: Promise<void>
  /** Asks it to end and waits; does nothing when it has ended. */
  stop(): Promise<void>
}

const READY_WITHIN_MS = 120_000

export const npmStart = async (dataDir: string): Promise<StartedBroker> => {
  const readyFile = join(dataDir, '..', 'ready.json')
  await rm(readyFile, { force: true })
  const options = [
    '--native-port',
    '0',
    '--http-port',
    '0',
    '--kafka-port',
    '0',
    '--amqp-port',
    '0',
    '--ready-file',
    readyFile,
  ]
  const child = spawn('npm', ['start', '--', '--data-dir', dataDir, ...options], {
    cwd: repositoryRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  const ended = once(child, 'close').then(() => undefined)
  const look = async () => (await readReadyFile(readyFile)) ?? (hasEnded(child) ? 'ended' : false)
  const ready = await eventually('npm start serves', look, READY_WITHIN_MS)
  if (ready === 'ended') throw new Error(`npm start ended before it served:\n${output}`)
  return {
    url: `millrace://127.0.0.1:${ready.native}`,
    httpUrl: `http://127.0.0.1:${ready.http}`,
    kafkaAddress: `127.0.0.1:${ready.kafka}`,
    amqpUrl: `amqp://127.0.0.1:${ready.amqp}`,
    ended,
    stop: async () => {
      if (!hasEnded(child)) process.kill(ready.pid, 'SIGTERM')
      await ended
    },
  }
}
