/** Why the consumers of a connection are given nothing at the moment; they go on when nothing holds. */
import type { ChannelConsumer } from './channel-consumer.ts'
import type { ChannelTable } from './channel-table.ts'
import type { Hold } from './suspension.ts'

export class ConsumerHolds {
  readonly #channels: ChannelTable
  #reasons: number

  constructor(channels: ChannelTable) {
    this.#channels = channels
    this.#reasons = 0
  }

  hold(reason: Hold): void {
    const wasHeld = this.#reasons !== 0
    this.#reasons |= reason
    if (wasHeld) return
    for (const channel of this.#channels) {
      for (const consumer of channel.consumers.values()) consumer.pause()
    }
  }

  release(reason: Hold): void {
    if ((this.#reasons & reason) === 0) return
    this.#reasons &= ~reason
    if (this.#reasons !== 0) return
    for (const channel of this.#channels) {
      for (const consumer of channel.consumers.values()) consumer.resume()
    }
  }

  /** A consumer that comes meanwhile waits with the others. */
  include(consumer: ChannelConsumer): void {
    if (this.#reasons !== 0) consumer.pause()
  }
}
