/**
 * The history checker: what producers were told and what readers saw, held against the invariants
 * of RELIABILITY 3.
 *
 * - I1 an acknowledged append to a `persisted` log is there after any crash;
 * - I2 nothing is read that was not sent, or that was refused, or with other content;
 * - I3 one producer's appends to one partition are read in the order in which they were sent;
 * - I4 an offset never names two records, whatever crashes lie between;
 * - I5 no append is there twice; and nothing at or above the high watermark is read.
 *
 * One append is one batch: `recordCount` offsets in a row and one hash over all that was sent. An
 * append whose outcome nobody heard of is unknown: it may be there, whole, or not at all.
 */
import type { Durability } from '@millrace/core'

export type AppendState = 'pending' | 'acknowledged' | 'refused' | 'unknown'

export interface AppendInput {
  /** Which log: a topic's id and partition, in any form, the same for every call. */
  readonly log: string
  readonly producer: number
  /** Rises by one with every append of this producer to this log. */
  readonly sequence: number
  readonly recordCount: number
  readonly hash: number
  readonly durability: Durability
  /**
   * False for an append acknowledged before it is durable in a log whose other appends wait for the
   * disk: it may yet be taken back, and its offset name another record, unless somebody has read it.
   * Default true.
   */
  readonly isOffsetPromised?: boolean
  readonly byteLength?: number
  /** For a log of keys, of which older records may go while the rest of their batch stays. */
  readonly records?: readonly KeyedRecord[]
  /** The latest timestamp of its records; unknown when the broker sets it. */
  readonly timestamp?: number
}

/** A record that another of the same key makes obsolete. */
export interface KeyedRecord {
  readonly key: number
  readonly hash: number
  readonly isTombstone: boolean
}

export interface HistoryAppend extends AppendInput {
  readonly state: AppendState
  readonly isBeforeCrash: boolean
  readonly isRemoved: boolean
  /** How many full reads have not shown it, while nobody knew an offset of it. */
  readonly absentCount: number
  /** Known once acknowledged or read. */
  readonly baseOffset: number | undefined
}

interface Append extends AppendInput {
  state: AppendState
  baseOffset: number | undefined
  /** Acknowledged in a life of the broker that ended in a crash. */
  isBeforeCrash: boolean
  /** It was let go: nobody may read it any more. */
  isRemoved: boolean
  absentCount: number
}

/** A batch as a reader got it. */
export interface ObservedBatch {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly producer: number
  readonly sequence: number
  readonly hash: number
  /** 0 for a batch that only covers offsets whose records are gone. */
  readonly recordCount: number
  /** Of a log of keys: the records that are left. */
  readonly records?: readonly ObservedRecord[]
}

export interface ObservedRecord {
  readonly offset: number
  readonly hash: number
}

export interface OffsetRange {
  readonly from: number
  readonly to: number
}

/** What a full read of one log has shown. */
export interface LogContent {
  readonly batches: readonly ObservedBatch[]
  readonly earliestOffset: number
  readonly highWatermark: number
  /** Offsets that may be missing: damage that the harness has done, as the broker reports it. */
  readonly excused: readonly OffsetRange[]
  /** Whether the log may have let go of an append that was not read, and has an offset. */
  readonly mayBeRemoved?: (append: HistoryAppend) => boolean
  /** Nobody was told that it is gone: a crash may bring it back. */
  readonly mayReturn?: (append: HistoryAppend) => boolean
  /** Records of keys may be gone: who asks looks after them. Default false. */
  readonly isCompacted?: boolean
}

/** A rule was broken. `invariant` is its name in RELIABILITY 3. */
export class InvariantViolation extends Error {
  readonly invariant: string

  constructor(invariant: string, text: string) {
    super(`${invariant}: ${text}`)
    this.name = 'InvariantViolation'
    this.invariant = invariant
  }
}

interface LogHistory {
  readonly name: string
  readonly appends: Map<string, Append>
  /** Which append each offset names, from acknowledgements and reads alike. */
  readonly named: Map<number, Append>
  /** The highest watermark that anybody was shown, and only for `persisted` a promise. */
  highWatermark: number
  /** The highest earliest offset that anybody was shown. */
  earliestOffset: number
}

const identity = (producer: number, sequence: number): string => `${producer}/${sequence}`

/** The batch holds what was sent, or a part of it in order. */
const isPartOf = ({ records, baseOffset }: ObservedBatch, append: Append): boolean => {
  if (records === undefined || append.records === undefined) return false
  let last = baseOffset - 1
  for (const { offset, hash } of records) {
    if (offset <= last || append.records[offset - baseOffset]?.hash !== hash) return false
    last = offset
  }
  return true
}

