/**
 * Peers that have not shown who they are: so many from one address, and so many bytes of all of them.
 * The story it answers: one machine opens connections and says nothing, or half a CONNECT, until
 * nobody else gets in.
 */
import { BrokerError } from '@millrace/codec'
import type { StrangerPass, Strangers } from '@millrace/core'

export interface StrangerLimits {
  readonly perAddressMax: number
  readonly bytesMax: number
}

export class StrangerBook implements Strangers {
  readonly #limits: StrangerLimits
  readonly #countByAddress = new Map<string, number>()
  #count = 0
  #bytes = 0

  constructor(limits: StrangerLimits) {
    this.#limits = limits
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  enter(remoteAddress: string): StrangerPass {
    const host = hostOf(remoteAddress)
    const count = this.#countByAddress.get(host) ?? 0
    const { perAddressMax } = this.#limits
    if (count >= perAddressMax) throw new BrokerError('ERR_CONNECTION_LIMIT', [perAddressMax])
    this.#countByAddress.set(host, count + 1)
    this.#count += 1
    return new BookPass(this, host)
  }

  /** For its passes alone. */
  change(bytes: number): void {
    this.#bytes += bytes
    const { bytesMax } = this.#limits
    if (bytes <= 0 || this.#bytes <= bytesMax) return
    const what = 'bytes of connections that have not authenticated'
    throw new BrokerError('ERR_LIMIT_EXCEEDED', [bytesMax, what])
  }

  /** For its passes alone. */
  leave(host: string): void {
    this.#count -= 1
    const count = (this.#countByAddress.get(host) ?? 1) - 1
    if (count === 0) this.#countByAddress.delete(host)
    else this.#countByAddress.set(host, count)
  }
}

class BookPass implements StrangerPass {
  readonly #book: StrangerBook
  readonly #host: string
  #bytes = 0
  #isReleased = false

  constructor(book: StrangerBook, host: string) {
    this.#book = book
    this.#host = host
  }

  hold(bytes: number): void {
    if (this.#isReleased) return
    const added = bytes - this.#bytes
    this.#bytes = bytes
    this.#book.change(added)
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#book.change(-this.#bytes)
    this.#book.leave(this.#host)
  }
}

/** Without the port: `127.0.0.1:5` and `[::1]:5`, as connections write them. */
const hostOf = (address: string): string => address.replace(/:\d+$/, '')
