/**
 * A link over a TCP socket. It knows nothing of frames; it only sees that few and large writes reach
 * the kernel, and that reading allocates nothing per chunk.
 */
import { type Socket, connect as connectSocket } from 'node:net'
import type { BrokerAddress, Link, LinkHandlers, Transport } from '@millrace/client-core'

/** One buffer per connection, read into again and again: `onData` lends it out. */
const READ_BYTES = 256 * 1024
/** Beyond this the socket asks for a pause. */
const WRITE_BYTES_MAX = 1024 * 1024
/** Up to this, one copy and one buffer cost less than a list of them. */
const JOIN_BYTES_MAX = 16 * 1024

class TcpLink implements Link {
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

const openSocket = (address: BrokerAddress, handlers: LinkHandlers): Socket => {
  const buffer = new Uint8Array(READ_BYTES)
  const onRead = (count: number): boolean => {
    handlers.onData(buffer.subarray(0, count))
    return true
  }
  const options = {
    host: address.host,
    port: address.port,
    noDelay: true,
    writableHighWaterMark: WRITE_BYTES_MAX,
    onread: { buffer, callback: onRead },
  }
  return connectSocket(options)
}

/** From the moment it is open: the socket's events are the link's. */
const adopt = (socket: Socket, handlers: LinkHandlers): Link => {
  let failure: Error | undefined
  socket.on('error', (error) => (failure = error))
  socket.on('drain', () => handlers.onDrain())
  socket.on('close', () => handlers.onClose(failure))
  return new TcpLink(socket)
}

const connectTcp = (
  address: BrokerAddress,
  handlers: LinkHandlers,
  signal: AbortSignal,
): Promise<Link> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) throw signal.reason
    const socket = openSocket(address, handlers)
    const onAbort = (): void => void socket.destroy(signal.reason as Error)
    const onError = (error: Error): void => {
      signal.removeEventListener('abort', onAbort)
      reject(error)
    }
    signal.addEventListener('abort', onAbort)
    socket.once('error', onError)
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort)
      socket.removeListener('error', onError)
      resolve(adopt(socket, handlers))
    })
  })

export const tcpTransport: Transport = { connect: connectTcp }
