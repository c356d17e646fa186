/**
 * What every log knows of the idempotent producers that write to it: the last batches of each, by
 * which a batch that is sent again is recognised and a missing one is noticed.
 *
 * A producer's batches in one log carry an epoch and consecutive sequences, one a record, which wrap
 * from 2^31 - 1 to 0. They are counted by offsets, not by records: compaction takes records away. Of each producer the last five batches are kept, and every batch that is not
 * durable yet, so that batches that are taken back leave the state as it was before them.
 *
 * Invariants: a batch is accepted only when it continues its producer's sequence in this log; a
 * state is never ahead of its log but by batches under way; who is forgotten (idle too long, or too
 * many others) is refused and never doubled.
 *
 * Time is monotonic: what a restart brings back counts as used then, so that no jump of the wall
 * clock forgets anybody.
 */
import {
  BrokerError,
  NO_PRODUCER,
  batchBaseSequence,
  batchLastOffsetDelta,
  batchMaxTimestamp,
  batchProducerEpoch,
  batchProducerId,
} from '@millrace/codec'
import type { Clock } from '../environment/environment.ts'
import type { Log } from './log.ts'

/** As many as Kafka's clients have in flight with idempotence. */
export const BATCHES_KEPT = 5
/** Sequences are counted modulo this. */
const SEQUENCE_SPAN = 2 ** 31

export interface ProducerBatch {
  readonly baseSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly nextOffset: number
  readonly leaderEpoch: number
  readonly maxTimestamp: number
}

export interface ProducerState {
  readonly logId: number
  readonly producerId: number
  epoch: number
  /** The last batches, oldest first; empty when all of the epoch's were taken back. */
  batches: ProducerBatch[]
  usedAtMs: number
}

export interface ProducerLimits {
  readonly producersMax: number
  readonly producerExpiryMs: number
}

const sequenceAfter = (sequence: number, count: number): number =>
  (sequence + count) % SEQUENCE_SPAN

export class ProducerStates {
  readonly #clock: Clock
  readonly #limits: ProducerLimits
  readonly #byLog = new Map<number, Map<number, ProducerState>>()
  /** Least recently used first. */
  readonly #byUse = new Set<ProducerState>()
  /** Producer ids from here on were given to nobody. */
  unusedProducerId = 0
  /** Counts changes, so that a snapshot that would say the same is not written again. */
  version = 0
  duplicates = 0

