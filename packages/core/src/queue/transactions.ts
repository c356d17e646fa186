/**
 * Publishes and settles all or nothing.
 *
 * Everything of a transaction is one unit of the journal: the batches of all its messages, and the
 * changes of the ledgers that it settles in. One group holds a unit whole, and a group is there whole
 * or not at all, so a crash leaves all of it or none, and no state between has to be recovered. What
 * it settles is locked until the outcome is known.
 */
import { BrokerError } from '@millrace/codec'
import type { Outcome } from '../engine/messaging.ts'
import type { LogStore } from '../log/store.ts'
import { AtomicUnit } from '../log/stored-batch.ts'
import type { RouteTarget } from '../routing/route-target.ts'
import type { LedgerLog } from './ledger-log.ts'
import { TRANSACTION_BYTES_MAX, TRANSACTION_OPERATIONS_MAX } from './limits.ts'
import { remembersId } from './dedup-window.ts'
import { MemoryLane } from './memory-lane.ts'
import { NEVER_KEPT } from './message-record.ts'
import { type BatchGatherer, type BatchTarget, isFull, type OpenBatch } from './open-batch.ts'
import { keepMessage, noteExpiry, type PreparedMessage } from './publisher.ts'
import { wouldRefuse } from './queue-description.ts'
import type { QueueEntry } from './queue-entry.ts'
import { Queue } from './queue.ts'
import type { SteadyClock } from './steady-clock.ts'
import { StoredLane } from './stored-lane.ts'
import { fillRecord, recordKeyOf, TopicTarget } from './topic-target.ts'

export interface Settlement {
  readonly entry: QueueEntry
  readonly outcome: Outcome
}

export interface TransactionParts {
  readonly store: LogStore
  readonly gatherer: BatchGatherer
  readonly clock: SteadyClock
  /** The ledger that a lane's settlements go to. */
  ledgerOf(lane: StoredLane): LedgerLog | undefined
}

export class Transactions {
  readonly #parts: TransactionParts

  constructor(parts: TransactionParts) {
    this.#parts = parts
  }

  /**
   * Resolves when everything is durable and `apply` has settled what is to be settled. Rejects when
   * nothing of it was done.
   */
  async commit(
    messages: readonly PreparedMessage[],
    settlements: readonly Settlement[],
    apply: () => void,
  ): Promise<void> {
    checkLimits(messages, settlements)
    await this.move(messages, settlements, apply)
  }

  /** The same of the broker's own: whoever asks bounds it. */
  async move(
    messages: readonly PreparedMessage[],
    settlements: readonly Settlement[],
    apply: () => void,
  ): Promise<void> {
    const { store } = this.#parts
    const refusal = store.refusal()
    if (refusal !== undefined) throw refusal
    checkRoom(messages)
    const batches = this.#gather(messages)
    const acked = settlements.filter(({ outcome }) => outcome === 'ack')
    for (const { entry } of settlements) entry.state = 'locked'
    const ledgers = this.#settle(acked)
    for (const ledger of ledgers.keys()) ledger.hold()
    try {
      await this.#store(batches, ledgers)
      for (const { entry } of settlements) entry.state = 'in-flight'
      apply()
    } finally {
      for (const { entry } of settlements) if (entry.state === 'locked') entry.state = 'in-flight'
      for (const ledger of ledgers.keys()) ledger.release()
    }
    this.#toMemory(messages)
  }

