/**
 * Holds a full read of a compacted log against what compaction may do: of each key the last record
 * stays, but for a tombstone that had its time; nothing goes that is too young; and where a tombstone
 * is gone, nothing that it has deleted comes back.
 */
import { type HistoryAppend, InvariantViolation } from '@millrace/testing'
import type { FoundBatch } from './payload.ts'
import type { CompactionRules, TruncatedRange } from './retention-model.ts'

export interface CompactedRead {
  readonly log: string
  readonly batches: readonly FoundBatch[]
  readonly earliestOffset: number
  readonly appends: readonly HistoryAppend[]
  readonly rules: CompactionRules
  readonly latestWallMs: number
  readonly truncated: readonly TruncatedRange[]
}

export interface CompactionTally {
  compacted: number
  tombstones: number
}

interface Known {
  readonly offset: number
  readonly isTombstone: boolean
  readonly isPresent: boolean
  /** Unknown where the broker sets it. */
  readonly timestamp: number | undefined
}

const presentOffsets = (batches: readonly FoundBatch[]): Set<number> => {
  const offsets = new Set<number>()
  for (const { records } of batches) for (const { offset } of records ?? []) offsets.add(offset)
  return offsets
}

/** By key, in the order of their offsets: what must have been there once. */
const knownByKey = (read: CompactedRead): Map<number, Known[]> => {
  const present = presentOffsets(read.batches)
  const byKey = new Map<number, Known[]>()
  for (const append of read.appends) {
    const { records, baseOffset, timestamp } = append
    if (records === undefined || baseOffset === undefined || append.isRemoved) continue
    const isSure = append.state === 'acknowledged' && append.isOffsetPromised !== false
    for (const [index, { key, isTombstone }] of records.entries()) {
      const offset = baseOffset + index
      const isPresent = present.has(offset)
      if (offset < read.earliestOffset || !(isSure || isPresent)) continue
      if (!isPresent && isTruncated(read, offset)) continue
      const known = byKey.get(key) ?? []
      known.push({ offset, isTombstone, isPresent, timestamp })
      byKey.set(key, known)
    }
  }
  for (const known of byKey.values()) known.sort((left, right) => left.offset - right.offset)
  return byKey
}

const isTruncated = ({ truncated }: CompactedRead, offset: number): boolean =>
  truncated.some(({ from, to }) => from <= offset && offset < to)

/**
 * Keys that an append of unknown outcome, or a truncated one, may have changed or deleted, and up to
 * which offset.
 */
const maybeChanged = (read: CompactedRead): Map<number, number> => {
  const changes = new Map<number, number>()
  for (const append of read.appends) {
    const { records, state, baseOffset, recordCount } = append
    const last = baseOffset === undefined ? Infinity : baseOffset + recordCount - 1
    const isSure = state === 'acknowledged' && append.isOffsetPromised !== false
    if (state === 'refused' || (isSure && !isTruncated(read, last))) continue
    // Two full reads would have shown it, unless it went before the first.
    if (baseOffset === undefined && append.absentCount > 1) continue
    for (const { key } of records ?? []) changes.set(key, Math.max(changes.get(key) ?? -1, last))
  }
  return changes
}

export const checkCompaction = (read: CompactedRead, tally: CompactionTally): void => {
  const changed = maybeChanged(read)
  for (const [key, known] of knownByKey(read)) {
    const last = known[known.length - 1] as Known
    for (const record of known)
      if (!record.isPresent && record !== last) checkAge(read, key, record, tally)
    if (last.isPresent || (changed.get(key) ?? -1) > last.offset) continue
    checkTombstone(read, key, last)
    tally.tombstones++
    const back = known.find(({ isPresent }) => isPresent)
    if (back !== undefined) throw violation(read, key, back, 'is back, its tombstone is gone')
  }
}

const checkAge = (
  read: CompactedRead,
  key: number,
  record: Known,
  tally: CompactionTally,
): void => {
  tally.compacted++
  const { lagMs } = read.rules
  if (lagMs > 0 && ageOf(read, record) < lagMs)
    throw violation(read, key, record, `was compacted before it was ${lagMs} ms old`)
}

const checkTombstone = (read: CompactedRead, key: number, last: Known): void => {
  if (!last.isTombstone) throw violation(read, key, last, 'was the last of its key and is gone')
  if (ageOf(read, last) <= read.rules.tombstoneMs)
    throw violation(read, key, last, 'is a tombstone that went before its time')
}

const ageOf = ({ latestWallMs }: CompactedRead, { timestamp }: Known): number =>
  timestamp === undefined ? Infinity : latestWallMs - timestamp

const violation = (
  { log }: CompactedRead,
  key: number,
  { offset }: Known,
  text: string,
): InvariantViolation =>
  new InvariantViolation('CMP', `${log}: the record of key ${key} at ${offset} ${text}`)
