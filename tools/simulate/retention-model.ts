/**
 * Which records a broker may have let go: by age and by size, by whatever settings a topic ever had,
 * and by request. It is told of a setting or a request before the broker is, since one that nobody
 * heard back from may count all the same.
 */
import type { TopicSettings } from '@millrace/core'
import type { History, HistoryAppend } from '@millrace/testing'

/** The least that a topic's settings have ever kept. */
interface Kept {
  ms: number
  bytes: number
}

/** The least that any settings have left alone. */
export interface CompactionRules {
  lagMs: number
  tombstoneMs: number
}

export type RemovalCause = 'age' | 'size' | 'request' | 'truncation'

/** Records in it are gone, or may be; without an end when nobody was told. */
export interface TruncatedRange {
  readonly from: number
  to: number
  /** Somebody was told that they are gone. */
  isAnswered: boolean
}

const bound = (value: number | undefined): number =>
  value === undefined || value < 0 ? Infinity : value

export class RetentionModel {
  readonly #history: History
  readonly #kept = new Map<number, Kept>()
  readonly #compacted = new Map<number, CompactionRules>()
  readonly #truncated = new Map<string, TruncatedRange[]>()
  readonly #requested = new Map<string, number>()
  /** The latest that the wall clock has shown, and how far it went since, if it was set back. */
  latestWallMs = 0
  #wallMs = 0

  constructor(history: History) {
    this.#history = history
  }

  noteWall(nowMs: number): void {
    this.latestWallMs += Math.max(0, nowMs - this.#wallMs)
    this.#wallMs = nowMs
  }

  /** These settings count for the topic, or may count. */
  noteSettings(topicId: number, settings: Partial<TopicSettings>): void {
    this.#noteCompaction(topicId, settings)
    if (settings.cleanupPolicy === 'compact') return
    const kept = this.#kept.get(topicId) ?? { ms: Infinity, bytes: Infinity }
    kept.ms = Math.min(kept.ms, bound(settings.retentionMs))
    kept.bytes = Math.min(kept.bytes, bound(settings.retentionBytes))
    this.#kept.set(topicId, kept)
  }

  #noteCompaction(topicId: number, settings: Partial<TopicSettings>): void {
    if (settings.cleanupPolicy === undefined || settings.cleanupPolicy === 'delete') return
    const rules = this.#compacted.get(topicId) ?? { lagMs: Infinity, tombstoneMs: Infinity }
    rules.lagMs = Math.min(rules.lagMs, settings.compactionLagMs ?? 0)
    rules.tombstoneMs = Math.min(rules.tombstoneMs, settings.tombstoneMs ?? Infinity)
    this.#compacted.set(topicId, rules)
  }

  /** How a topic is compacted, or ever was. */
  compactionOf(topicId: number): Readonly<CompactionRules> | undefined {
    return this.#compacted.get(topicId)
  }

  /** Somebody asks for all below `before` to be deleted. */
  noteRequest(log: string, before: number): void {
    this.#requested.set(log, Math.max(this.#requested.get(log) ?? 0, before))
  }

  /** Somebody asks for all from an offset on to be removed; `to` is for whoever hears the answer. */
  noteTruncation(log: string, from: number): TruncatedRange {
    const range = { from, to: Infinity, isAnswered: false }
    this.#truncated.set(log, [...(this.#truncated.get(log) ?? []), range])
    return range
  }

  truncatedRanges(log: string): readonly TruncatedRange[] {
    return this.#truncated.get(log) ?? []
  }

  /** Why an append that was not read may be gone, in a log that begins at `earliestOffset`. */
  causeOf(append: HistoryAppend, earliestOffset: number): RemovalCause | undefined {
    const { log, baseOffset = Infinity, recordCount } = append
    const end = baseOffset + recordCount
    const isTruncated = ({ from, to }: TruncatedRange): boolean => from <= baseOffset && end <= to
    if (this.truncatedRanges(log).some(isTruncated)) return 'truncation'
    return end <= earliestOffset ? this.#causeBelow(append) : undefined
  }

  /** A truncation took it that was never answered. */
  mayReturn({ log, baseOffset = 0, recordCount }: HistoryAppend, earliestOffset: number): boolean {
    if (baseOffset + recordCount <= earliestOffset) return false
    return this.truncatedRanges(log).every(
      ({ from, isAnswered }) => !isAnswered || from > baseOffset,
    )
  }

  /** Anything of the log may have been let go by now. */
  isTouched(log: string): boolean {
    const topicId = Number(log.split('/')[0])
    if (this.#compacted.has(topicId) || this.#truncated.has(log)) return true
    const kept = this.#kept.get(topicId)
    return (
      this.#requested.has(log) || (kept !== undefined && Math.min(kept.ms, kept.bytes) < Infinity)
    )
  }

  #causeBelow(append: HistoryAppend): RemovalCause | undefined {
    const { log, baseOffset = Infinity, recordCount } = append
    if (baseOffset + recordCount <= (this.#requested.get(log) ?? 0)) return 'request'
    const kept = this.#kept.get(Number(log.split('/')[0]))
    if (kept === undefined) return undefined
    if (kept.ms < Infinity && this.#isOlder(append, kept.ms)) return 'age'
    if (kept.bytes < Infinity && this.#bytesBehind(append) >= kept.bytes) return 'size'
    return undefined
  }

  #isOlder({ timestamp }: HistoryAppend, ms: number): boolean {
    return timestamp === undefined || this.latestWallMs - timestamp > ms
  }

  /** All that is in the log behind an append, or may be. */
  #bytesBehind({ log, baseOffset = 0 }: HistoryAppend): number {
    let bytes = 0
    for (const other of this.#history.appendsOf(log))
      if (other.state !== 'refused' && (other.baseOffset ?? Infinity) > baseOffset)
        bytes += other.byteLength ?? 0
    return bytes
  }
}
