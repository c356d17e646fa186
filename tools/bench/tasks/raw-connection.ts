/**
 * A connection without the SDK: frames in, frames out, nothing kept. For load that must not be limited
 * by what a client does for its user.
 */
import { type Socket, connect } from 'node:net'
import { once } from 'node:events'
import {
  BODY_BYTES_MAX,
  FRAME_BYTES_DEFAULT,
  type Frame,
  FrameDecoder,
  Opcode,
  PROTOCOL_VERSIONS,
  decodeError,
  encodeConnect,
  encodeFrame,
  isResponse,
} from '@millrace/protocol'

const READ_BYTES = 256 * 1024

interface RawHandlers {
  /** Frames that answer no `call`. The body is borrowed. */
  onFrame(frame: Frame): void
  /** Behind the last frame of what arrived together. */
  onTurn(): void
}

const ignore: RawHandlers = { onFrame: () => undefined, onTurn: () => undefined }

/** A user with a password, sent as it is. */
export interface RawLogin {
  readonly user: string
  readonly password: string
}

export interface RawConnectionOptions {
  /** Left out: anonymously. */
  readonly login?: RawLogin | undefined
  /** What is read at once: memory that is made for the connection. */
  readonly readBytes?: number
}

export const plainBytesOf = ({ user, password }: RawLogin): Uint8Array =>
  new TextEncoder().encode(`\u0000${user}\u0000${password}`)

const connectBody = (login: RawLogin | undefined): Uint8Array =>
  encodeConnect({
    versions: PROTOCOL_VERSIONS,
    namespace: '/',
    mechanism: login === undefined ? 'ANONYMOUS' : 'PLAIN',
    ...(login === undefined ? {} : { initial: plainBytesOf(login) }),
    client: { name: 'millrace-bench', version: '0' },
    features: [],
    codecs: ['none'],
    heartbeatMs: 0,
    frameBytesMax: FRAME_BYTES_DEFAULT,
  })

export class RawConnection {
  handlers: RawHandlers = ignore
  /** Rejects when the broker says ERROR, or the connection ends. */
  readonly failed: Promise<never>
  readonly #socket: Socket
  readonly #decoder: FrameDecoder
  readonly #calls = new Map<number, (body: Uint8Array) => void>()
  #fail!: (error: Error) => void
  #lastCorrelation = 0

  private constructor(host: string, port: number, readBytes: number) {
    this.failed = new Promise<never>((_resolve, reject) => (this.#fail = reject))
    this.failed.catch(() => undefined)
    this.#decoder = new FrameDecoder({
      frameBytesMax: FRAME_BYTES_DEFAULT,
      bodyBytesMax: BODY_BYTES_MAX,
      onFrame: (frame) => this.#accept(frame),
    })
    const buffer = new Uint8Array(readBytes)
    const callback = (count: number): boolean => {
      this.#decoder.push(buffer.subarray(0, count))
      this.handlers.onTurn()
      return true
    }
    this.#socket = connect({ host, port, noDelay: true, onread: { buffer, callback } })
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => this.#fail(new Error('the connection ended')))
  }

  static async open(
    url: string,
    { login, readBytes = READ_BYTES }: RawConnectionOptions = {},
  ): Promise<RawConnection> {
    const { hostname, port } = new URL(url)
    const connection = new RawConnection(hostname, Number(port), readBytes)
    await Promise.race([once(connection.#socket, 'connect'), connection.failed])
    await connection.call(Opcode.CONNECT, connectBody(login))
    return connection
  }

  /** A request and the body of its answer. */
  call(opcode: number, body: Uint8Array): Promise<Uint8Array> {
    const correlation = ++this.#lastCorrelation
    const answer = new Promise<Uint8Array>((resolve) => this.#calls.set(correlation, resolve))
    this.write(encodeFrame(opcode, 0, correlation, body))
    return Promise.race([answer, this.failed])
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  close(): void {
    this.#socket.destroy()
  }

  #accept(frame: Frame): void {
    if (frame.opcode === Opcode.ERROR) {
      const { code, message } = decodeError(frame.body)
      this.#fail(new Error(`${code}: ${message}`))
      return
    }
    const resolve = isResponse(frame.opcode) ? this.#calls.get(frame.correlation) : undefined
    if (resolve === undefined) return this.handlers.onFrame(frame)
    this.#calls.delete(frame.correlation)
    resolve(new Uint8Array(frame.body))
  }
}
