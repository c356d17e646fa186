/** The channels of a connection, by number. The one that was used last is found without a lookup. */
import type { AmqpChannel } from './amqp-channel.ts'

export class ChannelTable {
  /** As agreed with the peer. */
  countMax = 0
  readonly #channels = new Map<number, AmqpChannel>()
  #last: AmqpChannel | undefined = undefined

  get size(): number {
    return this.#channels.size
  }

  find(number: number): AmqpChannel | undefined {
    const last = this.#last
    if (last !== undefined && last.number === number) return last
    const found = this.#channels.get(number)
    if (found !== undefined) this.#last = found
    return found
  }

  add(channel: AmqpChannel): void {
    this.#channels.set(channel.number, channel)
  }

  delete(number: number): void {
    this.#channels.delete(number)
    if (this.#last?.number === number) this.#last = undefined
  }

  [Symbol.iterator](): Iterator<AmqpChannel> {
    return this.#channels.values()
  }
}
