/**
 * What a consumer has subscribed, on whatever connection there is: keeps what is delivered, gives
 * credit back for what was taken, and subscribes again where it was when the connection is another.
 * It decodes no record.
 *
 * Invariants: an offset is received once, in order; what waits here is never more than `creditBytes`
 * and one delivery, and a broker that sends more ends the connection; what cannot be delivered any
 * more is reported as a gap before anything behind it is.
 */
import { BrokerError } from '@millrace/codec'
import {
  DELIVER_HEAD_BYTES,
  Opcode,
  type SubscribeFrom,
  type Subscribed,
  type SubscriptionEnd,
  createDeliverHead,
  decodeDeliverHead,
  decodeOffsetsListed,
  encodeListOffsets,
} from '@millrace/protocol'
import { backoffMs } from '../backoff.ts'
import { asBrokerError } from '../errors.ts'
import { RETRY_CEILING_MS, RETRY_INITIAL_MS } from '../limits.ts'
import type { BrokerSession, LiveConnection, SessionListener } from '../session/broker-session.ts'
import type { ResolvedConsumeOptions } from './consumer-options.ts'
import { type Delivery, DeliveryQueue } from './delivery-queue.ts'
import { SubscriptionLane } from './subscription-lane.ts'

/** Credit goes back in steps of a quarter: a frame per delivery would be one too many. */
const CREDIT_STEPS = 4

/** Messages that cannot be delivered: retention removed them, or they are damaged. */
export interface Gap {
  readonly topic: string
  readonly partition: number
  /** The offset that was to come next. */
  readonly from: number
  /** The offset that comes next instead. */
  readonly to: number
}

export interface SubscriptionOwner {
  /** There is something new to look at. */
  onChange(): void
  onGap(gap: Gap, error: BrokerError): void
}

export class Subscription implements SessionListener {
  readonly #session: BrokerSession
  readonly #topic: string
  readonly #options: ResolvedConsumeOptions<unknown>
  readonly #owner: SubscriptionOwner
  readonly #head = createDeliverHead()
  readonly #queue = new DeliveryQueue()
  /** The next offset of each partition, behind everything that was received. */
  readonly #received = new Map<number, number>()
  #lane: SubscriptionLane | undefined
  /** Received, and not given back by the program. */
  #heldBytes = 0
  /** Given back by the program, not yet to the broker. */
  #owedBytes = 0
  #topicId: number | undefined
  #isStarted = false
  #isResumeDue = false
  #resumeAttempt = 0
  #cancelTimer: (() => void) | undefined
  #isClosed = false
  #end: BrokerError | undefined

  constructor(
    session: BrokerSession,
    topic: string,
    options: ResolvedConsumeOptions<never>,
    owner: SubscriptionOwner,
  ) {
    this.#session = session
    this.#topic = topic
    this.#options = options as ResolvedConsumeOptions<unknown>
    this.#owner = owner
  }

  /** Why nothing follows, once everything that was delivered is taken. */
  get end(): BrokerError | undefined {
    return this.#end
  }

  /** The first time. Deliveries may come before this resolves: they wait here. */
  async subscribe(live: LiveConnection): Promise<Subscribed> {
    this.#session.addListener(this)
    return this.#subscribeOn(live, this.#options.from)
  }

  take(): Delivery | undefined {
    return this.#queue.take()
  }

