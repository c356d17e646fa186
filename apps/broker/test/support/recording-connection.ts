/** A `Connection` that keeps what it was given, and takes no more when the test says so. */
import type { Connection, ReadLease } from '@millrace/core'
import { type Frame, FrameDecoder } from '@millrace/protocol'

export class RecordingConnection implements Connection {
  readonly id = 1
  readonly localAddress = '127.0.0.1:1'
  readonly remoteAddress = '127.0.0.1:2'
  readonly isTls = false
  readonly subprotocol = undefined
  readonly frames: { opcode: number; correlation: number; bytes: number; flags: number }[] = []
  readonly calls: string[] = []
  /** Writes after which it asks for a pause. */
  room = Infinity
  readonly #decoder: FrameDecoder
  #raw: Uint8Array[] = []

  constructor() {
    const limits = { frameBytesMax: 1 << 20, bodyBytesMax: 32 << 20 }
    this.#decoder = new FrameDecoder({ ...limits, onFrame: (frame) => this.#note(frame) })
  }

  /** Everything written, as one piece. */
  get bytes(): Buffer {
    return Buffer.concat(this.#raw)
  }

  write(bytes: Uint8Array): boolean {
    this.#raw.push(new Uint8Array(bytes))
    this.#decoder.push(bytes)
    this.room -= 1
    return this.room > 0
  }

  sendRange(lease: ReadLease): boolean {
    let isWritable = true
    for (const part of lease.parts) isWritable = this.write(part)
    lease.release()
    return isWritable
  }

  pause(): void {
    this.calls.push('pause')
  }

  resume(): void {
    this.calls.push('resume')
  }

  end(): void {
    this.calls.push('end')
  }

  destroy(): void {
    this.calls.push('destroy')
  }

  #note({ opcode, correlation, body, flags }: Frame): void {
    this.frames.push({ opcode, correlation, bytes: body.length, flags })
  }
}
