/**
 * The frames of a message after its method: a header, then as many body frames as its size takes.
 *
 * ```
 *   method ──> header ──> body ──> … ──> method
 *                 └── a size of 0 ────────^
 * ```
 * A body that comes in one frame is handed on where it lies. Otherwise it is put together, in memory
 * that grows with what has come. The size is checked before anything is kept for it.
 */
import { readUint16, readUint64 } from '@millrace/codec'
import { allocateUnsafe } from './codec/short-bytes.ts'
import { AmqpFault, preconditionFailed, unexpectedFrame } from './errors.ts'
import { ASSEMBLY_BYTES_MIN } from './limits.ts'

const BASIC_CLASS = 60
/** Class, weight and body size. */
const HEADER_BYTES = 12
const GROWTH = 4
const NOTHING = new Uint8Array(0)

export interface ContentSink {
  /** The property block, borrowed for the call. */
  onProperties(bytes: Uint8Array, from: number, to: number): void
  /** The body, borrowed for the call unless it is owned: then nobody else has the buffer. */
  onBody(payload: Uint8Array, isOwned: boolean): void
  /** So many more bytes are held of a body that is not complete, or less. */
  onHeld(bytes: number): void
}

const Expected = { METHOD: 0, HEADER: 1, BODY: 2 } as const
type Expected = (typeof Expected)[keyof typeof Expected]

export class ContentAssembly {
  readonly #sink: ContentSink
  readonly #bytesMax: number
  #expected: Expected
  #size: number
  #filled: number
  #body: Uint8Array

  constructor(sink: ContentSink, bytesMax: number) {
    this.#sink = sink
    this.#bytesMax = bytesMax
    this.#expected = Expected.METHOD
    this.#size = 0
    this.#filled = 0
    this.#body = NOTHING
  }

  /** A method was followed by less than its content. */
  get isUnderWay(): boolean {
    return this.#expected !== Expected.METHOD
  }

  /** A method came that has content. */
  begin(): void {
    this.#expected = Expected.HEADER
  }

  /** Throws unless a method may come now. */
  checkMethod(): void {
    if (this.#expected === Expected.METHOD) return
    throw this.#expected === Expected.HEADER
      ? unexpectedFrame(
          'expected content header for class 60, got non content header frame instead',
        )
      : unexpectedFrame('expected content body, got non content body frame instead')
  }

  header(bytes: Uint8Array, from: number, to: number): void {
    if (this.#expected !== Expected.HEADER) throw this.#notExpected()
    if (to - from < HEADER_BYTES) throw malformed('a content header is cut')
    const classId = readUint16(bytes, from)
    if (classId !== BASIC_CLASS) {
      const text = `expected content header for class 60, got one for class ${classId} instead`
      throw unexpectedFrame(text)
    }
    const size = readUint64(bytes, from + 4)
    if (size > this.#bytesMax) {
      const text = `message size ${size} is larger than configured max size ${this.#bytesMax}`
      throw preconditionFailed(text, 'ERR_BODY_TOO_LARGE')
    }
    this.#sink.onProperties(bytes, from + HEADER_BYTES, to)
    this.#size = size
    this.#expected = Expected.BODY
    if (size === 0) this.#finish(NOTHING, true)
  }

  body(bytes: Uint8Array, from: number, to: number): void {
    if (this.#expected !== Expected.BODY) throw this.#notExpected()
    const length = to - from
    if (length > this.#size - this.#filled) throw malformed('a body is longer than it said')
    if (length === this.#size) {
      this.#finish(bytes.subarray(from, to), false)
      return
    }
    this.#append(bytes, from, to)
    if (this.#filled === this.#size) this.#finish(this.#body, true)
  }

  /** Whatever was under way is dropped. */
  reset(): void {
    this.#expected = Expected.METHOD
    this.#size = 0
    this.#filled = 0
    if (this.#body.length === 0) return
    this.#sink.onHeld(-this.#body.length)
    this.#body = NOTHING
  }

  /** What was put together is the sink's now. */
  #finish(payload: Uint8Array, isOwned: boolean): void {
    this.reset()
    this.#sink.onBody(payload, isOwned)
  }

  #append(bytes: Uint8Array, from: number, to: number): void {
    const filled = this.#filled + to - from
    if (filled > this.#body.length) {
      const larger = Math.max(filled, ASSEMBLY_BYTES_MIN, this.#body.length * GROWTH)
      const grown = allocateUnsafe(Math.min(this.#size, larger))
      grown.set(this.#body.subarray(0, this.#filled))
      this.#sink.onHeld(grown.length - this.#body.length)
      this.#body = grown
    }
    this.#body.set(bytes.subarray(from, to), this.#filled)
    this.#filled = filled
  }

  #notExpected(): AmqpFault {
    if (this.#expected === Expected.METHOD) {
      return unexpectedFrame('expected method frame, got non method frame instead')
    }
    return this.#expected === Expected.HEADER
      ? unexpectedFrame(
          'expected content header for class 60, got non content header frame instead',
        )
      : unexpectedFrame('expected content body, got non content body frame instead')
  }
}

const malformed = (text: string): AmqpFault =>
  new AmqpFault('FRAME_ERROR', 'connection', text, 'ERR_MALFORMED_FRAME')
