/**
 * The broker as people run it, built, in a process of its own, perhaps under another program such as
 * `strace` or `prlimit`. It says how the process ended and what it wrote; it hides nothing.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { readReadyFile, type Ready } from './ready-file.ts'
import { hasEnded, repositoryRoot } from './shell.ts'

/** MILLRACE_E2E_COMMAND names another build, to see that a test fails when it should. */
export const millrace =
  process.env['MILLRACE_E2E_COMMAND'] ??
  join(repositoryRoot, 'apps', 'broker', 'bin', 'millrace.js')

export interface Launch {
  readonly dataDir: string
  readonly args?: readonly string[]
  /** Program and arguments in front of `node`. */
  readonly wrapper?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** The command file, when it is not the broker's own. */
  readonly command?: string
  readonly readyWithinMs?: number
}

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface LaunchedBroker {
  /** Of the broker itself, also under a wrapper. */
  readonly pid: number
  readonly nativePort: number
  readonly httpPort: number
  readonly kafkaPort: number
  /** Every listener's port by its name in the ready file. */
  readonly ports: Readonly<Record<string, number>>
  readonly url: string
  readonly dataDir: string
  readonly ended: Promise<Ending>
  hasEnded(): boolean
  stdout(): string
  stderr(): string
  /** Sends SIGKILL at once; `ended` tells when it took effect. */
  kill(): Promise<Ending>
  /** Sends SIGTERM and waits. */
  stop(): Promise<Ending>
}

interface Started {
  readonly child: ChildProcess
  readonly readyFile: string
  readonly ended: Promise<Ending>
  readonly output: { stdout: string; stderr: string }
}

const begin = async (launch: Launch): Promise<Started> => {
  const readyFile = `${launch.dataDir}.ready.json`
  await rm(readyFile, { force: true })
  const ports = ['--native-port', '0', '--http-port', '0', '--kafka-port', '0', '--amqp-port', '0']
  const [program, ...args] = [
    ...(launch.wrapper ?? []),
    ...[process.execPath, launch.command ?? millrace, 'start', ...ports],
    ...['--data-dir', launch.dataDir, '--ready-file', readyFile],
    ...(launch.args ?? []),
  ]
  const child = spawn(program as string, args, {
    env: { ...process.env, ...launch.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  const ended = new Promise<Ending>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, ...output }))
  })
  return { child, readyFile, ended, output }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const signal = (pid: number, name: NodeJS.Signals): void => {
  if (isAlive(pid)) process.kill(pid, name)
}

const brokerOf = (launch: Launch, started: Started, ready: Ready): LaunchedBroker => {
  const { child, ended, output } = started
  const end = (name: NodeJS.Signals): Promise<Ending> => {
    if (!hasEnded(child)) signal(ready.pid, name)
    return ended
  }
  return {
    pid: ready.pid,
    nativePort: ready.native,
    httpPort: ready.http,
    kafkaPort: ready.kafka,
    ports: { ...ready },
    url: `millrace://127.0.0.1:${ready.native}`,
    dataDir: launch.dataDir,
    ended,
    hasEnded: () => hasEnded(child),
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  }
}

/** The broker once it serves, or how it ended before it did. */
export const tryLaunch = async (
  launch: Launch,
): Promise<
  | { readonly broker: LaunchedBroker; readonly ending?: undefined }
  | { readonly broker?: undefined; readonly ending: Ending }
> => {
  const started = await begin(launch)
  const { child, readyFile, ended, output } = started
  try {
    const ready = await eventually(
      'the broker serves',
      async () => (await readReadyFile(readyFile)) ?? (hasEnded(child) ? 'ended' : undefined),
      launch.readyWithinMs ?? 30_000,
    )
    if (ready === 'ended') return { ending: await ended }
    return { broker: brokerOf(launch, started, ready) }
  } catch (error) {
    child.kill('SIGKILL')
    await ended
    throw new Error(`${(error as Error).message}:\n${output.stdout}${output.stderr}`, {
      cause: error,
    })
  }
}

/** Resolves once the broker serves; fails with its output when it ends before. */
export const launchBroker = async (launch: Launch): Promise<LaunchedBroker> => {
  const { broker, ending } = await tryLaunch(launch)
  if (broker !== undefined) return broker
  throw new Error(`the broker ended before it served:\n${ending.stdout}${ending.stderr}`)
}

/** For a start that is to fail: how it ended. Fails when it serves instead. */
export const launchToItsEnd = async (launch: Launch): Promise<Ending> => {
  const { broker, ending } = await tryLaunch(launch)
  if (broker === undefined) return ending
  const { stdout } = await broker.kill()
  throw new Error(`the broker serves, though it should not:\n${stdout}`)
}

/** Starts it and kills it `afterMs` later, wherever it is by then. */
export const launchAndKill = async (launch: Launch, afterMs: number): Promise<Ending> => {
  const { child, ended } = await begin(launch)
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs)
  const ending = await ended
  clearTimeout(timer)
  return ending
}