const isWithin = (append: Append, ranges: readonly OffsetRange[]): boolean =>
  ranges.some(
    (range) =>
      append.baseOffset !== undefined &&
      append.baseOffset < range.to &&
      append.baseOffset + append.recordCount > range.from,
  )

export class History {
  readonly #logs = new Map<string, LogHistory>()
  readonly #forgotten = new Set<string>()

  /** An append is about to be sent. */
  invoke(input: AppendInput): HistoryAppend {
    const log = this.#log(input.log)
    const append: Append = {
      ...input,
      state: 'pending',
      baseOffset: undefined,
      isBeforeCrash: false,
      isRemoved: false,
      absentCount: 0,
    }
    log.appends.set(identity(input.producer, input.sequence), append)
    return append
  }

  acknowledge(target: HistoryAppend, baseOffset: number, nextOffset: number): void {
    const append = target as Append
    if (append.state !== 'pending') {
      throw new InvariantViolation('I13', `${this.#describe(append)} was answered twice`)
    }
    if (nextOffset - baseOffset !== append.recordCount) {
      throw new InvariantViolation(
        'I2',
        `${this.#describe(append)} was given ${nextOffset - baseOffset} offsets`,
      )
    }
    append.state = 'acknowledged'
    if (this.#forgotten.has(append.log)) return
    if (append.isOffsetPromised !== false) this.#place(append, baseOffset)
  }

  /** The broker has said no: the append must never be read. */
  refuse(target: HistoryAppend): void {
    ;(target as Append).state = 'refused'
  }

  /** Nobody knows: the connection broke, the broker died or its storage failed. */
  lose(target: HistoryAppend): void {
    ;(target as Append).state = 'unknown'
  }

  /**
   * The same append is on its way once more, as a producer does that had no answer: whatever comes of
   * it, it may be there once.
   */
  resend(target: HistoryAppend): void {
    const append = target as Append
    if (append.state === 'acknowledged') return
    append.state = 'pending'
    append.absentCount = 0
    append.isBeforeCrash = false
  }

  /** The broker is gone. What was under way has an unknown outcome. */
  crash(): void {
    for (const log of this.#logs.values()) {
      for (const append of log.appends.values()) {
        if (append.state === 'pending') append.state = 'unknown'
        append.isBeforeCrash = true
      }
    }
  }

  /** A reader was given a batch, with the high watermark that came along. */
  observe(logName: string, batch: ObservedBatch, highWatermark: number): void {
    if (this.#forgotten.has(logName)) return
    const log = this.#log(logName)
    if (batch.nextOffset > highWatermark) {
      throw new InvariantViolation(
        'HW',
        `${logName} offset ${batch.baseOffset} was read above the high watermark ${highWatermark}`,
      )
    }
    if (batch.recordCount === 0) return
    const append = log.appends.get(identity(batch.producer, batch.sequence))
    if (append === undefined || (append.hash !== batch.hash && !isPartOf(batch, append))) {
      throw new InvariantViolation(
        'I2',
        `${logName} offset ${batch.baseOffset} holds what nobody sent (producer ${batch.producer}, sequence ${batch.sequence})`,
      )
    }
    if (append.state === 'refused') {
      throw new InvariantViolation(
        'I2',
        `${this.#describe(append)} was refused and is read at ${batch.baseOffset}`,
      )
    }
    if (append.isRemoved) {
      throw new InvariantViolation(
        'RET',
        `${this.#describe(append)} was removed and is read again at ${batch.baseOffset}`,
      )
    }
    if (batch.nextOffset - batch.baseOffset !== append.recordCount) {
      throw new InvariantViolation(
        'I2',
        `${this.#describe(append)} is read with ${batch.nextOffset - batch.baseOffset} offsets`,
      )
    }
    this.#place(append, batch.baseOffset)
  }

  /** The broker has told a high watermark. For a `persisted` log it never falls. */
  seeHighWatermark(logName: string, highWatermark: number, durability: Durability): void {
    const log = this.#log(logName)
    if (highWatermark < log.highWatermark && durability === 'persisted') {
      throw new InvariantViolation(
        'HW',
        `${logName}: the high watermark fell from ${log.highWatermark} to ${highWatermark}`,
      )
    }
    log.highWatermark = Math.max(log.highWatermark, highWatermark)
  }

  /** The broker has told where a log begins. What lies below never comes back. */
  seeEarliest(logName: string, earliestOffset: number): void {
    if (this.#forgotten.has(logName)) return
    const log = this.#log(logName)
    if (earliestOffset < log.earliestOffset) {
      throw new InvariantViolation(
        'RET',
        `${logName}: the earliest offset fell from ${log.earliestOffset} to ${earliestOffset}`,
      )
    }
    log.earliestOffset = earliestOffset
  }

  /** Holds a full read of a log against everything known of it. */
  checkContent(logName: string, content: LogContent): void {
    if (this.#forgotten.has(logName)) return
    const present = new Set<Append>()
    const lastSequences = new Map<number, number>()
    let next = content.earliestOffset
    for (const batch of content.batches) {
      this.observe(logName, batch, content.highWatermark)
      if (batch.nextOffset <= next && batch !== content.batches[0]) {
        throw new InvariantViolation(
          'I6',
          `${logName}: a read went back to ${batch.baseOffset} from ${next}`,
        )
      }
      next = batch.nextOffset
      if (batch.recordCount === 0) continue
      const append = this.#log(logName).appends.get(
        identity(batch.producer, batch.sequence),
      ) as Append
      if (present.has(append))
        throw new InvariantViolation('I5', `${this.#describe(append)} is there twice`)
      present.add(append)
      this.#checkOrder(append, lastSequences)
    }
    this.#checkNothingLost(logName, present, content)
  }

  #checkOrder(append: Append, lastSequences: Map<number, number>): void {
    const last = lastSequences.get(append.producer)
    if (last !== undefined && last >= append.sequence) {
      throw new InvariantViolation(
        'I3',
        `${this.#describe(append)} comes after its sequence ${last}`,
      )
    }
    lastSequences.set(append.producer, append.sequence)
  }

  #checkNothingLost(logName: string, present: ReadonlySet<Append>, content: LogContent): void {
    for (const append of this.#log(logName).appends.values()) {
      if (present.has(append)) continue
      if (append.baseOffset === undefined && append.state !== 'pending') append.absentCount++
      if (this.#isLetGo(append, content)) {
        append.isRemoved ||= content.mayReturn?.(append) !== true
        continue
      }
      if (append.state !== 'acknowledged') continue
      if (append.isOffsetPromised === false) continue
      if (append.durability !== 'persisted' && append.isBeforeCrash) continue
      if (isWithin(append, content.excused)) {
        append.state = 'unknown'
        continue
      }
      if (content.isCompacted === true && append.records !== undefined) continue
      throw new InvariantViolation(
        'I1',
        `${this.#describe(append)} was acknowledged at ${append.baseOffset} and is not there (earliest ${content.earliestOffset}, high watermark ${content.highWatermark})`,
      )
    }
  }

  /** It was let go of for good: whoever asked for that was told. */
  remove(target: HistoryAppend): void {
    ;(target as Append).isRemoved = true
  }

  /** Whatever was removed may be there again: what said so was damaged. */
  forgiveRemovals(): void {
    for (const log of this.#logs.values()) {
      log.earliestOffset = 0
      for (const append of log.appends.values()) {
        if (append.isRemoved) append.state = 'unknown'
        append.isRemoved = false
      }
    }
  }

  #isLetGo(append: Append, content: LogContent): boolean {
    if (append.isRemoved) return true
    return append.baseOffset !== undefined && content.mayBeRemoved?.(append) === true
  }

