/**
 * Bodies in, frames out. `encodeFrame` for small bodies: one buffer. `splitBody` for batches: headers
 * and views, so that a large body is never copied and never longer in one frame than was agreed.
 */
import { BrokerError } from '@millrace/codec'
import { FLAG_MORE, FRAME_HEADER_BYTES, writeFrameHeader } from './frame.ts'

const EMPTY = new Uint8Array(0)

/** One whole frame. The caller knows that it is within the limit of the connection. */
export const encodeFrame = (
  opcode: number,
  channel: number,
  correlation: number,
  body: Uint8Array = EMPTY,
): Uint8Array => {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + body.length)
  writeFrameHeader(frame, 0, body.length, opcode, 0, channel, correlation)
  frame.set(body, FRAME_HEADER_BYTES)
  return frame
}

const sumBytes = (parts: readonly Uint8Array[]): number => {
  let sum = 0
  for (const part of parts) sum += part.length
  return sum
}

/**
 * Emits the body made of `parts` as one or more frames: each header, then views of the parts. All
 * headers share one small buffer. Chunks must be sent in order; frames of other bodies may be sent
 * between two frames, never inside one.
 */
export const splitBody = (
  opcode: number,
  channel: number,
  correlation: number,
  parts: readonly Uint8Array[],
  frameBytesMax: number,
  emit: (chunk: Uint8Array) => void,
): void => {
  const room = frameBytesMax - FRAME_HEADER_BYTES
  if (room < 1)
    throw new BrokerError('ERR_FRAME_TOO_LARGE', [FRAME_HEADER_BYTES + 1, frameBytesMax])
  const total = sumBytes(parts)
  const count = Math.max(1, Math.ceil(total / room))
  const headers = new Uint8Array(count * FRAME_HEADER_BYTES)
  const source = new PartCursor(parts)
  for (let index = 0; index < count; index++) {
    const bodyBytes = Math.min(room, total - index * room)
    const at = index * FRAME_HEADER_BYTES
    const flags = index === count - 1 ? 0 : FLAG_MORE
    writeFrameHeader(headers, at, bodyBytes, opcode, flags, channel, correlation)
    emit(headers.subarray(at, at + FRAME_HEADER_BYTES))
    source.emit(bodyBytes, emit)
  }
}

/** Walks the parts once, cutting views of the size asked for. */
class PartCursor {
  readonly #parts: readonly Uint8Array[]
  #index: number
  #at: number

  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts
    this.#index = 0
    this.#at = 0
  }

  emit(wanted: number, emit: (chunk: Uint8Array) => void): void {
    let missing = wanted
    while (missing > 0) {
      const part = this.#parts[this.#index] as Uint8Array
      const taken = Math.min(missing, part.length - this.#at)
      if (taken > 0) emit(part.subarray(this.#at, this.#at + taken))
      missing -= taken
      this.#at += taken
      if (this.#at === part.length) {
        this.#index += 1
        this.#at = 0
      }
    }
  }
}
