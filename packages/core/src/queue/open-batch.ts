/**
 * Messages of one turn on their way to the same logs: they share a batch, its checksum and, in the
 * journal, its bytes.
 *
 * A message that goes to several logs is one unit: it is stored in all of them or in none, and so are
 * the messages that share its batch. Order within a log is the order of publication: before a message
 * goes to other logs than the one before it, what was gathered is closed.
 */
import {
  batchMaxTimestamp,
  batchRecordCount,
  RecordBatchBuilder,
  type BrokerError,
} from '@millrace/codec'
import type { QueuedMessage } from '../engine/messaging.ts'
import type { Environment } from '../environment/environment.ts'
import type { Log } from '../log/log.ts'
import type { LogStore } from '../log/store.ts'
import { AtomicUnit, type AppendTicket, type StoredBatch } from '../log/stored-batch.ts'
import { BatchMessages } from './batch-messages.ts'
import type { LedgerSchedule } from './ledger-schedule.ts'
import {
  BATCH_BYTES_MAX,
  BATCH_RECORDS_MAX,
  KEPT_BATCH_BYTES_MAX,
  LONE_MESSAGE_BYTES_MIN,
} from './limits.ts'
import { EnvelopeWriter, type MessageFields, NEVER_KEPT } from './message-record.ts'

/** A log that messages go to. */
export interface BatchTarget {
  readonly log: Log
  openBatch: OpenBatch | undefined
  /** It hands the next message over from memory, if it is given it. */
  readonly isWantingNext: boolean
  willAppend(nextOffset: number): void
  appended(
    baseOffset: number,
    count: number,
    bytes: number,
    messages: readonly QueuedMessage[] | undefined,
    dues: readonly number[] | undefined,
  ): void
  arrived(count: number, bytes: number): void
  refused(baseOffset: number, count: number, bytes: number): void
  wake(): void
}

/** Who waits until a message is stored wherever it goes. */
export interface StoredWaiter {
  stored(): void
  refused(error: BrokerError): void
}

const noWaiters: readonly StoredWaiter[] = []

export class OpenBatch {
  readonly targets: readonly BatchTarget[]
  readonly builder: RecordBatchBuilder
  /** The messages, for targets that hand them over; `undefined` when none wanted the first. */
  readonly messages: BatchMessages | undefined
  payloadBytes = 0
  isSealed = false
  /** When each of its messages is due, where a delayed exchange is among the targets. */
  dues: number[] | undefined = undefined
  /** Made with the first one, for one: an empty list that grows takes room for sixteen. */
  #waiters: StoredWaiter[] | undefined

  constructor(targets: readonly BatchTarget[], builder: RecordBatchBuilder, isWanted: boolean) {
    this.targets = targets
    this.builder = builder
    this.messages = isWanted ? new BatchMessages() : undefined
  }

  get waiters(): readonly StoredWaiter[] {
    return this.#waiters ?? noWaiters
  }

  /** Told when it is stored wherever it goes. */
  awaitedBy(waiter: StoredWaiter): void {
    if (this.#waiters === undefined) this.#waiters = [waiter]
    else this.#waiters.push(waiter)
  }
}

class TargetTicket implements AppendTicket {
  readonly #target: BatchTarget
  readonly #batch: OpenBatch
  readonly #count: number
  readonly #baseOffset: number
  /** Of the batch's targets: who waits is told by its ticket. */
  readonly #isLast: boolean

  constructor(target: BatchTarget, batch: OpenBatch, count: number, isLast: boolean) {
    this.#target = target
    this.#batch = batch
    this.#count = count
    this.#baseOffset = target.log.nextOffset
    this.#isLast = isLast
  }

