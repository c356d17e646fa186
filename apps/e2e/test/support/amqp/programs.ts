/**
 * Clients in other languages, as programs that check for themselves. A program that needs something to
 * happen to the broker writes a line such as `@restart`, and waits for one.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type AmqpBroker, restart, unique } from './brokers.ts'
import type { SecuredBroker } from './secured.ts'
import { debianPython } from '../debian-python.ts'
import { repositoryRoot } from '../shell.ts'

export const directoryOf = (language: 'python' | 'ruby'): string =>
  join(repositoryRoot, 'apps', 'e2e', language)

export interface ProgramResult {
  readonly code: number | null
  readonly output: string
}

export interface ProgramSurroundings {
  readonly cwd: string
  readonly env?: NodeJS.ProcessEnv
  /** By the line that asks for it. */
  readonly marks?: Readonly<Record<string, () => Promise<unknown>>>
}

type Command = readonly [string, ...string[]]

const PROGRAM_MS_MAX = 100_000

/** Told the broker by `AMQP_URL`, and by `AMQP_PREFIX` how to begin the names that it uses. */
export const runSteered = async (
  url: string,
  [program, ...args]: Command,
  { cwd, env = {}, marks = {} }: ProgramSurroundings,
): Promise<ProgramResult> => {
  const names = { AMQP_URL: url, AMQP_PREFIX: unique('client') }
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
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  createInterface({ input: child.stdout }).on('line', (line) => {
    marks[line]?.().then(
      () => child.stdin.write('done\n'),
      (error: unknown) => {
        output += String(error)
        child.kill('SIGKILL')
      },
    )
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, output }
}

/** For a program that asks for nothing but a restart. */
export const runAgainst = (
  broker: AmqpBroker,
  command: Command,
  surroundings: ProgramSurroundings,
): Promise<ProgramResult> =>
  runSteered(broker.url, command, { marks: { '@restart': () => restart(broker) }, ...surroundings })

const whereCertificatesAre = ({ directory }: SecuredBroker): NodeJS.ProcessEnv => ({
  AMQP_CERTIFICATES: directory,
})

/** Runs a class of tests of python/amqp_pika_secure.py, over TLS. */
export const runSecurePython = async (
  secured: SecuredBroker,
  tests: string,
  { env, marks = {} }: Omit<ProgramSurroundings, 'cwd'> = {},
): Promise<void> => {
  const command: Command = [debianPython, '-m', 'unittest', `amqp_pika_secure.${tests}`]
  const { code, output } = await runSteered(secured.urlOf('amqpTls'), command, {
    cwd: directoryOf('python'),
    env: { ...whereCertificatesAre(secured), ...env },
    marks,
  })
  expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/OK\s*$/) as string })
}

/** Runs a part of ruby/amqp_bunny_secure.rb, over TLS. */
export const runSecureRuby = async (
  secured: SecuredBroker,
  part: string,
  { env, marks = {} }: Omit<ProgramSurroundings, 'cwd'> = {},
): Promise<void> => {
  const command: Command = ['/usr/bin/ruby', 'amqp_bunny_secure.rb', part]
  const { code, output } = await runSteered(secured.urlOf('amqpTls'), command, {
    cwd: directoryOf('ruby'),
    env: { ...whereCertificatesAre(secured), ...env },
    marks,
  })
  expect({ code, output }).toEqual({
    code: 0,
    output: expect.stringContaining('all is well') as string,
  })
}
