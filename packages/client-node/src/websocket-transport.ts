/**
 * `ws://` and `wss://`: a WebSocket with the subprotocol millrace.v1, for where only HTTP gets
 * through. A binary message holds whole frames, so a large write becomes several messages, cut where
 * a frame ends.
 */
import type { BrokerAddress, Link, LinkHandlers, Transport } from '@millrace/client-core'
import { WebSocket } from 'ws'
import { WRITE_BYTES_MAX } from './socket-link.ts'
import { type TlsOptions, tlsConnectionOptions } from './tls-options.ts'

export const WEBSOCKET_SUBPROTOCOL = 'millrace.v1'

/** A message ends with the frame that takes it beyond this. A frame is at most a mebibyte. */
const MESSAGE_BYTES = 1024 * 1024
/** What a broker may send in one message: frames it has gathered. */
const PAYLOAD_BYTES_MAX = 64 * 1024 * 1024

const LENGTH_BYTES = 4

/** Where the first message of these frames ends. */
const messageEnd = (frames: Buffer, start: number): number => {
  let end = start
  while (end < frames.length && end - start < MESSAGE_BYTES) {
    end += LENGTH_BYTES + frames.readUInt32BE(end)
  }
  return end
}

class WebSocketLink implements Link {
  readonly #webSocket: WebSocket
  readonly #handlers: LinkHandlers
  #isBlocked = false

  constructor(webSocket: WebSocket, handlers: LinkHandlers) {
    this.#webSocket = webSocket
    this.#handlers = handlers
  }

  write(chunks: readonly Uint8Array[], byteLength: number): boolean {
    const frames = Buffer.concat(chunks, byteLength)
    for (let start = 0; start < frames.length;) {
      const end = messageEnd(frames, start)
      this.#send(frames.subarray(start, end))
      start = end
    }
    this.#isBlocked = this.#webSocket.bufferedAmount > WRITE_BYTES_MAX
    return !this.#isBlocked
  }

  pause(): void {
    this.#webSocket.pause()
  }

  resume(): void {
    this.#webSocket.resume()
  }

  close(): void {
    this.#webSocket.close(1000)
  }

  destroy(): void {
    this.#webSocket.terminate()
  }

  #send(message: Buffer): void {
    this.#webSocket.send(message, { binary: true, compress: false }, () => this.#onSent())
  }

  #onSent(): void {
    if (!this.#isBlocked || this.#webSocket.bufferedAmount > WRITE_BYTES_MAX / 2) return
    this.#isBlocked = false
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#handlers.onDrain()
  }
}

const adopt = (webSocket: WebSocket, handlers: LinkHandlers): Link => {
  let failure: Error | undefined
  webSocket.on('error', (error) => (failure = error))
  webSocket.on('message', (data, isBinary) => {
    if (isBinary) return handlers.onData(data as Buffer)
    failure = new Error('the broker sent a text message')
    webSocket.terminate()
  })
  webSocket.on('close', () => handlers.onClose(failure))
  return new WebSocketLink(webSocket, handlers)
}

const openWebSocket = (address: BrokerAddress, tls: TlsOptions): WebSocket =>
  new WebSocket(address.url, WEBSOCKET_SUBPROTOCOL, {
    ...(address.scheme === 'wss' ? tlsConnectionOptions(address, tls) : {}),
    perMessageDeflate: false,
    followRedirects: false,
    maxPayload: PAYLOAD_BYTES_MAX,
  })

const connectWebSocket = (
  address: BrokerAddress,
  tls: TlsOptions,
  handlers: LinkHandlers,
  signal: AbortSignal,
): Promise<Link> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) throw signal.reason
    const webSocket = openWebSocket(address, tls)
    const onAbort = (): void => {
      reject(signal.reason as Error)
      webSocket.terminate()
    }
    const settle = (): void => signal.removeEventListener('abort', onAbort)
    signal.addEventListener('abort', onAbort)
    webSocket.on('error', (error) => {
      settle()
      reject(error)
    })
    webSocket.once('open', () => {
      settle()
      resolve(adopt(webSocket, handlers))
    })
  })

export const webSocketTransport = (tls: TlsOptions = {}): Transport => ({
  connect: (address, handlers, signal) => connectWebSocket(address, tls, handlers, signal),
})
