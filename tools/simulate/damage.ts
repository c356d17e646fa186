/**
 * Damage that the simulator does to data at rest, and what it excuses.
 *
 * A flipped bit in a segment touches the rest of that segment, from the damaged batch on, and
 * nothing else. A flipped bit in an index touches nothing: indexes are rebuilt. A flipped bit in a
 * journal group touches what that group holds, of any log.
 */
import { BATCH_PREFIX_BYTES } from '@millrace/codec'
import type { History, OffsetRange, SeededRandom, SimulatedDisk } from '@millrace/testing'
import { type FoundBatch, findBatch } from './payload.ts'
import { claimedGroups, unclaimedPlaces } from './journal-groups.ts'
import { MetadataDamage } from './metadata-damage.ts'
import { logName } from './names.ts'

interface SegmentDamage {
  readonly log: string
  readonly path: string
  readonly from: number
}

const SEGMENT = /\/(\d{20})\.log$/
const INDEX = /\/\d{20}\.(index|timeindex)$/

export class DamageRecord {
  readonly #disk: SimulatedDisk
  readonly #history: History
  readonly #segments: SegmentDamage[] = []
  readonly #reported = new Map<string, OffsetRange[]>()
  /** A journal group was damaged since the last look: anything that it held may be gone. */
  isJournalDamaged = false
  /** It was at some time: logs may have gaps from then on. */
  wasJournalDamaged = false
  readonly definitions: MetadataDamage
  /** Damaged batch headers, as far as no checksum covers them. */
  prefixCount = 0

  constructor(disk: SimulatedDisk, history: History) {
    this.#disk = disk
    this.#history = history
    this.definitions = new MetadataDamage(disk)
  }

  /** Topics, partitions and settings may be gone, or be what they once were. */
  get mayDefinitionsBeLost(): boolean {
    return this.wasJournalDamaged || this.definitions.isLost
  }

  /** Ranges of a log that may be reported lost. */
  touchedRanges(topicId: number, partition: number): OffsetRange[] {
    const name = logName(topicId, partition)
    const ranges = this.#segments
      .filter((damage) => damage.log === name)
      .map((damage) => ({ from: damage.from, to: this.#endOf(damage.path) }))
    ranges.push(...(this.#reported.get(name) ?? []))
    return this.isJournalDamaged ? [...ranges, { from: 0, to: Infinity }] : ranges
  }

  /** Ranges that were touched and were reported: from now on they may be there or not. */
  noteReported(log: string, ranges: readonly OffsetRange[]): void {
    const known = this.#reported.get(log) ?? []
    const isNew = ({ from, to }: OffsetRange): boolean =>
      !known.some((range) => range.from <= from && to <= range.to)
    this.#reported.set(log, [...known, ...ranges.filter(isNew)])
  }

  /** Whether this log may have gaps and damaged ranges. */
  isDamaged(topicId: number, partition: number): boolean {
    const name = logName(topicId, partition)
    // A definition that came back may name logs that were deleted since: those begin behind a gap.
    return this.mayDefinitionsBeLost || this.#segments.some((damage) => damage.log === name)
  }

  /** The base offset of the next segment, or no end. */
  #endOf(path: string): number {
    const directory = path.slice(0, path.lastIndexOf('/'))
    const base = Number(SEGMENT.exec(path)?.[1])
    const later = this.#disk
      .files()
      .filter((other) => other.startsWith(`${directory}/`))
      .map((other) => Number(SEGMENT.exec(other)?.[1]))
      .filter((other) => other > base)
    return later.length === 0 ? Infinity : Math.min(...later)
  }

  /**
   * Damages a segment or an index at random. False when there is none. In a segment it is a batch, or
   * of its header the 21 bytes that its own checksum does not cover.
   */
  damageLog(random: SeededRandom): boolean {
    const paths = this.#disk.files().filter((path) => SEGMENT.test(path) || INDEX.test(path))
    if (paths.length === 0) return false
    const path = random.pick(paths)
    const bytes = this.#disk.contentOf(path)
    if (bytes.length === 0) return false
    if (INDEX.test(path)) {
      this.#flip(path, random, 0, bytes.length)
      return true
    }
    const batches = this.#damageable(path, batchesIn(bytes))
    // The metadata's own log and a preallocated tail hold no batch of a producer.
    if (batches.length === 0) return false
    const batch = random.pick(batches)
    const isPrefix = random.chance(0.3)
    // An epoch that falls: whether it or the one before it is wrong nobody can tell without checksums.
    const from = isPrefix ? (batches[0] ?? batch).baseOffset : batch.baseOffset
    this.#segments.push({ log: batch.log, path, from })
    if (isPrefix) {
      this.prefixCount++
      this.#flip(path, random, batch.position, BATCH_PREFIX_BYTES)
    } else {
      const coveredBytes = batch.bytes.length - BATCH_PREFIX_BYTES
      this.#flip(path, random, batch.position + BATCH_PREFIX_BYTES, coveredBytes)
    }
    return true
  }

  /**
   * Acknowledged batches, without those of direct appends that no later group calls durable: a
   * recovery would take damage to them for a torn write, and could not do better.
   */
  #damageable(path: string, batches: readonly FoundBatch[]): FoundBatch[] {
    const logId = Number(/\/(\d+)\/\d{20}\.log$/.exec(path)?.[1])
    const segmentBase = Number(SEGMENT.exec(path)?.[1])
    const paths = this.#journalPaths()
    const excluded = unclaimedPlaces(
      paths.map((each) => ({ path: each, bytes: this.#disk.contentOf(each) })),
      paths.map((each) => ({ path: each, bytes: this.#disk.durableContentOf(each) })),
    ).filter((place) => place.logId === logId && place.segmentBase === segmentBase)
    return batches.filter(
      ({ log, producer, sequence, position }) =>
        this.#history.find(log, producer, sequence)?.state === 'acknowledged' &&
        !excluded.some((place) => place.position === position),
    )
  }

  #journalPaths(): string[] {
    return this.#disk.files().filter((path) => path.endsWith('.journal'))
  }

  /** Damages a journal group that a later one claims durable. False when there is none. */
  damageJournal(random: SeededRandom): boolean {
    const groups = claimedGroups(
      this.#journalPaths().map((path) => ({ path, bytes: this.#disk.contentOf(path) })),
    )
    if (groups.length === 0) return false
    const group = random.pick(groups)
    this.isJournalDamaged = true
    this.wasJournalDamaged = true
    this.#history.forgiveRemovals()
    this.#flip(group.path, random, group.position, group.byteLength)
    return true
  }

  #flip(path: string, random: SeededRandom, from: number, byteLength: number): void {
    this.#disk.flipBit(path, 8 * from + random.below(8 * byteLength))
  }
}

/** Batches from the start of a segment's file, up to the first thing that is not one. */
const batchesIn = (bytes: Uint8Array): FoundBatch[] => {
  const batches: FoundBatch[] = []
  for (let at = 0; at < bytes.length;) {
    const batch = findBatch(bytes, at)
    if (typeof batch === 'string') break
    batches.push(batch)
    at += batch.bytes.length
  }
  return batches
}
