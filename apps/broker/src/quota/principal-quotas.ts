/**
 * What each principal may use: bytes a second in and out, connections. All connections of a principal
 * share its buckets, over all protocols. Whoever uses too much is slowed down, not refused; only a
 * connection too many is.
 *
 * The story of the kept ledgers: a principal that reconnects must not find full buckets again, so a
 * ledger stays until its buckets are full; the number of ledgers is bounded by sweeping those.
 */
import { BrokerError } from '@millrace/codec'
import type { Clock, Principal, PrincipalQuotas, Quotas, QuotaUse } from '@millrace/core'
import { QUOTA_LEDGERS_SWEPT_AT } from '../limits.ts'
import { TokenBucket } from './token-bucket.ts'

export type QuotaValues = Required<PrincipalQuotas>

/** Times that a connection was told to wait, and for how long. */
export class ThrottleCounts {
  count = 0
  totalMs = 0

  add(waitMs: number): void {
    if (waitMs === 0) return
    this.count += 1
    this.totalMs += waitMs
  }
}

class Ledger {
  values: QuotaValues
  connectionCount = 0
  inBucket: TokenBucket | undefined
  outBucket: TokenBucket | undefined

  constructor(values: QuotaValues, nowMs: number) {
    this.values = values
    this.inBucket = bucketOf(values.bytesInPerSecond, nowMs)
    this.outBucket = bucketOf(values.bytesOutPerSecond, nowMs)
  }

  /** The principal came back with other quotas: they hold for its older connections as well. */
  change(values: QuotaValues, nowMs: number): void {
    const { bytesInPerSecond, bytesOutPerSecond } = this.values
    if (bytesInPerSecond !== values.bytesInPerSecond)
      this.inBucket = bucketOf(values.bytesInPerSecond, nowMs)
    if (bytesOutPerSecond !== values.bytesOutPerSecond)
      this.outBucket = bucketOf(values.bytesOutPerSecond, nowMs)
    this.values = values
  }

  isForgettable(nowMs: number): boolean {
    if (this.connectionCount > 0) return false
    return (this.inBucket?.isFull(nowMs) ?? true) && (this.outBucket?.isFull(nowMs) ?? true)
  }
}

const bucketOf = (perSecond: number, nowMs: number): TokenBucket | undefined =>
  perSecond === 0 ? undefined : new TokenBucket(perSecond, nowMs)

export class PrincipalQuotaBook implements Quotas {
  readonly in: ThrottleCounts = new ThrottleCounts()
  readonly out: ThrottleCounts = new ThrottleCounts()
  readonly #standard: QuotaValues
  readonly #clock: Clock
  /** By name; a name may be anything, so it is no object's key. */
  readonly #ledgers = new Map<string, Ledger>()
  #sweepAt = QUOTA_LEDGERS_SWEPT_AT

  constructor(standard: QuotaValues, clock: Clock) {
    this.#standard = standard
    this.#clock = clock
  }

  /** Principals that are connected, or were a moment ago. */
  get ledgerCount(): number {
    return this.#ledgers.size
  }

  open(principal: Principal): QuotaUse {
    const ledger = this.#ledgerOf(principal)
    const { connections } = ledger.values
    if (connections > 0 && ledger.connectionCount >= connections) {
      throw new BrokerError('ERR_QUOTA_EXCEEDED', [connections, 'connections', principal.name])
    }
    ledger.connectionCount += 1
    return new LedgerUse(this, ledger, this.#clock)
  }

  #ledgerOf(principal: Principal): Ledger {
    const values = { ...this.#standard, ...principal.quotas }
    const nowMs = this.#clock.monotonic()
    const known = this.#ledgers.get(principal.name)
    if (known !== undefined) {
      known.change(values, nowMs)
      return known
    }
    this.#sweep(nowMs)
    const ledger = new Ledger(values, nowMs)
    this.#ledgers.set(principal.name, ledger)
    return ledger
  }

  #sweep(nowMs: number): void {
    if (this.#ledgers.size < this.#sweepAt) return
    for (const [name, ledger] of this.#ledgers) {
      if (ledger.isForgettable(nowMs)) this.#ledgers.delete(name)
    }
    this.#sweepAt = Math.max(QUOTA_LEDGERS_SWEPT_AT, 2 * this.#ledgers.size)
  }
}

class LedgerUse implements QuotaUse {
  readonly #book: PrincipalQuotaBook
  readonly #ledger: Ledger
  readonly #clock: Clock
  #isReleased = false

  constructor(book: PrincipalQuotaBook, ledger: Ledger, clock: Clock) {
    this.#book = book
    this.#ledger = ledger
    this.#clock = clock
  }

  takeIn(bytes: number): number {
    const bucket = this.#ledger.inBucket
    if (bucket === undefined) return 0
    const waitMs = bucket.take(bytes, this.#clock.monotonic())
    if (bytes > 0) this.#book.in.add(waitMs)
    return waitMs
  }

  takeOut(bytes: number): number {
    const bucket = this.#ledger.outBucket
    if (bucket === undefined) return 0
    const waitMs = bucket.take(bytes, this.#clock.monotonic())
    if (bytes > 0) this.#book.out.add(waitMs)
    return waitMs
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#ledger.connectionCount -= 1
  }
}
