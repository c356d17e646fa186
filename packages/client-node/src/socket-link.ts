/**
 * A link over a socket, plain or encrypted. It knows nothing of frames; it only sees that few and
 * large writes reach the kernel.
 */
import type { Socket } from 'node:net'
import type { Link, LinkHandlers } from '@millrace/client-core'

/** Beyond this the socket asks for a pause. */
export const WRITE_BYTES_MAX: number = 1024 * 1024
/** Up to this, one copy and one buffer cost less than a list of them. */
const JOIN_BYTES_MAX = 16 * 1024

class SocketLink implements Link {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  write(chunks: readonly Uint8Array[], byteLength: number): boolean {
    const socket = this.#socket
    if (chunks.length > 1 && byteLength <= JOIN_BYTES_MAX) {
      return socket.write(Buffer.concat(chunks, byteLength))
    }
    // Corked, they leave in one system call.
    socket.cork()
    let hasRoom = true
    for (const chunk of chunks) hasRoom = socket.write(chunk)
    socket.uncork()
    return hasRoom
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  close(): void {
    this.#socket.end(() => this.#socket.destroy())
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

/** From the moment it is open: the socket's events are the link's. */
const adopt = (socket: Socket, handlers: LinkHandlers): Link => {
  let failure: Error | undefined
  socket.on('error', (error) => (failure = error))
  socket.on('drain', () => handlers.onDrain())
  socket.on('close', () => handlers.onClose(failure))
  return new SocketLink(socket)
}

/** The link once `openEvent` came; rejects when the socket fails or `signal` aborts first. */
export const openLink = (
  open: () => Socket,
  openEvent: 'connect' | 'secureConnect',
  handlers: LinkHandlers,
  signal: AbortSignal,
): Promise<Link> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) throw signal.reason
    const socket = open()
    const onAbort = (): void => void socket.destroy(signal.reason as Error)
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      socket.removeListener('error', onError)
      socket.removeListener('close', onClose)
    }
    const onError = (error: Error): void => {
      settle()
      reject(error)
    }
    const onClose = (): void => onError(new Error('the peer ended it before it was open'))
    signal.addEventListener('abort', onAbort)
    socket.once('error', onError)
    socket.once('close', onClose)
    socket.once(openEvent, () => {
      settle()
      resolve(adopt(socket, handlers))
    })
  })
