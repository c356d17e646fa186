/**
 * The real broker as a process of its own on free loopback ports, for tests that need real sockets,
 * real files and a real `kill -9`. Not a fake: it runs the command that people run.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { type FSWatcher, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { temporaryDirectory } from './temporary-directory.ts'

export interface BrokerProcessOptions {
  /** Further arguments of `millrace start`. */
  readonly args?: readonly string[]
  /** Kept after `stop`; without it a temporary one is made and removed. */
  readonly dataDir?: string
  readonly env?: NodeJS.ProcessEnv
  /** The file to run instead of the broker's own. */
  readonly command?: string
  readonly readyWithinMs?: number
}

/** How a process ended: one of the two is null. */
export interface ProcessExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface BrokerProcess {
  readonly pid: number
  /** The port of every listener, by its name in the ready file. */
  readonly ports: Readonly<Record<string, number>>
  /** Where a client connects. */
  readonly url: string
  readonly dataDir: string
  readonly exited: Promise<ProcessExit>
  /** SIGTERM, and waits for the end. */
  stop(): Promise<ProcessExit>
  /** SIGKILL, and waits for the end. */
  kill(): Promise<ProcessExit>
  /** All that was written to standard output and standard error so far. */
  stdout(): string
}

const READY_WITHIN_MS = 20_000

const brokerCommand = (): string => {
  const packageFile = createRequire(import.meta.url).resolve('@millrace/broker/package.json')
  return join(dirname(packageFile), 'bin', 'millrace.js')
}

const collect = (child: ChildProcess): (() => string) => {
  let text = ''
  const add = (chunk: Buffer): void => {
    text += chunk.toString()
  }
  child.stdout?.on('data', add)
  child.stderr?.on('data', add)
  return () => text
}

const exitOf = (child: ChildProcess): Promise<ProcessExit> =>
  new Promise((resolve) => {
    child.once('error', () => resolve({ code: -1, signal: null }))
    child.once('close', (code, signal) => resolve({ code, signal }))
  })

const readPorts = async (path: string): Promise<Record<string, number> | undefined> => {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, number>
  } catch {
    // Not there yet, or not written to its end.
    return undefined
  }
}

/** Resolves once the ready file can be read; the watch wakes it, the poll covers a missed event. */
const whenReady = async (
  path: string,
  exited: Promise<ProcessExit>,
  withinMs: number,
): Promise<Record<string, number>> => {
  let watcher: FSWatcher | undefined
  let timer: NodeJS.Timeout | undefined
  const deadline = performance.now() + withinMs
  try {
    return await new Promise((resolve, reject) => {
      const look = async (): Promise<void> => {
        const ports = await readPorts(path)
        if (ports !== undefined) resolve(ports)
        else if (performance.now() > deadline) reject(new Error(`not ready in ${withinMs} ms`))
      }
      watcher = watch(dirname(path), () => void look())
      timer = setInterval(() => void look(), 50)
      void exited.then(({ code, signal }) => reject(new Error(`it ended with ${code ?? signal}`)))
      void look()
    })
  } finally {
    watcher?.close()
    clearInterval(timer)
  }
}

const endWith = async (
  child: ChildProcess,
  exited: Promise<ProcessExit>,
  signal: NodeJS.Signals,
): Promise<ProcessExit> => {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal)
  return exited
}

/** Starts a broker and resolves once it serves. */
export const startBroker = async (options: BrokerProcessOptions = {}): Promise<BrokerProcess> => {
  const scratch = await temporaryDirectory('millrace-broker-')
  const dataDir = options.dataDir ?? join(scratch.path, 'data')
  const readyFile = join(scratch.path, 'ready.json')
  const args = [
    ...[options.command ?? brokerCommand(), 'start', '--host', '127.0.0.1'],
    ...['--native-port', '0', '--http-port', '0', '--kafka-port', '0'],
    ...['--amqp-port', '0'],
    ...['--data-dir', dataDir, '--ready-file', readyFile, ...(options.args ?? [])],
  ]
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stdout = collect(child)
  const exited = exitOf(child)
  const end = async (signal: NodeJS.Signals): Promise<ProcessExit> => {
    const exit = await endWith(child, exited, signal)
    await scratch.remove()
    return exit
  }
  try {
    const ready = await whenReady(readyFile, exited, options.readyWithinMs ?? READY_WITHIN_MS)
    const { pid = child.pid as number, ...ports } = ready
    const url = `millrace://127.0.0.1:${ports['native']}`
    const stop = (): Promise<ProcessExit> => end('SIGTERM')
    return { pid, ports, url, dataDir, exited, stop, kill: () => end('SIGKILL'), stdout }
  } catch (error) {
    await end('SIGKILL')
    throw new Error(`the broker did not start: ${(error as Error).message}\n${stdout()}`, {
      cause: error,
    })
  }
}
