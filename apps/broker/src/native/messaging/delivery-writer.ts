/**
 * QUEUE_DELIVER on its way out: deliveries of one turn of the engine gather in a slab, those of one
 * consumer in one frame, and leave together. A large payload is never copied: it goes out as it is.
 *
 * ```
 *   slab:  | sent … | header | delivery | delivery | header | delivery |  room  |
 *                   ^ first frame                  ^ open frame        ^ at
 * ```
 * Invariants: what a consumer gets leaves in the order it came; a slab's bytes are written once.
 */
import {
  FRAME_HEADER_BYTES,
  FRAME_LENGTH_BYTES,
  frameLength,
  Opcode,
  writeDeliveryHead,
  writeFrameHeader,
  writeQueueDelivery,
} from '@millrace/protocol'
import { DELIVERY_COPIED_BYTES_MAX, DELIVERY_FRAME_BYTES, SLAB_BYTES } from '../../limits.ts'
import type { FrameOutput } from '../frame-output.ts'
import type { WireDelivery } from './wire-delivery.ts'

const NO_SLAB = new Uint8Array(0)
const nothingToRelease = (): void => undefined

export class DeliveryWriter {
  readonly #output: FrameOutput
  readonly #flush: () => void
  #slab: Uint8Array
  /** Where the frames begin that are not sent yet. */
  #firstAt: number
  #frameAt: number
  #at: number
  /** Of the open frame. */
  #consumer: number
  #channel: number
  #isFlushDue: boolean

  constructor(output: FrameOutput) {
    this.#output = output
    this.#flush = () => this.flush()
    this.#slab = NO_SLAB
    this.#firstAt = 0
    this.#frameAt = 0
    this.#at = 0
    this.#consumer = 0
    this.#channel = 0
    this.#isFlushDue = false
  }

  /** `size` is that of `queueDeliverySize`. */
  write(consumer: number, channel: number, delivery: WireDelivery, size: number): void {
    if (size > DELIVERY_COPIED_BYTES_MAX) {
      this.flush()
      this.#writeLarge(consumer, channel, delivery, size)
      return
    }
    this.#open(consumer, channel, size)
    this.#at = writeQueueDelivery(this.#slab, this.#at, delivery)
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    queueMicrotask(this.#flush)
  }

  /** What was gathered leaves now. */
  flush(): void {
    this.#isFlushDue = false
    if (this.#at === this.#firstAt) return
    this.#close()
    for (let at = this.#firstAt; at < this.#at;) at = this.#send(at)
    this.#firstAt = this.#at
    this.#consumer = 0
  }

  /** Makes room for a delivery in a frame of that consumer. */
  #open(consumer: number, channel: number, size: number): void {
    const isSame = consumer === this.#consumer && channel === this.#channel
    const frameBytes = this.#at - this.#frameAt + size
    if (isSame && frameBytes <= DELIVERY_FRAME_BYTES && this.#at + size <= this.#slab.length) return
    this.#close()
    if (this.#at + FRAME_HEADER_BYTES + size > this.#slab.length) this.#renew()
    this.#frameAt = this.#at
    this.#at += FRAME_HEADER_BYTES
    this.#consumer = consumer
    this.#channel = channel
  }

  #close(): void {
    if (this.#consumer === 0) return
    const bodyBytes = this.#at - this.#frameAt - FRAME_HEADER_BYTES
    const { QUEUE_DELIVER } = Opcode
    const slab = this.#slab
    writeFrameHeader(
      slab,
      this.#frameAt,
      bodyBytes,
      QUEUE_DELIVER,
      0,
      this.#channel,
      this.#consumer,
    )
    this.#consumer = 0
  }

  #renew(): void {
    this.flush()
    this.#slab = new Uint8Array(SLAB_BYTES)
    this.#firstAt = 0
    this.#frameAt = 0
    this.#at = 0
  }

  /** The frame at a position; returns where the next one begins. */
  #send(at: number): number {
    const end = at + FRAME_LENGTH_BYTES + frameLength(this.#slab, at)
    this.#output.sendFrame(this.#slab.subarray(at, end))
    return end
  }

  #writeLarge(consumer: number, channel: number, delivery: WireDelivery, size: number): void {
    const { payload } = delivery
    const head = new Uint8Array(size - payload.length)
    writeDeliveryHead(head, 0, delivery)
    const byteLength = payload.length
    const lease = { parts: [payload], byteLength, release: nothingToRelease }
    this.#output.sendBody(Opcode.QUEUE_DELIVER, channel, consumer, head, lease)
  }
}
