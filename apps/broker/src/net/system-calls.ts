/**
 * The two system calls that Node does not have: `sendfile`, and a read that never waits for a disk.
 * They come through `koffi`, an optional dependency, and only from a C library that has both.
 *
 * Invariant: no call here waits. `sendfile` is given sockets that do not block, and files whose pages
 * `isCached` has just seen in memory.
 */
import { createRequire } from 'node:module'
import { constants } from 'node:os'

export interface SystemCalls {
  /** Bytes moved from `position` of the file to the socket, or an error's number below zero. */
  sendFile(socket: number, file: number, position: number, byteLength: number): number
  /** Whether the page around `position` is in memory. False where the file system cannot say. */
  isCached(file: number, position: number): boolean
}

/** Why there are none. */
export interface NoSystemCalls {
  readonly reason: string
}

const { EAGAIN, EINTR } = constants.errno

/** The socket takes nothing now; or ask again. */
export const isWorthAnotherCall = (outcome: number): boolean =>
  outcome === -EAGAIN || outcome === -EINTR

/** The number is the same on every Linux. */
const RWF_NOWAIT = 8
const IOVEC_BYTES = 16
const OFFSET_BYTES = 8
const TARGET_BYTES = 1

type Call = (...given: readonly unknown[]) => number | bigint

/** What is used of koffi. */
interface Koffi {
  load(path: string | null): { func(declaration: string): unknown }
  errno(): number
  alloc(type: string, length: number): unknown
  address(value: unknown): bigint
}

/**
 * `isOwnProcess`: nothing else runs in it, and it may be ended for good.
 *
 * The crash story: koffi's library syncs standard error when the process exits. Where that fails, as on
 * the disk that made the broker stop, it reports the failure to standard error and waits for itself.
 * So the process ends without that, once everybody has heard of its exit.
 */
export const loadSystemCalls = (
  options: { readonly isOwnProcess?: boolean } = {},
): Promise<SystemCalls | NoSystemCalls> => Promise.resolve(findSystemCalls(options))

const findSystemCalls = ({
  isOwnProcess = false,
}: {
  readonly isOwnProcess?: boolean
}): SystemCalls | NoSystemCalls => {
  if (process.platform !== 'linux') return { reason: `not on ${process.platform}` }
  try {
    // It may not be there: an import would be a promise to everybody who reads imports.
    const koffi = createRequire(import.meta.url)('koffi') as Koffi
    const calls = createSystemCalls(koffi)
    if (isOwnProcess) {
      const end = koffi.load(null).func('void _exit(int)') as Call
      process.once('exit', (code) => void end(code))
    }
    return calls
  } catch (error) {
    return { reason: (error as Error).message.split('\n', 1)[0] ?? 'koffi cannot be loaded' }
  }
}

const createSystemCalls = (koffi: Koffi): SystemCalls => {
  const library = koffi.load(null)
  const sendfile = library.func('int64_t sendfile(int, int, void *, size_t)') as Call
  const preadv2 = library.func('int64_t preadv2(int, void *, int, int64_t, int)') as Call
  // Made once: a call is over before the next one begins.
  const offset = Buffer.allocUnsafeSlow(OFFSET_BYTES)
  const vector = Buffer.allocUnsafeSlow(IOVEC_BYTES)
  // Not a buffer: the garbage collector may move what a small one holds, and the address stays.
  const target = koffi.alloc('uint8_t', TARGET_BYTES)
  vector.writeBigUInt64LE(koffi.address(target), 0)
  vector.writeBigUInt64LE(BigInt(TARGET_BYTES), 8)
  return {
    sendFile: (socket, file, position, byteLength) => {
      offset.writeBigInt64LE(BigInt(position))
      const count = Number(sendfile(socket, file, offset, byteLength))
      return count < 0 ? -koffi.errno() : count
    },
    isCached: (file, position) => Number(preadv2(file, vector, 1, position, RWF_NOWAIT)) === 1,
  }
}
