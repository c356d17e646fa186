/**
 * Closed loop on a raw connection: frames made beforehand, one after the other, so many under way. A
 * round copies them and writes their correlation ids; with a producer's number it stamps their batches
 * as well, which costs this side a checksum each.
 */
import { type ProducerStamp, sequenceAfter, stampBatch, writeUint32 } from '@millrace/codec'
import { FRAME_HEADER_BYTES, Opcode, PRODUCE_HEAD_BYTES } from '@millrace/protocol'
import type { RawConnection } from './raw-connection.ts'

const CORRELATION_AT = 8
/** Behind the correlation ids of the calls before the load. */
export const FIRST_CORRELATION = 1_000_000
const CORRELATION_COUNT = 1_000_000_000
const BATCH_AT = FRAME_HEADER_BYTES + PRODUCE_HEAD_BYTES

export interface RawLoadOptions {
  /** All of the same length, in turns. */
  readonly frames: readonly Uint8Array[]
  /** Requests under way. */
  readonly windowCount: number
  /** Ends at whichever comes first. */
  readonly durationMs?: number
  readonly frameCount?: number
  /** What is counted as an answer; by default that of a batch. */
  readonly answerOpcode?: number
  /** For batches of one record, each frame for a partition of its own. */
  readonly producer?: { readonly id: number; readonly epoch: number } | undefined
}

export class RawLoad {
  readonly #connection: RawConnection
  readonly #options: RawLoadOptions
  readonly #endAt: number
  readonly #frameCount: number
  readonly #answerOpcode: number
  #sentCount = 0
  #answeredCount = 0
  #onDone: () => void = () => undefined

  constructor(connection: RawConnection, options: RawLoadOptions) {
    this.#connection = connection
    this.#options = options
    this.#endAt = performance.now() + (options.durationMs ?? Infinity)
    this.#frameCount = options.frameCount ?? Infinity
    this.#answerOpcode = options.answerOpcode ?? Opcode.PRODUCED
  }

  /** Resolves with the number of answers. */
  run(): Promise<number> {
    return new Promise((resolve) => {
      this.#onDone = () => resolve(this.#answeredCount)
      this.#connection.handlers = {
        onFrame: ({ opcode }) => {
          if (opcode === this.#answerOpcode) this.#answeredCount += 1
        },
        onTurn: () => this.#refill(),
      }
      this.#refill()
    })
  }

  #refill(): void {
    const underWay = this.#sentCount - this.#answeredCount
    const room = this.#options.windowCount - underWay
    const left = performance.now() < this.#endAt ? this.#frameCount - this.#sentCount : 0
    if (left > 0) this.#send(Math.min(room, left))
    else if (underWay === 0) this.#onDone()
  }

  #send(count: number): void {
    if (count === 0) return
    const { frames } = this.#options
    const frameBytes = frames[0]?.length ?? 0
    const bytes = new Uint8Array(count * frameBytes)
    for (let at = 0; at < bytes.length; at += frameBytes) {
      bytes.set(frames[this.#sentCount % frames.length] as Uint8Array, at)
      const correlation = FIRST_CORRELATION + (this.#sentCount % CORRELATION_COUNT)
      writeUint32(bytes, at + CORRELATION_AT, correlation)
      this.#stamp(bytes.subarray(at + BATCH_AT, at + frameBytes))
      this.#sentCount += 1
    }
    this.#connection.write(bytes)
  }

  #stamp(batch: Uint8Array): void {
    const { producer, frames } = this.#options
    if (producer === undefined) return
    const stamp: ProducerStamp = {
      producerId: producer.id,
      producerEpoch: producer.epoch,
      baseSequence: sequenceAfter(0, Math.floor(this.#sentCount / frames.length)),
    }
    stampBatch(batch, stamp)
  }
}