  /** The log is gone on purpose: nothing is expected of it, and late answers mean nothing. */
  forget(logName: string): void {
    this.#forgotten.add(logName)
    this.#logs.delete(logName)
  }

  find(logName: string, producer: number, sequence: number): HistoryAppend | undefined {
    return this.#logs.get(logName)?.appends.get(identity(producer, sequence))
  }

  /** Every append of a log, in the order sent. */
  appendsOf(logName: string): HistoryAppend[] {
    return [...this.#log(logName).appends.values()]
  }

  #place(append: Append, baseOffset: number): void {
    if (append.baseOffset !== undefined) {
      if (append.baseOffset === baseOffset) return
      throw new InvariantViolation(
        'I5',
        `${this.#describe(append)} is at ${append.baseOffset} and at ${baseOffset}`,
      )
    }
    append.baseOffset = baseOffset
    const { named } = this.#log(append.log)
    for (let offset = baseOffset; offset < baseOffset + append.recordCount; offset++) {
      const other = named.get(offset)
      if (other !== undefined) {
        throw new InvariantViolation(
          'I4',
          `${append.log} offset ${offset} names ${this.#describe(other)} and ${this.#describe(append)}`,
        )
      }
      named.set(offset, append)
    }
  }

  #log(name: string): LogHistory {
    let log = this.#logs.get(name)
    if (log === undefined) {
      log = { name, appends: new Map(), named: new Map(), highWatermark: 0, earliestOffset: 0 }
      this.#logs.set(name, log)
    }
    return log
  }

  #describe(append: Append): string {
    return `${append.log}: append ${append.sequence} of producer ${append.producer} (${append.state})`
  }
}
