/** The broker under `strace`: its log of system calls, or faults injected into them. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { parseSystemCalls, type SystemCall } from './system-calls.ts'

const WRITES = ['write', 'writev', 'pwrite64', 'pwritev', 'pwritev2']
const SOCKETS = ['sendto', 'sendmsg']
const FILES = ['fdatasync', 'fsync', 'openat', 'open', 'rename', 'renameat', 'renameat2']
const DIRECTORIES = ['mkdir', 'mkdirat', 'unlink', 'unlinkat', 'ftruncate']
const TRACED = [...WRITES, ...SOCKETS, ...FILES, ...DIRECTORIES]

/** Fails with what is missing: these tests are never skipped. */
export const requireStrace = (): void => {
  const { error, status, stderr } = spawnSync('strace', ['-f', '-o', '/dev/null', 'true'], {
    encoding: 'utf8',
  })
  if (error !== undefined) {
    throw new Error('strace is missing: run `sudo apt-get install strace`, or `npm test` as root')
  }
  if (status !== 0) {
    throw new Error(`strace may not trace here (is ptrace permitted?): ${stderr.trim()}`)
  }
}

export interface StraceOptions {
  /** As in `fdatasync:error=EIO:when=3`. Counted for each thread. */
  readonly inject?: readonly string[]
  /** Bytes of each string that are logged. */
  readonly stringBytes?: number
  /** Only these calls, instead of everything that matters for the order of syncs. */
  readonly only?: readonly string[]
}

export const straceWrapper = (logFile: string, options: StraceOptions = {}): string[] => {
  const { inject = [], stringBytes = 64, only = TRACED } = options
  return [
    ...['strace', '-f', '-ttt', '-yy', '-xx', '-s', String(stringBytes), '-o', logFile],
    ...['-e', `trace=${only.join(',')}`, '-e', 'signal=none'],
    ...inject.flatMap((fault) => ['-e', `inject=${fault}`]),
  ]
}

export const readSystemCalls = (logFile: string): SystemCall[] =>
  parseSystemCalls(readFileSync(logFile, 'latin1'))
