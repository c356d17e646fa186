/**
 * Compaction: of each key the last record stays, in every segment that is old enough.
 *
 *     first segment          cleaned to        mapped to            active
 *        |   compacted before    |    to compact   |   too young       |
 *        v_______________________v_________________v___________________v
 *
 * A pass maps the keys of what was not compacted before to their last offsets, as far as memory
 * allows, then writes every segment below anew without the records that the map makes obsolete.
 *
 * Invariants: only sealed segments are touched that the checkpoint before the last one covers, so no
 * recovery replays anything into them; the last record of a key stays, but for a tombstone that was
 * readable for `tombstoneMs` since it became the last; offsets and order of what stays do not
 * change; a segment is replaced by one rename of a synced file, and a crash leaves the old or the
 * new one.
 */
import {
  BrokerError,
  RecordCursor,
  batchBaseOffset,
  batchLeaderEpoch,
  batchNextOffset,
  type BatchCompression,
} from '@millrace/codec'
import type { Environment } from '../environment/environment.ts'
import { hasErrorCode, synced } from '../log/disk-errors.ts'
import type { Arena } from '../log/arena.ts'
import type { Checkpointer } from '../log/checkpointer.ts'
import type { FileCache } from '../log/file-cache.ts'
import type { Log } from '../log/log.ts'
import { forgetBelow } from '../log/log-trimmer.ts'
import type { ProducerStates } from '../log/producer-states.ts'
import { Segment } from '../log/segment.ts'
import { removeIfThere } from '../log/small-file.ts'
import type { WriteBehind } from '../log/write-behind.ts'
import {
  readCompactionState,
  writeCompactionState,
  type CompactionState,
} from './compaction-state.ts'
import { KeyMap } from './key-map.ts'
import { SegmentRewrite, readableBatch } from './segment-rewrite.ts'
import { scanSegment } from './segment-scan.ts'

/** A pass is worth it when so much of the compactable bytes was not compacted yet. */
const DIRTY_SHARE = 0.5
const CHECKPOINTS_FOR_TRUNCATION = 3

export interface CompactorParts {
  readonly environment: Environment
  readonly arena: Arena
  readonly files: FileCache
  readonly writeBehind: WriteBehind
  readonly checkpointer: Checkpointer
  readonly producers: ProducerStates
  readonly compression: BatchCompression | undefined
  readonly keyBytesMax: number
  latestTimestampOf(segment: Segment): Promise<number>
  /** Resolves when so many bytes may be read or written; rejects when the store is closing. */
  pace(bytes: number): Promise<void>
}

export interface CompactionRules {
  readonly compactionLagMs: number
  readonly tombstoneMs: number
  /** The time that everybody agrees has passed; 0 when nobody can say. */
  readonly nowMs: number
}

/** What of a log is wanted, by offset. */
export interface ReclaimRules {
  countKept(from: number, to: number): number
  isKept(offset: number): boolean
  /** Resolves when nothing that is not kept by now will ever be wanted, crash or not. */
  final(): Promise<void>
}

interface Rewriting {
  isKept(record: RecordCursor): boolean
  isWhole?(batch: Uint8Array): boolean
  /** Before the new segment takes the old one's place. */
  beforeSwap?(): Promise<void>
}

/** `waiting`: there is something to do once another checkpoint was taken. */
export type CompactionOutcome = 'nothing' | 'waiting' | 'compacted' | 'damaged'

export class Compactor {
  readonly #parts: CompactorParts
  readonly #states = new WeakMap<Log, CompactionState>()
  /** How many records those segments have that were written anew in this life. */
  readonly #recordCounts = new WeakMap<Segment, number>()
  readonly #underWay = new WeakMap<Log, Promise<unknown>>()
  passes = 0
  segmentsRewritten = 0
  recordsRemoved = 0
  bytesRemoved = 0

  constructor(parts: CompactorParts) {
    this.#parts = parts
  }

  /** One pass over a log, if it is worth one. */
  compact(log: Log, rules: CompactionRules): Promise<CompactionOutcome> {
    return this.#inTurn(log, () => this.#compact(log, rules))
  }