  /** The program is done with a delivery: the broker may send as much again. */
  giveBack(bytes: number): void {
    this.#heldBytes -= bytes
    this.#owedBytes += bytes
    if (this.#isResumeDue) return this.#resumeSoon()
    const isDue = this.#owedBytes * CREDIT_STEPS >= this.#options.creditBytes
    if (!isDue && !this.#queue.isEmpty) return
    if (this.#owedBytes === 0 || this.#lane === undefined) return
    this.#lane.addCredit(this.#owedBytes)
    this.#owedBytes = 0
  }

  /** Drops what waits and tells the broker. Never rejects: a lost connection has ended it too. */
  async unsubscribe(): Promise<void> {
    this.#isClosed = true
    this.#session.removeListener(this)
    this.#cancelTimer?.()
    this.#queue.clear()
    await this.#lane?.leave()
  }

  /** Nothing comes any more. */
  fail(error: BrokerError): void {
    if (this.#end !== undefined || this.#isClosed) return
    this.#end = error
    this.#cancelTimer?.()
    this.#session.removeListener(this)
    this.#owner.onChange()
  }

  onDown(): void {
    this.#cancelTimer?.()
    this.#lane?.drop()
    this.#lane = undefined
  }

  onUp(live: LiveConnection): void {
    if (!this.#isStarted || this.#isClosed || this.#end !== undefined) return
    this.#resumeAttempt = 0
    void this.#resume(live)
  }

  onDeliver(lane: SubscriptionLane, body: Uint8Array, isOwned: boolean): void {
    const { partition, nextOffset } = decodeDeliverHead(body, this.#head)
    if (lane !== this.#lane) return
    this.#resumeAttempt = 0
    this.#heldBytes += body.length - DELIVER_HEAD_BYTES
    this.#received.set(partition, nextOffset)
    this.#keep(partition, nextOffset, isOwned ? body : new Uint8Array(body))
    this.#owner.onChange()
  }

  onLaneEnd(lane: SubscriptionLane, error: BrokerError, end: SubscriptionEnd | undefined): void {
    if (lane !== this.#lane) return
    this.#lane = undefined
    // The next connection resumes.
    if (error.code === 'ERR_CONNECTION_LOST' && this.#session.mayResume) return
    const mayResume = error.code === 'ERR_OFFSET_OUT_OF_RANGE' || error.code === 'ERR_DATA_CORRUPT'
    if (!this.#isStarted || !mayResume) return this.fail(error)
    void this.#recover(error, end)
  }

  /** Throws ERR_TOPIC_DELETED when the name is another topic's now: its offsets are others. */
  onConfirmed({ id, partitions }: Subscribed): void {
    const known = this.#topicId
    this.#topicId = id ?? known
    if (known !== undefined && id !== undefined && known !== id) {
      throw new BrokerError('ERR_TOPIC_DELETED', [this.#topic])
    }
    this.#isStarted = true
    for (const { partition, offset } of partitions) {
      if (!this.#received.has(partition)) this.#received.set(partition, offset)
    }
  }

  async #subscribeOn(live: LiveConnection, from: SubscribeFrom): Promise<Subscribed> {
    const { creditBytes } = this.#options
    const credit = Math.max(0, creditBytes - this.#heldBytes)
    this.#owedBytes = 0
    const lane = new SubscriptionLane(this.#session, live, this, credit)
    this.#lane = lane
    try {
      return await lane.subscribe(this.#topic, from, this.#options)
    } catch (error) {
      if (this.#lane === lane) this.#lane = undefined
      throw error
    }
  }

  /** Only with credit: what comes at once would otherwise come again and again. */
  async #resume(live: LiveConnection): Promise<void> {
    this.#isResumeDue = this.#heldBytes >= this.#options.creditBytes
    if (this.#isResumeDue || this.#isClosed || this.#session.live !== live) return
    try {
      const offsets = Object.fromEntries(this.#received)
      await this.#subscribeOn(live, { offsets })
    } catch (error) {
      await this.#recover(asBrokerError(error), undefined)
    }
  }

  #resumeSoon(): void {
    this.#isResumeDue = false
    const { live } = this.#session
    if (live !== undefined && this.#lane === undefined) void this.#resume(live)
  }

  /** Never rejects. */
  async #recover(error: BrokerError, end: SubscriptionEnd | undefined): Promise<void> {
    const { live } = this.#session
    // The next connection resumes.
    if (live === undefined || this.#isClosed) return
    try {
      if (error.code === 'ERR_OFFSET_OUT_OF_RANGE') await this.#passRemoved(live, error)
      else if (error.code === 'ERR_DATA_CORRUPT') this.#passDamaged(error, end)
      else if (!error.retriable || this.#session.end !== undefined) return this.fail(error)
    } catch (failure) {
      const reason = asBrokerError(failure)
      if (!reason.retriable) return this.fail(reason)
    }
    if (this.#end === undefined) this.#resumeLater(live)
  }

  #resumeLater(live: LiveConnection): void {
    if (this.#isClosed || this.#session.live !== live || this.#lane !== undefined) return
    const { platform } = this.#session
    const options = { initialMs: RETRY_INITIAL_MS, ceilingMs: RETRY_CEILING_MS }
    const delayMs = backoffMs(options, this.#resumeAttempt++, platform.random())
    this.#cancelTimer?.()
    this.#cancelTimer = platform.setTimer(() => void this.#resume(live), delayMs)
  }

  /** Retention, a deletion or a truncation took what was to come next. */
  async #passRemoved(live: LiveConnection, error: BrokerError): Promise<void> {
    const partitions = [...this.#received.keys()]
    const body = encodeListOffsets({ topic: this.#topic, partitions, at: 'earliest' })
    const { offsets } = await this.#session.call(Opcode.LIST_OFFSETS, body, decodeOffsetsListed, {
      isSafe: true,
    })
    if (this.#session.live !== live) return
    for (const { partition, offset: earliest, highWatermark } of offsets) {
      const from = this.#received.get(partition) ?? 0
      if (from < earliest) this.#pass(partition, from, earliest, error)
      else if (from > highWatermark) this.#pass(partition, from, highWatermark, error)
    }
  }

  #passDamaged(error: BrokerError, end: SubscriptionEnd | undefined): void {
    const { partition, from: damagedFrom, to } = end ?? {}
    if (partition === undefined || damagedFrom === undefined || to === undefined) {
      return this.fail(error)
    }
    // What stands before it was not delivered yet: there was no credit for it.
    const from = this.#received.get(partition) ?? damagedFrom
    if (from >= damagedFrom && from < to) this.#pass(partition, from, to, error)
  }

  #pass(partition: number, from: number, to: number, error: BrokerError): void {
    if (this.#options.onGap === 'throw') return this.fail(error)
    this.#received.set(partition, to)
    // In its place among the deliveries: the position of the program moves when it gets there.
    this.#queue.push({ partition, nextOffset: to, bytes: new Uint8Array(0), isGap: true })
    this.#owner.onGap({ topic: this.#topic, partition, from, to }, error)
    this.#owner.onChange()
  }

  /** A delivery without batches only moves the position: it needs no place of its own. */
  #keep(partition: number, nextOffset: number, body: Uint8Array): void {
    const last = this.#queue.lastOf(partition)
    if (body.length === DELIVER_HEAD_BYTES && last !== undefined) {
      last.nextOffset = nextOffset
      return
    }
    const bytes = body.subarray(DELIVER_HEAD_BYTES)
    this.#queue.push({ partition, nextOffset, bytes, isGap: false })
  }
}
