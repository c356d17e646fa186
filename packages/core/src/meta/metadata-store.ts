/**
 * Definitions as keyed JSON values in log 0, with a snapshot beside it.
 *
 * Invariants: a change is one record batch, so it is there whole or not at all; it is applied to
 * memory when it is durable, never before; changes run one after the other, so a check made inside
 * `change` still holds when its result is written.
 *
 * The snapshot spares reading the whole log at boot and is a second copy of what a damaged range of
 * log 0 would lose. Either alone is enough.
 */
import type { BrokerError } from '@millrace/codec'
import {
  RecordBatchBuilder,
  RecordCursor,
  batchMaxTimestamp,
  batchTotalBytes,
  isBrokerError,
  utf8Decode,
  utf8Encode,
} from '@millrace/codec'
import type { Environment, TimerHandle } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import type { StoredBatch } from '../log/stored-batch.ts'
import type { LogStore } from '../log/store.ts'
import { MetadataSnapshot } from './metadata-snapshot.ts'

const SEGMENT = { segmentBytes: 16 * 1_048_576, segmentMs: Number.MAX_SAFE_INTEGER }
const READ_BYTES = 1_048_576
const SNAPSHOT_DELAY_MS = 1_000

/** A value, or null to remove the key. */
export type MetadataChanges = ReadonlyMap<string, object | null>

export class MetadataStore {
  readonly #environment: Environment
  readonly #store: LogStore
  readonly #log: Log
  readonly #snapshot: MetadataSnapshot
  readonly #entries = new Map<string, object>()
  #chain: Promise<unknown> = Promise.resolve()
  #snapshotTimer: TimerHandle | undefined
  #snapshotOffset = 0
  /** A range of the log that this boot needed could not be read. */
  #hasLoss = false

  private constructor(directory: string, environment: Environment, store: LogStore) {
    this.#environment = environment
    this.#store = store
    this.#log = store.logs.ensure(0, SEGMENT)
    this.#log.label = 'metadata'
    this.#snapshot = new MetadataSnapshot(environment.disk, `${directory}/metadata.snapshot`)
  }

  static async open(
    directory: string,
    environment: Environment,
    store: LogStore,
  ): Promise<MetadataStore> {
    const metadata = new MetadataStore(directory, environment, store)
    await metadata.#load()
    return metadata
  }

  /** Values whose key begins with `prefix`, in no order. */
  *entries(prefix: string): Iterable<[string, object]> {
    for (const [key, value] of this.#entries) if (key.startsWith(prefix)) yield [key, value]
  }

  get(key: string): object | undefined {
    return this.#entries.get(key)
  }

  /** Runs alone: what `work` reads from memory does not change until its commit is done. */
  change<T>(work: (commit: (changes: MetadataChanges) => Promise<void>) => Promise<T>): Promise<T> {
    const result = this.#chain.then(() => work((changes) => this.#commit(changes)))
    this.#chain = result.catch(() => undefined)
    return result
  }

  async close(): Promise<void> {
    this.#snapshotTimer?.cancel()
    // A change under way when the storage fails is never answered.
    await Promise.race([this.#chain, this.#store.failed])
    if (this.#store.failure === undefined) await this.#saveSnapshot()
  }

  async #commit(changes: MetadataChanges): Promise<void> {
    const builder = new RecordBatchBuilder()
    const now = this.#environment.clock.now()
    for (const [key, value] of changes) {
      const bytes = value === null ? null : utf8Encode(JSON.stringify(value))
      builder.appendFields(now, utf8Encode(key), bytes, [])
    }
    await this.#append(builder.build(), changes.size)
    for (const [key, value] of changes) this.#apply(key, value)
    this.#snapshotTimer ??= this.#environment.timers.after(SNAPSHOT_DELAY_MS, () => {
      this.#snapshotTimer = undefined
      void this.#saveSnapshot()
    })
  }

  #append(bytes: Uint8Array, recordCount: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const failure = this.#store.failure
      if (failure !== undefined) return reject(failure)
      const ticket = {
        stored: (_batch: StoredBatch) => resolve(),
        refused: (error: BrokerError) => reject(error),
      }
      const maxTimestamp = batchMaxTimestamp(bytes)
      this.#store.append(this.#log, { bytes, recordCount, maxTimestamp }, true, ticket)
    })
  }

  #apply(key: string, value: object | null): void {
    if (value === null) this.#entries.delete(key)
    else this.#entries.set(key, value)
  }

  async #load(): Promise<void> {
    const snapshot = await this.#snapshot.read()
    if (snapshot !== undefined) {
      for (const [key, value] of snapshot.entries) this.#apply(key, value)
      this.#snapshotOffset = snapshot.offset
    }
    let offset = Math.max(snapshot?.offset ?? 0, this.#log.earliestOffset)
    while (offset < this.#log.highWatermark) offset = await this.#loadFrom(offset)
    // The crash story: the log lost what the snapshot has. Later changes get offsets that a snapshot
    // of before would hide from the next boot. Or changes were lost whose batches stand in a segment
    // all the same: a later boot would find them and mix them with what was decided without them.
    const isBehind = this.#snapshotOffset > this.#log.highWatermark
    if (isBehind || this.#hasLoss) await this.#saveSnapshot()
  }

  /** Returns where to go on. A damaged range is passed over: what it held is in the snapshot or lost. */
  async #loadFrom(offset: number): Promise<number> {
    try {
      const slice = await this.#store.reader.read(this.#log, offset, READ_BYTES)
      try {
        for (const part of slice.parts) this.#applyBatches(part, offset)
        return Math.max(slice.nextOffset, offset + 1)
      } finally {
        slice.release()
      }
    } catch (error) {
      const gap = this.#log.gapAt(offset)
      if (!isBrokerError(error) || gap === undefined) throw error
      this.#environment.log.error('definitions are damaged', { from: gap.from, to: gap.to })
      this.#hasLoss = true
      return gap.to
    }
  }

  #applyBatches(bytes: Uint8Array, from: number): void {
    for (let at = 0; at < bytes.length; at += batchTotalBytes(bytes, at)) {
      const cursor = new RecordCursor(bytes, at)
      while (cursor.next()) {
        if (cursor.offset < from || cursor.key === null) continue
        const { value } = cursor
        this.#apply(
          utf8Decode(cursor.key),
          value === null ? null : (JSON.parse(utf8Decode(value)) as object),
        )
      }
    }
  }

  async #saveSnapshot(): Promise<void> {
    const offset = this.#log.highWatermark
    if (offset === this.#snapshotOffset) return
    try {
      await this.#snapshot.write(offset, this.#entries)
      this.#snapshotOffset = offset
    } catch (error) {
      // The log has everything: a snapshot that finds no room only costs the next boot time.
      this.#environment.log.warn('metadata snapshot not written', { error: describeError(error) })
      this.#store.noteBackgroundError(error)
    }
  }
}
