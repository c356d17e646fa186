/**
 * Unsynced logs for what memory queues cannot keep in memory, made when the first message goes there
 * and deleted when the last one has come back.
 *
 * The crash story: a broker dies, and nobody remembers a log that belongs to no queue. So its id stands
 * in the metadata, durably, before the log is made, and the next start removes what it finds there.
 */
import type { EngineLog } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import type { LogStore } from '../log/store.ts'
import type { MetadataStore } from '../meta/metadata-store.ts'

const SPILL = 'spill/'

export interface SpillLogsParts {
  readonly store: LogStore
  readonly metadata: MetadataStore
  readonly log: EngineLog
  readonly segmentBytes: number
}

export class SpillLogs {
  readonly #parts: SpillLogsParts

  constructor(parts: SpillLogsParts) {
    this.#parts = parts
  }

  /** Removes what a crash has left. Ids are noted first: nobody else may be given one of them. */
  open(): void {
    const { metadata, store } = this.#parts
    const ids = [...metadata.entries(SPILL)].map(([, value]) => (value as { logId: number }).logId)
    for (const id of ids) store.logs.noteId(id)
    for (const id of ids) void this.#remove(id)
  }

  async begin(label: string): Promise<Log> {
    const { metadata, store, segmentBytes } = this.#parts
    const id = store.logs.reserveId()
    await metadata.change((commit) => commit(new Map([[SPILL + id, { logId: id }]])))
    const settings = { segmentBytes, segmentMs: Number.MAX_SAFE_INTEGER }
    const log = store.logs.begin(id, settings, true, true)
    log.label = `${label} (spilled)`
    return log
  }

  /** What cannot be removed now is removed by the next start. */
  end(log: Log): void {
    void this.#remove(log.id)
  }

  async #remove(id: number): Promise<void> {
    const { metadata, store } = this.#parts
    try {
      await store.deleteLog(id)
      await metadata.change((commit) => commit(new Map([[SPILL + id, null]])))
    } catch (error) {
      const fields = { log: id, error: describeError(error) }
      if (store.failure === undefined) this.#parts.log.warn('a spilled log stays for now', fields)
    }
  }
}
