/**
 * Reads of all connections into one buffer: a chunk is borrowed for the call anyway, so no socket
 * needs memory of its own and no read leaves garbage behind.
 *
 * Node offers this (`onread`) for sockets that a program makes, not for those that a server accepts.
 * So the accepted handle is moved into a socket of ours. `_handle` is an internal name: where it is
 * not what we expect, the socket is used as it is, with a buffer per read.
 */
import { Socket } from 'node:net'
import { READ_BUFFER_BYTES } from '../limits.ts'

interface HandleOwner {
  _handle: { useUserBuffer?: unknown } | null
}

export type OnRead = (bytes: Uint8Array) => void

/** With a buffer per read, as any stream does it. The socket is paused. */
export const readByEvents = (socket: Socket, onRead: OnRead): Socket => {
  socket.on('data', onRead)
  socket.pause()
  return socket
}

export class SharedReader {
  readonly #buffer: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)

  /** The socket to use from now on. It is paused; `onRead` gets its bytes once it is resumed. */
  adopt(accepted: Socket, onRead: OnRead): Socket {
    const owner = accepted as unknown as HandleOwner
    const handle = owner._handle
    if (handle === null || typeof handle?.useUserBuffer !== 'function') {
      return readByEvents(accepted, onRead)
    }
    owner._handle = null
    const buffer = this.#buffer
    const callback = (byteLength: number): boolean => {
      onRead(buffer.subarray(0, byteLength))
      return true
    }
    const options = { handle, onread: { buffer, callback }, readable: true, writable: true }
    const socket = new Socket(options as ConstructorParameters<typeof Socket>[0])
    socket.pause()
    return socket
  }
}
