/**
 * One body on its way out: a head, then the parts of a lease, cut into frames one at a time. The
 * lease is given to the connection with the last frame, which is written after all the others. Where
 * it is a range of a file, each frame takes a smaller range of it.
 */
import type { Connection, FileRange, ReadLease } from '@millrace/core'
import { FLAG_MORE, FRAME_HEADER_BYTES, writeFrameHeader } from '@millrace/protocol'

export class OutgoingBody {
  readonly #opcode: number
  readonly #channel: number
  readonly #correlation: number
  readonly #head: Uint8Array
  readonly byteLength: number
  #lease: ReadLease | undefined
  #sentBytes: number
  #part: number
  #partAt: number
  #rangeAt: number

  constructor(
    opcode: number,
    channel: number,
    correlation: number,
    head: Uint8Array,
    lease: ReadLease | undefined,
  ) {
    this.#opcode = opcode
    this.#channel = channel
    this.#correlation = correlation
    this.#head = head
    this.byteLength = head.length + (lease?.byteLength ?? 0)
    this.#lease = lease
    this.#sentBytes = 0
    this.#part = 0
    this.#partAt = 0
    this.#rangeAt = 0
  }

  get isSent(): boolean {
    return this.#sentBytes === this.byteLength && this.#lease === undefined
  }

  /** Queues the next frame; false when the connection wants a pause. */
  sendFrame(connection: Connection, frameBytesMax: number): boolean {
    const isFirst = this.#sentBytes === 0
    const remaining = this.byteLength - this.#sentBytes
    const bodyBytes = Math.min(remaining, frameBytesMax - FRAME_HEADER_BYTES)
    const isLast = bodyBytes === remaining
    const headBytes = isFirst ? this.#head.length : 0
    const first = new Uint8Array(FRAME_HEADER_BYTES + headBytes)
    const flags = isLast ? 0 : FLAG_MORE
    writeFrameHeader(first, 0, bodyBytes, this.#opcode, flags, this.#channel, this.#correlation)
    if (isFirst) first.set(this.#head, FRAME_HEADER_BYTES)
    this.#sentBytes += bodyBytes
    const isWritable = connection.write(first)
    return this.#sendParts(connection, bodyBytes - headBytes, isLast) && isWritable
  }

  release(): void {
    this.#lease?.release()
    this.#lease = undefined
  }

  #sendParts(connection: Connection, byteLength: number, isLast: boolean): boolean {
    const lease = this.#lease
    if (lease === undefined) return true
    if (lease.range !== undefined) {
      return this.#sendFromFile(connection, lease, lease.range, byteLength, isLast)
    }
    const views = this.#cut(lease, byteLength)
    if (isLast) {
      this.#lease = undefined
      return connection.sendRange({ parts: views, byteLength, release: () => lease.release() })
    }
    let isWritable = true
    for (const view of views) isWritable = connection.write(view)
    return isWritable
  }

  #sendFromFile(
    connection: Connection,
    lease: ReadLease,
    range: FileRange,
    byteLength: number,
    isLast: boolean,
  ): boolean {
    if (isLast) this.#lease = undefined
    const part = partOf(range, this.#rangeAt, byteLength)
    this.#rangeAt += byteLength
    // What stands before the last part is sent before it, or not at all.
    const release = isLast ? () => lease.release() : nothingToRelease
    return connection.sendRange({ parts: [], range: part, byteLength, release })
  }

  #cut(lease: ReadLease, byteLength: number): Uint8Array[] {
    const views: Uint8Array[] = []
    let missing = byteLength
    while (missing > 0) {
      const part = lease.parts[this.#part] as Uint8Array
      const taken = Math.min(missing, part.length - this.#partAt)
      if (taken > 0) views.push(part.subarray(this.#partAt, this.#partAt + taken))
      missing -= taken
      this.#partAt += taken
      if (this.#partAt === part.length) {
        this.#part += 1
        this.#partAt = 0
      }
    }
    return views
  }
}

const nothingToRelease = (): void => undefined

const partOf = (range: FileRange, from: number, byteLength: number): FileRange => ({
  descriptor: range.descriptor,
  position: range.position + from,
  byteLength,
  read: (target, at) => {
    const wanted = Math.min(target.length, byteLength - at)
    return range.read(target.subarray(0, wanted), from + at)
  },
})
