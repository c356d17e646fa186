/**
 * The broker as `npm start` runs it, from installing and building to serving, with its data and ports
 * out of the way of a broker that the developer may have running.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { hasEnded, repositoryRoot } from './shell.ts'

export interface StartedBroker {
  readonly pid: number
  readonly url: string
  readonly httpUrl: string
  readonly output: () => string
  /** Asks it to end and waits; does nothing when it has ended. */
  stop(): Promise<void>
  /** Resolves once it has ended, for whatever reason. */
  readonly ended: Promise<void>
}

interface Ready {
  readonly pid: number
  readonly native: number
  readonly http: number
}

const READY_WITHIN_MS = 60_000

const readReadyFile = async (path: string): Promise<Ready | undefined> => {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Ready
  } catch {
    // Not there yet, or not written to its end.
    return undefined
  }
}

export const npmStart = async (dataDir: string): Promise<StartedBroker> => {
  const readyFile = join(dataDir, '..', 'ready.json')
  await rm(readyFile, { force: true })
  const options = ['--native-port', '0', '--http-port', '0', '--ready-file', readyFile]
  const child = spawn('npm', ['start', '--', '--data-dir', dataDir, ...options], {
    cwd: repositoryRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  const ended = once(child, 'close').then(() => undefined)
  const deadline = performance.now() + READY_WITHIN_MS
  for (;;) {
    const ready = await readReadyFile(readyFile)
    if (ready !== undefined) {
      const stop = async (): Promise<void> => {
        if (!hasEnded(child)) process.kill(ready.pid, 'SIGTERM')
        await ended
      }
      const url = `millrace://127.0.0.1:${ready.native}`
      const httpUrl = `http://127.0.0.1:${ready.http}`
      return { pid: ready.pid, url, httpUrl, output: () => output, stop, ended }
    }
    if (hasEnded(child) || performance.now() > deadline) {
      child.kill()
      throw new Error(`npm start did not come to serve:\n${output}`)
    }
    await delay(50)
  }
}