  stored(): void {
    this.#target.arrived(this.#count, this.#batch.payloadBytes)
    this.#target.wake()
    if (this.#isLast) for (const waiter of this.#batch.waiters) waiter.stored()
  }

  refused(error: BrokerError): void {
    this.#target.refused(this.#baseOffset, this.#count, this.#batch.payloadBytes)
    if (this.#isLast) for (const waiter of this.#batch.waiters) waiter.refused(error)
  }
}

/** A turn may publish to many queues: small builders are many, large ones are few. */
const BUILDERS_KEPT_MAX = 32
const SMALL_BUILDERS_KEPT_MAX = 1_024
const SMALL_BUILDER_BYTES_MAX = 4_096

export class BatchGatherer {
  readonly #environment: Environment
  readonly #store: LogStore
  readonly #ledgers: LedgerSchedule
  readonly #writer = new EnvelopeWriter()
  readonly #builders: RecordBatchBuilder[] = []
  #open: OpenBatch[] = []
  readonly #sealAll = (): void => this.sealAll()

  constructor(environment: Environment, store: LogStore, ledgers: LedgerSchedule) {
    this.#environment = environment
    this.#store = store
    this.#ledgers = ledgers
  }

  /**
   * Adds a message for all of these logs; `isWanted` when one of them hands it over. The array is
   * borrowed. Throws ERR_INVALID_ARGUMENT, and then nothing was done.
   */
  add(
    targets: readonly BatchTarget[],
    message: MessageFields,
    isWanted: boolean,
    timestampMs: number,
    dueMs = NEVER_KEPT,
  ): OpenBatch {
    const isLone = message.payload.length >= LONE_MESSAGE_BYTES_MIN
    const batch = this.#batchFor(targets, isLone, isWanted)
    const envelopeBytes = this.#writer.append(batch.builder, message, timestampMs, dueMs)
    if (dueMs >= 0) (batch.dues ??= []).push(dueMs)
    if (isWanted) batch.messages?.add(message, timestampMs, batch.builder.sizeBytes, envelopeBytes)
    return this.#added(batch, message.payload.length, isLone)
  }

  /** A record for a topic, as it will be read. */
  addRecord(target: BatchTarget, fill: (builder: RecordBatchBuilder) => void): OpenBatch {
    const batch = this.#batchFor([target], false, false)
    const before = batch.builder.sizeBytes
    fill(batch.builder)
    return this.#added(batch, batch.builder.sizeBytes - before, false)
  }

  /** Everything gathered goes to the logs now. */
  sealAll(): void {
    if (this.#open.length === 0) return
    const open = this.#open
    this.#open = []
    this.#ledgers.ride()
    for (const batch of open) this.#seal(batch, undefined)
  }

  /** What was gathered for these logs goes ahead of what comes. */
  sealFor(targets: readonly BatchTarget[]): void {
    for (const { openBatch } of targets)
      if (openBatch !== undefined) this.#seal(openBatch, undefined)
  }

  /** A batch of its own, as a transaction has it: nobody else's message gets into it. */
  begin(targets: readonly BatchTarget[], isWanted = false): OpenBatch {
    const builder = this.#builders.pop() ?? new RecordBatchBuilder()
    return new OpenBatch([...targets], builder, isWanted)
  }

  fill(batch: OpenBatch, message: MessageFields, timestampMs: number, dueMs = NEVER_KEPT): void {
    this.#writer.append(batch.builder, message, timestampMs, dueMs)
    if (dueMs >= 0) (batch.dues ??= []).push(dueMs)
    batch.payloadBytes += message.payload.length
  }

  seal(batch: OpenBatch, unit: AtomicUnit): void {
    this.#seal(batch, unit)
  }

  #batchFor(targets: readonly BatchTarget[], isLone: boolean, isWanted: boolean): OpenBatch {
    const first = targets[0]?.openBatch
    if (first !== undefined && !isLone && isSame(first, targets)) return first
    this.sealFor(targets)
    return this.begin(targets, isWanted)
  }

  #added(batch: OpenBatch, payloadBytes: number, isLone: boolean): OpenBatch {
    batch.payloadBytes += payloadBytes
    const { builder } = batch
    if (builder.count === 1) this.#opened(batch)
    if (isLone || isFull(batch)) this.#seal(batch, undefined)
    return batch
  }

  #opened(batch: OpenBatch): void {
    for (const target of batch.targets) target.openBatch = batch
    this.#open.push(batch)
    if (this.#open.length === 1) this.#environment.timers.defer(this.#sealAll)
  }

  #seal(batch: OpenBatch, unit: AtomicUnit | undefined): void {
    if (batch.isSealed) return
    batch.isSealed = true
    for (const target of batch.targets) if (target.openBatch === batch) target.openBatch = undefined
    const { builder, targets } = batch
    const count = builder.count
    if (count > 0) this.#append(batch, builder.build(), unit ?? unitOf(targets))
    builder.reset()
    const isSmall = builder.capacityBytes <= SMALL_BUILDER_BYTES_MAX
    const keptMax = isSmall ? SMALL_BUILDERS_KEPT_MAX : BUILDERS_KEPT_MAX
    if (this.#builders.length < keptMax) this.#builders.push(builder)
  }

  #append(batch: OpenBatch, bytes: Uint8Array, unit: AtomicUnit | undefined): void {
    const { targets } = batch
    const recordCount = batchRecordCount(bytes)
    const hasAll = batch.messages?.count === recordCount
    const messages = hasAll ? batch.messages?.in(bytes) : undefined
    // Of the messages themselves: the wall clock may have jumped since the steady one began.
    const maxTimestamp = batchMaxTimestamp(bytes)
    // Ledgers first: nothing may stand between the batches of a unit.
    for (const target of targets) target.willAppend(target.log.nextOffset + recordCount)
    for (let index = 0; index < targets.length; index++) {
      const target = targets[index]!
      const isLast = index === targets.length - 1
      const ticket = new TargetTicket(target, batch, recordCount, isLast)
      const place = unit === undefined ? undefined : { unit, isRepeat: index > 0 }
      // The first log has the bytes themselves; the others copy them into slabs that are used again.
      const isOwned = index === 0
      const accepted = { bytes, recordCount, maxTimestamp }
      const stored: StoredBatch = this.#store.append(target.log, accepted, isOwned, ticket, place)
      target.appended(stored.baseOffset, recordCount, batch.payloadBytes, messages, batch.dues)
    }
  }
}

/** Nothing more goes into it. */
export const isFull = ({ builder, dues }: OpenBatch): boolean =>
  builder.count >= BATCH_RECORDS_MAX ||
  builder.sizeBytes >= (dues === undefined ? BATCH_BYTES_MAX : KEPT_BATCH_BYTES_MAX)

const unitOf = (targets: readonly BatchTarget[]): AtomicUnit | undefined =>
  targets.length > 1 ? new AtomicUnit() : undefined

/** In the same order: a route visits its targets in the order of the bindings, which seldom change. */
const isSame = (batch: OpenBatch, targets: readonly BatchTarget[]): boolean => {
  if (batch.isSealed || batch.targets.length !== targets.length) return false
  for (let index = 0; index < targets.length; index++)
    if (batch.targets[index] !== targets[index]) return false
  return true
}