  /**
   * Removes the records from `from` on that are there now. Their offsets are not used again: the log
   * goes on behind them, in another epoch. From the end towards the front, segment by segment: a
   * crash leaves a part of them, and the caller without an answer. Resolves with where it goes on.
   */
  truncate(log: Log, from: number): Promise<number> {
    return this.#inTurn(log, async () => {
      log.roll()
      const { epoch } = log
      let next = log.nextOffset
      const rolledAt = await this.#settleRoll(log)
      const isWhole = (batch: Uint8Array): boolean => {
        if (batchLeaderEpoch(batch) < epoch) return false
        next = Math.min(next, batchBaseOffset(batch))
        return true
      }
      const isKept = ({ offset }: RecordCursor): boolean => offset < from
      // Later ones hold only what came after, and may not be written yet.
      const isBefore = ({ isSealed, baseOffset }: Segment): boolean =>
        isSealed && baseOffset < rolledAt
      for (const segment of log.segments.filter(isBefore).reverse())
        if (endOf(log, segment) > from && !(await this.#rewrite(log, segment, { isKept, isWhole })))
          throw new BrokerError('ERR_DATA_CORRUPT', [from, endOf(log, segment), log.label])
      return Math.min(next, log.nextOffset)
    })
  }

  /**
   * Everything before the roll is in sealed segments, behind two checkpoints. Returns the offset that
   * they end at.
   *
   * The story of a full disk: what was under way at the roll is refused and taken back with the new
   * segment, and the one before it is written to again. Then the log has to roll once more.
   */
  async #settleRoll(log: Log): Promise<number> {
    for (;;) {
      const { nextOffset } = log
      // The first makes what is under way durable, the others put it behind two checkpoints.
      for (let left = CHECKPOINTS_FOR_TRUNCATION; left > 0; left--)
        if (log.compactableBelow < nextOffset) await this.#parts.checkpointer.run()
      const active = log.activeSegment
      const isUndone = active !== undefined && !active.isSealed && active.baseOffset < nextOffset
      if (!isUndone) return nextOffset
      log.roll()
    }
  }

  /**
   * Gives the room of records back that nobody wants, wherever they stand: segments of which less than
   * half is wanted are written anew. Offsets stay as they are.
   */
  reclaim(log: Log, rules: ReclaimRules): Promise<CompactionOutcome> {
    return this.#inTurn(log, () => this.#reclaim(log, rules))
  }

  /** Two at once would write the same file. */
  #inTurn<T>(log: Log, work: () => Promise<T>): Promise<T> {
    const before = this.#underWay.get(log) ?? Promise.resolve()
    const running = before.then(work)
    this.#underWay.set(
      log,
      running.catch(() => undefined),
    )
    return running
  }

  async #compact(log: Log, rules: CompactionRules): Promise<CompactionOutcome> {
    const state = await this.#stateOf(log)
    const ripe = await this.#ripeSegments(log, rules)
    const reachable = ripe.filter((segment) => isBelowCheckpoints(log, segment))
    if (!this.#isWorthIt(log, state, ripe, rules)) return 'nothing'
    if (!this.#isWorthIt(log, state, reachable, rules)) return 'waiting'
    const keys = new KeyMap(this.#parts.keyBytesMax)
    const mappedTo = await this.#mapKeys(log, state, reachable, keys)
    if (mappedTo === undefined) return 'damaged'
    const expiredTo = state.expiredTo(rules.nowMs, rules.tombstoneMs)
    const tally = { tombstones: 0 }
    const isKept = keeper(keys, mappedTo, expiredTo, tally)
    for (const segment of reachable)
      if (segment.baseOffset < mappedTo && !(await this.#rewrite(log, segment, { isKept })))
        return 'damaged'
    this.passes++
    state.tombstones = tally.tombstones
    state.clearedTo = Math.max(state.clearedTo, expiredTo)
    state.note(mappedTo, Math.max(this.#parts.environment.clock.now(), rules.nowMs))
    await writeCompactionState(this.#parts.environment.disk, log, state)
    return 'compacted'
  }

  async #reclaim(log: Log, rules: ReclaimRules): Promise<CompactionOutcome> {
    let outcome: CompactionOutcome = 'nothing'
    for (const segment of [...log.segments]) {
      if (!segment.isSealed || endOf(log, segment) > log.highWatermark) break
      const to = endOf(log, segment)
      const kept = rules.countKept(segment.baseOffset, to)
      const count = this.#recordCounts.get(segment) ?? to - segment.baseOffset
      if (segment.isRemoved || kept * 2 >= count) continue
      if (!isBelowCheckpoints(log, segment)) return outcome === 'nothing' ? 'waiting' : outcome
      const isKept = ({ offset }: RecordCursor): boolean => rules.isKept(offset)
      const rewriting = { isKept, beforeSwap: () => rules.final() }
      if (!(await this.#rewrite(log, segment, rewriting))) return 'damaged'
      const written = log.segmentAt(segment.baseOffset)
      if (written?.baseOffset === segment.baseOffset) this.#recordCounts.set(written, kept)
      outcome = 'compacted'
    }
    return outcome
  }

  async #stateOf(log: Log): Promise<CompactionState> {
    const known = this.#states.get(log)
    if (known !== undefined) return known
    const state = await readCompactionState(this.#parts.environment.disk, log)
    this.#states.set(log, state)
    return state
  }

  /** Sealed segments from the front whose records are all older than the lag. */
  async #ripeSegments(log: Log, rules: CompactionRules): Promise<Segment[]> {
    const ripe: Segment[] = []
    for (const segment of [...log.segments]) {
      if (!segment.isSealed || segment.isRemoved || endOf(log, segment) > log.highWatermark)
        return ripe
      if (rules.compactionLagMs > 0) {
        const age = rules.nowMs - (await this.#parts.latestTimestampOf(segment))
        if (age < rules.compactionLagMs) return ripe
      }
      ripe.push(segment)
    }
    return ripe
  }

  #isWorthIt(
    log: Log,
    state: CompactionState,
    segments: readonly Segment[],
    rules: CompactionRules,
  ): boolean {
    let bytes = 0
    let dirtyBytes = 0
    for (const segment of segments) {
      bytes += segment.sizeBytes
      if (endOf(log, segment) > state.cleanedTo) dirtyBytes += segment.sizeBytes
    }
    if (dirtyBytes > 0 && dirtyBytes >= bytes * DIRTY_SHARE) return true
    const expiredTo = state.expiredTo(rules.nowMs, rules.tombstoneMs)
    return state.tombstones > 0 && bytes > 0 && expiredTo > state.clearedTo
  }

  /** Maps what was not compacted yet; returns where the map ends, `undefined` behind damage. */
  async #mapKeys(
    log: Log,
    state: CompactionState,
    segments: readonly Segment[],
    keys: KeyMap,
  ): Promise<number | undefined> {
    let mappedTo = state.cleanedTo
    for (const segment of segments) {
      const endOffset = endOf(log, segment)
      if (endOffset <= state.cleanedTo) continue
      const end = await scanSegment(this.#parts.files, {
        segment,
        endOffset,
        visit: (batch) => {
          if (keys.isFull) return false
          mappedTo = this.#mapBatch(batch, keys)
          return true
        },
        pace: (bytes) => this.#pace(log, bytes),
      })
      // Retention took it meanwhile: nobody reads its keys any more.
      if (end === 'damaged' && segment.isRemoved) continue
      if (end === 'damaged') return undefined
      if (end === 'stopped') return mappedTo
      mappedTo = endOffset
    }
    return mappedTo
  }

  /** Returns the offset after the batch. One that cannot be read obsoletes nothing. */
  #mapBatch(batch: Uint8Array, keys: KeyMap): number {
    const readable = readableBatch(batch, this.#parts.compression)
    if (readable !== undefined) {
      const cursor = new RecordCursor(readable)
      while (cursor.next()) {
        const { key } = cursor
        if (key !== null) keys.set(key, cursor.offset)
      }
    }
    return batchNextOffset(batch)
  }

  /** False when the segment is damaged: it is left to the reader and the scrubber. */
  async #rewrite(
    log: Log,
    segment: Segment,
    { isKept, isWhole = () => false, beforeSwap }: Rewriting,
  ): Promise<boolean> {
    const { environment, files, producers, compression } = this.#parts
    const isLastOfProducer = (producerId: number, baseOffset: number): boolean =>
      producers.isLast(log.id, producerId, baseOffset)
    const rules = { isKept, isWhole, isLastOfProducer }
    const rewrite = new SegmentRewrite(environment.disk, segment, rules, compression)
    await rewrite.open()
    try {
      const end = await scanSegment(files, {
        segment,
        endOffset: endOf(log, segment),
        visit: (batch) => {
          rewrite.add(batch)
          return true
        },
        pace: async (bytes) => {
          await rewrite.write()
          await this.#pace(log, bytes)
        },
      })
      if (end !== 'whole') return segment.isRemoved
      if (!rewrite.hasChanged) return true
      await rewrite.finish()
      await beforeSwap?.()
      if (await this.#replace(log, segment, rewrite)) {
        this.segmentsRewritten++
        this.recordsRemoved += rewrite.recordsRemoved
        this.bytesRemoved += segment.sizeBytes - rewrite.bytesWritten
      }
      return true
    } finally {
      // A full disk or a closing store: the old segment is as good as it was.
      await rewrite.discard().catch(() => undefined)
    }
  }

  /** Not while a checkpoint or a backup runs, and in turn with the log's own writes. */
  async #replace(log: Log, segment: Segment, rewrite: SegmentRewrite): Promise<boolean> {
    let isReplaced = false
    await this.#parts.checkpointer.alone(() =>
      this.#parts.writeBehind.change(log, async () => {
        if (log.isDeleted || segment.isRemoved || !log.segments.includes(segment)) return
        await this.#swap(log, segment, rewrite)
        isReplaced = true
      }),
    )
    return isReplaced
  }

  /**
   * The crash story: an index or a sidecar of the old segment beside the new one would lead readers
   * astray, so their names are gone durably before the rename.
   */
  async #swap(log: Log, segment: Segment, rewrite: SegmentRewrite): Promise<void> {
    const { disk } = this.#parts.environment
    for (const kind of ['index', 'timeindex', 'crc'] as const)
      await removeIfThere(disk, segment.pathOf(kind))
    await synced(disk.syncDirectory(log.directory))
    await this.#parts.files.replace(segment.path, async () => {
      await disk.rename(rewrite.path, segment.path)
      const replacement = new Segment({
        baseOffset: segment.baseOffset,
        directory: log.directory,
        sizeBytes: rewrite.bytesWritten,
        startedAtMs: segment.startedAtMs,
        isCreated: true,
      })
      replacement.isSealed = true
      segment.isRemoved = true
      forgetBelow(log, endOf(log, segment), this.#parts.arena)
      log.segments[log.segments.indexOf(segment)] = replacement
    })
    await synced(disk.syncDirectory(log.directory))
  }

  #pace(log: Log, bytes: number): Promise<void> {
    if (log.isDeleted)
      return Promise.reject(Object.assign(new Error('deleted'), { code: 'ENOENT' }))
    return this.#parts.pace(bytes)
  }
}

/** Both tables that a recovery may begin with count the segment as sealed. */
const isBelowCheckpoints = (log: Log, segment: Segment): boolean =>
  segment.flushedBytes === segment.sizeBytes && endOf(log, segment) <= log.compactableBelow

const endOf = (log: Log, segment: Segment): number =>
  log.segmentAfter(segment)?.baseOffset ?? log.nextOffset

const keeper =
  (keys: KeyMap, mappedTo: number, expiredTo: number, tally: { tombstones: number }) =>
  (record: RecordCursor): boolean => {
    const { key, offset } = record
    // A record without a key is obsoleted by nothing.
    if (key === null || offset >= mappedTo) return true
    const last = keys.get(key)
    if (last !== undefined && last > offset) return false
    if (record.value !== null) return true
    if (offset < expiredTo) return false
    tally.tombstones++
    return true
  }

/** Whether an error says only that the log went away meanwhile. */
export const isGone = (log: Log, error: unknown): boolean =>
  log.isDeleted && hasErrorCode(error, 'ENOENT')