  constructor(clock: Clock, limits: ProducerLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  get count(): number {
    return this.#byUse.size
  }

  all(): Iterable<ProducerState> {
    return this.#byUse
  }

  /**
   * Whether a batch may be appended. Returns the original when it was before, `undefined` when it is
   * the next one. Throws ERR_OUT_OF_SEQUENCE, ERR_PRODUCER_FENCED, ERR_UNKNOWN_PRODUCER,
   * ERR_DUPLICATE_SEQUENCE.
   */
  admit(log: Log, bytes: Uint8Array): ProducerBatch | undefined {
    const producerId = batchProducerId(bytes)
    const epoch = batchProducerEpoch(bytes)
    const sequence = batchBaseSequence(bytes)
    if (producerId >= this.unusedProducerId) throw unknownProducer(producerId)
    const state = this.#find(log.id, producerId)
    if (state === undefined) {
      // A log that is not synced forgets its producers with its records.
      if (sequence === 0 || log.isVolatile) return undefined
      throw unknownProducer(producerId)
    }
    if (epoch < state.epoch)
      throw new BrokerError('ERR_PRODUCER_FENCED', [epoch, producerId, state.epoch])
    const expected = epoch > state.epoch ? 0 : expectedOf(state)
    if (sequence === expected) return undefined
    if (epoch > state.epoch) throw outOfSequence(sequence, producerId, expected)
    const last = sequenceAfter(sequence, batchLastOffsetDelta(bytes))
    const original = state.batches.find(
      (batch) => batch.baseSequence === sequence && batch.lastSequence === last,
    )
    if (original === undefined) throw refusalOf(sequence, producerId, expected)
    this.duplicates++
    this.#touch(state)
    return original
  }

  /** A batch of a producer has its place in the log. Others are none of our business. */
  note(log: Log, bytes: Uint8Array, baseOffset: number, nextOffset: number, epoch: number): void {
    const producerId = batchProducerId(bytes)
    if (producerId === NO_PRODUCER) return
    const state = this.#stateFor(log.id, producerId, batchProducerEpoch(bytes))
    const baseSequence = batchBaseSequence(bytes)
    state.batches.push({
      baseSequence,
      lastSequence: sequenceAfter(baseSequence, batchLastOffsetDelta(bytes)),
      baseOffset,
      nextOffset,
      leaderEpoch: epoch,
      maxTimestamp: batchMaxTimestamp(bytes),
    })
    trim(state, log.highWatermark)
    this.#touch(state)
    this.version++
    this.#evict()
  }

  /** Whether the batch at this offset is the last that the log has of its producer. */
  isLast(logId: number, producerId: number, baseOffset: number): boolean {
    return this.#byLog.get(logId)?.get(producerId)?.batches.at(-1)?.baseOffset === baseOffset
  }

  /** The log took a batch back, newest first: its producer stands where it stood before. */
  takeBack(log: Log, bytes: Uint8Array, baseOffset: number): void {
    const producerId = batchProducerId(bytes)
    if (producerId === NO_PRODUCER) return
    const state = this.#byLog.get(log.id)?.get(producerId)
    if (state?.batches.at(-1)?.baseOffset !== baseOffset) return
    state.batches.pop()
    this.version++
    if (state.batches.length === 0 && state.epoch === 0) this.#forget(state)
  }

  /** A state that a snapshot holds. */
  restore(state: Omit<ProducerState, 'usedAtMs'>): void {
    const restored = this.#stateFor(state.logId, state.producerId, state.epoch)
    restored.batches = [...state.batches]
    this.#touch(restored)
  }

  dropLog(logId: number): void {
    for (const state of this.#byLog.get(logId)?.values() ?? []) this.#byUse.delete(state)
    this.#byLog.delete(logId)
    this.version++
  }

  #find(logId: number, producerId: number): ProducerState | undefined {
    const state = this.#byLog.get(logId)?.get(producerId)
    if (state === undefined || !this.#isExpired(state)) return state
    this.#forget(state)
    return undefined
  }

  #isExpired(state: ProducerState): boolean {
    return this.#clock.monotonic() - state.usedAtMs > this.#limits.producerExpiryMs
  }

  #stateFor(logId: number, producerId: number, epoch: number): ProducerState {
    let states = this.#byLog.get(logId)
    if (states === undefined) this.#byLog.set(logId, (states = new Map()))
    let state = states.get(producerId)
    if (state === undefined) {
      state = { logId, producerId, epoch, batches: [], usedAtMs: 0 }
      states.set(producerId, state)
      this.unusedProducerId = Math.max(this.unusedProducerId, producerId + 1)
    }
    if (state.epoch !== epoch) {
      state.epoch = epoch
      state.batches = []
    }
    return state
  }

  #touch(state: ProducerState): void {
    state.usedAtMs = this.#clock.monotonic()
    this.#byUse.delete(state)
    this.#byUse.add(state)
  }

  /** At most two a batch: as many leave as come, and a crowd leaves in the end. */
  #evict(): void {
    let left = 2
    for (const oldest of this.#byUse) {
      const isOver = this.#byUse.size > this.#limits.producersMax
      if (left-- === 0 || !(isOver || this.#isExpired(oldest))) return
      this.#forget(oldest)
    }
  }

  #forget(state: ProducerState): void {
    this.#byUse.delete(state)
    const states = this.#byLog.get(state.logId)
    states?.delete(state.producerId)
    if (states?.size === 0) this.#byLog.delete(state.logId)
    this.version++
  }
}

/** Always one that is durable: what is under way may be taken back down to it. */
const trim = (state: ProducerState, durable: number): void => {
  const { batches } = state
  while (batches.length > BATCHES_KEPT && (batches[1]?.nextOffset ?? Infinity) <= durable)
    batches.shift()
}

const expectedOf = (state: ProducerState): number => {
  const last = state.batches.at(-1)
  return last === undefined ? 0 : sequenceAfter(last.lastSequence, 1)
}

const unknownProducer = (producerId: number): BrokerError =>
  new BrokerError('ERR_UNKNOWN_PRODUCER', [producerId])

const outOfSequence = (sequence: number, producerId: number, expected: number): BrokerError =>
  new BrokerError('ERR_OUT_OF_SEQUENCE', [sequence, producerId, expected])

/** Behind the expected one it was stored long ago; before it something is missing. */
const refusalOf = (sequence: number, producerId: number, expected: number): BrokerError => {
  const behind = (expected - sequence + SEQUENCE_SPAN) % SEQUENCE_SPAN
  if (behind > SEQUENCE_SPAN / 2) return outOfSequence(sequence, producerId, expected)
  return new BrokerError('ERR_DUPLICATE_SEQUENCE', [sequence, producerId])
}
