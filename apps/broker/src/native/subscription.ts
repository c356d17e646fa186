/**
 * One subscription: several partitions of a topic that share one pool of credit.
 *
 * The peer's credit and the engine's are two things. The engine gives each partition a window of
 * bytes that it may have read ahead; what it delivers waits here until the pool has credit and the
 * connection takes more, and only then the partition's window is filled up again.
 *
 * ```
 *   engine ──(window per partition)──→ held deliveries ──(pool > 0, peer reads)──→ DELIVER
 *      ^                                                                   │
 *      └───────────────────────── addCredit(bytes sent) ───────────────────┘
 * ```
 * Invariant: nothing is sent while the pool is empty; one delivery may take it below zero.
 */
import { BrokerError, RingQueue } from '@millrace/codec'
import type {
  Cancellable,
  EngineSession,
  PartitionSubscription,
  ReadLease,
  ReadResult,
  SubscriptionSink,
  TopicHandle,
} from '@millrace/core'
import {
  DELIVER_HEAD_BYTES,
  encodeSubscriptionEnd,
  Opcode,
  type SubscriptionEnd,
  wireOfError,
  writeDeliverHead,
} from '@millrace/protocol'
import { CREDIT_BYTES_MAX } from '../limits.ts'
import type { FrameOutput } from './frame-output.ts'

export interface SubscriptionOptions {
  readonly id: number
  readonly channel: number
  readonly creditBytes: number
  readonly windowBytes: number
  readonly output: FrameOutput
  readonly engine: EngineSession
  /** Deliveries go to a connection that sends files. */
  readonly mayStayInFile?: boolean
  /** The damaged range that a reader of the partition meets at this offset or above it. */
  readonly damageFrom: (partition: number, offset: number) => DamagedRange | undefined
  /** It ended by itself, and the peer has been told. */
  readonly onEnded: (subscription: Subscription) => void
}

/** Offsets `from` to `to` - 1 cannot be read. */
export interface DamagedRange {
  readonly from: number
  readonly to: number
}

interface HeldDelivery {
  readonly partition: number
  readonly lease: ReadLease
  readonly highWatermark: number
  readonly nextOffset: number
}

export class Subscription implements SubscriptionSink {
  readonly id: number
  readonly #options: SubscriptionOptions
  readonly #partitions = new Map<number, PartitionSubscription>()
  readonly #held = new RingQueue<HeldDelivery>()
  /** Where the engine goes on in each partition. */
  readonly #nextOffsets = new Map<number, number>()
  #watch: Cancellable | undefined
  #creditBytes: number
  #isEnded: boolean

  constructor(options: SubscriptionOptions) {
    this.id = options.id
    this.#options = options
    this.#watch = undefined
    this.#creditBytes = options.creditBytes
    this.#isEnded = false
  }

  get partitionCount(): number {
    return this.#partitions.size
  }

  start(handle: TopicHandle, partition: number, offset: number): void {
    if (this.#isEnded || this.#partitions.has(partition)) return
    const { engine, windowBytes, mayStayInFile } = this.#options
    const operation = {
      handle,
      partition,
      offset,
      bytesPerDeliveryMax: windowBytes,
      creditBytes: windowBytes,
      mayStayInFile,
    }
    this.#nextOffsets.set(partition, offset)
    this.#partitions.set(partition, engine.subscribe(operation, this))
  }

  /** Ends with the subscription. */
  watchWith(watch: Cancellable): void {
    if (this.#isEnded) watch.cancel()
    else this.#watch = watch
  }

  addCredit(bytes: number): void {
    this.#creditBytes = Math.min(this.#creditBytes + bytes, CREDIT_BYTES_MAX)
    this.pump()
  }

  /** Sends what is held, as far as credit and the connection allow. */
  pump(): void {
    const { output } = this.#options
    while (this.#held.length > 0 && this.#creditBytes > 0 && !output.isBlocked) {
      this.#send(this.#held.shift() as HeldDelivery)
    }
  }

  deliver(partition: number, result: ReadResult): void {
    const { lease, highWatermark, nextOffset } = result
    if (lease === undefined) return
    if (this.#isEnded) {
      lease.release()
      return
    }
    this.#nextOffsets.set(partition, nextOffset)
    this.#held.push({ partition, lease, highWatermark, nextOffset })
    this.pump()
  }

  end(partition: number, error: BrokerError): void {
    const reason = `partition ${partition}: ${error.message}`
    this.endWith(BrokerError.received(error.code, reason), {
      partition,
      ...this.#damageOf(partition, error),
    })
  }

  /** What was delivered before is sent before, if there is credit for it; then the peer is told. */
  endWith(error: BrokerError, where: Partial<SubscriptionEnd> = {}): void {
    if (this.#isEnded) return
    const { output, channel, onEnded } = this.#options
    this.pump()
    this.close()
    const code = wireOfError(error)
    const end = { subscription: this.id, code, message: error.message, ...where }
    output.sendInLine(Opcode.SUBSCRIPTION_END, channel, this.id, encodeSubscriptionEnd(end))
    onEnded(this)
  }

  close(): void {
    this.#isEnded = true
    this.#watch?.cancel()
    for (const partition of this.#partitions.values()) partition.cancel()
    for (let held = this.#held.shift(); held !== undefined; held = this.#held.shift()) {
      held.lease.release()
    }
  }

  #damageOf(partition: number, error: BrokerError): Partial<DamagedRange> {
    if (error.code !== 'ERR_DATA_CORRUPT') return {}
    return this.#options.damageFrom(partition, this.#nextOffsets.get(partition) ?? 0) ?? {}
  }

  #send(delivery: HeldDelivery): void {
    const { lease, partition, highWatermark, nextOffset } = delivery
    const { output, channel } = this.#options
    const head = new Uint8Array(DELIVER_HEAD_BYTES)
    writeDeliverHead(head, 0, partition, highWatermark, nextOffset)
    const bytes = lease.byteLength
    this.#creditBytes -= bytes
    output.sendBody(Opcode.DELIVER, channel, this.id, head, lease)
    this.#partitions.get(partition)?.addCredit(bytes)
  }
}
