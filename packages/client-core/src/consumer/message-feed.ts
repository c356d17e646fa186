/**
 * From deliveries to messages: decodes one delivery at a time, when the one before is used up, and
 * knows how far each partition was read.
 *
 * Invariant: no offset is given out twice, and credit goes back only for what was given out whole.
 */
import type { BatchCompression } from '@millrace/codec'
import type { ResolvedConsumeOptions } from './consumer-options.ts'
import type { Delivery } from './delivery-queue.ts'
import type { Message } from './message.ts'
import { readMessages } from './read-messages.ts'
import type { Subscription } from './subscription.ts'

export class MessageFeed<T> {
  readonly #topic: string
  readonly #options: ResolvedConsumeOptions<T>
  readonly #subscription: Subscription
  readonly #compression: BatchCompression | undefined
  /** The next offset of each partition, behind everything that was given out whole. */
  readonly #positions = new Map<number, number>()
  /** Where each partition ends with `follow: false`; `undefined` when there is no end. */
  #endOffsets: ReadonlyMap<number, number> | undefined
  #messages: readonly Message<T>[] = []
  #index = 0
  #current: Delivery | undefined

  constructor(
    topic: string,
    options: ResolvedConsumeOptions<T>,
    subscription: Subscription,
    compression: BatchCompression | undefined,
  ) {
    this.#compression = compression
    this.#topic = topic
    this.#options = options
    this.#subscription = subscription
  }

  /** Where the partitions begin, and where they end. */
  start(
    positions: readonly { readonly partition: number; readonly offset: number }[],
    endOffsets: ReadonlyMap<number, number> | undefined,
  ): void {
    for (const { partition, offset } of positions) this.#positions.set(partition, offset)
    this.#endOffsets = endOffsets
  }

  /** All partitions have reached their end. */
  get isAtEnd(): boolean {
    if (this.#endOffsets === undefined) return false
    for (const [partition, endOffset] of this.#endOffsets) {
      if ((this.#positions.get(partition) ?? Infinity) < endOffset) return false
    }
    return this.#index >= this.#messages.length
  }

  takeMessage(): Message<T> | undefined {
    const message = this.#messages[this.#index]
    if (message !== undefined) this.#index += 1
    return message
  }

  /** The rest of the delivery in hand. */
  takeAll(): readonly Message<T>[] | undefined {
    const { length } = this.#messages
    if (this.#index >= length) return undefined
    const rest = this.#index === 0 ? this.#messages : this.#messages.slice(this.#index)
    this.#index = length
    return rest
  }

  /**
   * Takes the next delivery into the hand: true when there is a message. The one before is settled.
   * Throws what a damaged batch throws.
   */
  advance(): boolean {
    this.#settle()
    while (!this.isAtEnd) {
      const delivery = this.#subscription.take()
      if (delivery === undefined) return false
      this.#current = delivery
      this.#messages = this.#read(delivery)
      this.#index = 0
      if (this.#messages.length > 0) return true
      this.#settle()
    }
    return false
  }

  /** What to resume from: the messages given out so far are behind it. */
  offsets(): Record<number, number> {
    const offsets: Record<number, number> = {}
    for (const [partition, offset] of this.#positions) offsets[partition] = offset
    if (this.#current === undefined) return offsets
    const next = this.#messages[this.#index]?.offset ?? this.#current.nextOffset
    // A batch may begin below where the reader asked: never backwards.
    offsets[this.#current.partition] = Math.max(next, offsets[this.#current.partition] ?? 0)
    return offsets
  }

  /** Nothing more is given out; `offsets` stays what it is. */
  stop(): void {
    for (const [partition, offset] of Object.entries(this.offsets())) {
      this.#positions.set(Number(partition), offset)
    }
    this.#current = undefined
    this.#messages = []
    this.#index = 0
  }

  #read(delivery: Delivery): readonly Message<T>[] {
    const { partition } = delivery
    const { codec, verifyChecksums } = this.#options
    const endOffset =
      this.#endOffsets === undefined ? Infinity : (this.#endOffsets.get(partition) ?? 0)
    // A partition that joined later begins at its start.
    const fromOffset = this.#positions.get(partition) ?? 0
    const source = { topic: this.#topic, partition, codec }
    const compression = this.#compression
    const range = { fromOffset, endOffset, verifyChecksums, compression }
    return readMessages(delivery.bytes, source, range)
  }

  #settle(): void {
    const delivery = this.#current
    if (delivery === undefined) return
    this.#current = undefined
    this.#messages = []
    this.#index = 0
    const before = this.#positions.get(delivery.partition) ?? 0
    // Where the end of a partition was lost, the next message has a lower offset.
    const next = delivery.isGap ? delivery.nextOffset : Math.max(before, delivery.nextOffset)
    this.#positions.set(delivery.partition, next)
    this.#subscription.giveBack(delivery.bytes.length)
  }
}
