/**
 * Clients in other languages, as programs that check for themselves. A program that needs the broker to
 * be killed writes the line `@restart` and waits for one.
 */
import { spawn } from 'node:child_process'
import { type AmqpBroker, restart, unique } from './brokers.ts'
import { repositoryRoot } from '../shell.ts'
import { join } from 'node:path'

export const directoryOf = (language: 'python' | 'ruby'): string =>
  join(repositoryRoot, 'apps', 'e2e', language)

export interface ProgramResult {
  readonly code: number | null
  readonly output: string
}

const PROGRAM_MS_MAX = 100_000

/** Told the broker by `AMQP_URL`, and by `AMQP_PREFIX` how to begin the names that it uses. */
export const runAgainst = async (
  broker: AmqpBroker,
  [program, ...args]: readonly [string, ...string[]],
  { cwd, env = {} }: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<ProgramResult> => {
  const names = { AMQP_URL: broker.url, AMQP_PREFIX: unique('client') }
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...names, PYTHONDONTWRITEBYTECODE: '1', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: PROGRAM_MS_MAX,
    killSignal: 'SIGKILL',
  })
  let output = ''
  child.stdin.on('error', () => undefined)
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (/^@restart$/m.test(text)) void restart(broker).then(() => child.stdin.write('done\n'))
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, output }
}