  /** Consecutive messages with the same targets share a batch; order within a log is kept. */
  #gather(messages: readonly PreparedMessage[]): OpenBatch[] {
    const { gatherer, clock } = this.#parts
    const batches: OpenBatch[] = []
    const timestampMs = clock.now()
    for (const { message, targets, keptMs } of messages) {
      if (message.ttlMs >= 0)
        for (const target of targets)
          if (target instanceof Queue && !target.isDeleted) noteExpiry(target, message.priority)
      const lanes = storedLanesOf(targets, message.priority)
      if (lanes.length > 0) {
        gatherer.sealFor(lanes)
        const last = batches.at(-1)
        const batch = last !== undefined && mayShare(last, lanes) ? last : gatherer.begin(lanes)
        if (batch !== last) batches.push(batch)
        const dueMs = keptMs > 0 ? timestampMs + keptMs : NEVER_KEPT
        gatherer.fill(batch, message, timestampMs, dueMs)
      }
      for (const target of targets) {
        if (!(target instanceof TopicTarget) || target.topic.isDeleted) continue
        const key = recordKeyOf(message)
        const port = target.portFor(key)
        gatherer.sealFor([port])
        const batch = gatherer.begin([port])
        fillRecord(batch.builder, message, key, timestampMs)
        batches.push(batch)
      }
    }
    return batches
  }

  #store(
    batches: readonly OpenBatch[],
    ledgers: ReadonlyMap<LedgerLog, ReadonlyMap<number, number[]>>,
  ): Promise<void> {
    if (batches.length === 0 && ledgers.size === 0) return Promise.resolve()
    const unit = new AtomicUnit()
    return new Promise((resolve, reject) => {
      let waits = batches.length + ledgers.size
      let failure: BrokerError | undefined
      const settled = (error?: BrokerError): void => {
        failure ??= error
        waits--
        if (waits > 0) return
        if (failure === undefined) resolve()
        else reject(failure)
      }
      const waiter = { stored: () => settled(), refused: settled }
      // Nothing may stand between the batches of a unit: what ledgers have to say first, they say.
      for (const batch of batches)
        for (const target of batch.targets)
          target.willAppend(target.log.nextOffset + batch.builder.count)
      for (const batch of batches) {
        batch.awaitedBy(waiter)
        this.#parts.gatherer.seal(batch, unit)
      }
      for (const [ledger, offsets] of ledgers) ledger.settleTogether(offsets, unit, waiter)
    })
  }

  #settle(acked: readonly Settlement[]): Map<LedgerLog, Map<number, number[]>> {
    const ledgers = new Map<LedgerLog, Map<number, number[]>>()
    for (const { entry } of acked) {
      const { lane } = entry
      const ledger = lane instanceof StoredLane ? this.#parts.ledgerOf(lane) : undefined
      if (ledger === undefined) continue
      const lanes = ledgers.get(ledger) ?? new Map<number, number[]>()
      ledgers.set(ledger, lanes)
      const offsets = lanes.get(lane.index) ?? []
      lanes.set(lane.index, offsets)
      offsets.push(entry.position)
    }
    return ledgers
  }

  /** What is not stored shows when all else is, and ids are known from now on. */
  #toMemory(messages: readonly PreparedMessage[]): void {
    const timestampMs = this.#parts.clock.now()
    for (const { message, targets } of messages)
      for (const target of targets) {
        if (!(target instanceof Queue) || target.isDeleted) continue
        target.counts.published++
        if (remembersId(target, message)) target.dedup.enter(message.messageId, timestampMs)
        const lane = target.laneFor(message.priority)
        if (!(lane instanceof MemoryLane)) continue
        lane.push(keepMessage(message, timestampMs))
        target.wake()
      }
  }
}

const storedLanesOf = (targets: readonly RouteTarget[], priority: number): BatchTarget[] => {
  const lanes: BatchTarget[] = []
  for (const target of targets) {
    if (!(target instanceof Queue) || target.isDeleted) continue
    const lane = target.laneFor(priority)
    if (lane instanceof StoredLane) lanes.push(lane)
  }
  return lanes
}

const mayShare = (batch: OpenBatch, targets: readonly BatchTarget[]): boolean =>
  !isFull(batch) &&
  batch.targets.length === targets.length &&
  targets.every((target, index) => batch.targets[index] === target)

const checkLimits = (
  messages: readonly PreparedMessage[],
  settlements: readonly Settlement[],
): void => {
  if (messages.length + settlements.length > TRANSACTION_OPERATIONS_MAX)
    throw new BrokerError('ERR_LIMIT_EXCEEDED', [
      TRANSACTION_OPERATIONS_MAX,
      'operations of a transaction',
    ])
  let bytes = 0
  for (const { message, targets } of messages)
    bytes += (message.payload.length + message.properties.length) * Math.max(1, targets.length)
  if (bytes > TRANSACTION_BYTES_MAX)
    throw new BrokerError('ERR_LIMIT_EXCEEDED', [TRANSACTION_BYTES_MAX, 'bytes of a transaction'])
}

/** A queue that rejects what it has no room for refuses the transaction, and a topic what is too large. */
const checkRoom = (messages: readonly PreparedMessage[]): void => {
  const added = new Map<Queue, { bytes: number; count: number }>()
  for (const { message, targets } of messages)
    for (const target of targets) {
      if (target instanceof TopicTarget) target.checkFits(message)
      if (!(target instanceof Queue) || target.isDeleted) continue
      const sum = added.get(target) ?? { bytes: 0, count: 0 }
      added.set(target, sum)
      sum.bytes += message.payload.length
      sum.count++
    }
  for (const [queue, { bytes, count }] of added)
    if (wouldRefuse(queue, bytes, count)) throw new BrokerError('ERR_MESSAGE_REFUSED', [queue.name])
}
