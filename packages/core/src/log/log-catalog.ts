/**
 * Every log of a directory by its id, and the making of new ones. An id is given once: what is lost
 * of the journal is made up for by whoever names an id.
 */
import { EntryKind, LATE_FLAG, VOLATILE_FLAG, type JournalEntryFields } from './journal-format.ts'
import { OFFSET_SKIP_AFTER_LOSS } from './limits.ts'
import { Log, type LogSettings } from './log.ts'

export interface CatalogHooks {
  /** Resolves when the entry is durable. */
  submit(kind: EntryKind, fields: Partial<JournalEntryFields>): Promise<void>
  /** A uniform unsigned 32-bit integer. */
  random(): number
}

/** Places where a log may go on that was lost: so many steps of the skip. */
const PLACES_AFTER_LOSS = 1_048_576

export class LogCatalog {
  readonly #directory: string
  readonly #hooks: CatalogHooks
  readonly #logs = new Map<number, Log>()
  #nextLogId: number

  constructor(directory: string, logs: readonly Log[], nextLogId: number, hooks: CatalogHooks) {
    this.#directory = directory
    this.#hooks = hooks
    this.#nextLogId = nextLogId
    for (const log of logs) this.#logs.set(log.id, log)
  }

  get nextLogId(): number {
    return this.#nextLogId
  }

  all(): Iterable<Log> {
    return this.#logs.values()
  }

  get(id: number): Log | undefined {
    return this.#logs.get(id)
  }

  /**
   * The metadata names this log. The crash story: its creation was in a damaged journal group, and its
   * id would be given to another log, which two topics then call theirs.
   */
  noteId(id: number): void {
    this.#nextLogId = Math.max(this.#nextLogId, id + 1)
  }

  /** A new log with an id that was never used. Its creation precedes everything in it. */
  create(settings: LogSettings, options: { isVolatile: boolean }): Log {
    const log = this.#add(this.#nextLogId++, settings, options.isVolatile)
    this.#noteCreated(log, 0)
    return log
  }

  /**
   * A log that a definition names and that the journal knows nothing of any more: its creation was
   * lost. Which offsets it had given out nobody can say, so it goes on behind a gap.
   */
  restore(id: number, settings: LogSettings, isVolatile: boolean): Log {
    const log = this.#add(id, settings, isVolatile)
    this.noteId(id)
    const nextOffset = this.#offsetAfterLoss()
    log.nextOffset = nextOffset
    log.highWatermark = nextOffset
    if (isVolatile) log.earliestOffset = nextOffset
    else log.addGap({ from: 0, to: nextOffset })
    this.#noteCreated(log, nextOffset)
    return log
  }

  /** An id for a log that is made with its first use, by `begin`. */
  reserveId(): number {
    return this.#nextLogId++
  }

  /**
   * The log of a reserved id, from an offset on that nothing of it has used. Who cannot know whether
   * it existed before, and was lost, skips as many offsets as it may have had.
   */
  begin(id: number, settings: LogSettings, isNew: boolean, isVolatile = false): Log {
    const log = this.#add(id, settings, isVolatile)
    const nextOffset = isNew ? 0 : this.#offsetAfterLoss()
    log.nextOffset = nextOffset
    log.highWatermark = nextOffset
    log.earliestOffset = nextOffset
    this.#noteCreated(log, nextOffset, nextOffset > 0 ? LATE_FLAG : 0)
    return log
  }

  /** The log with a fixed id, made when the directory is new: metadata is log 0. */
  ensure(id: number, settings: LogSettings): Log {
    const known = this.#logs.get(id)
    if (known === undefined) return this.#add(id, settings, false)
    known.settings = settings
    return known
  }

  delete(id: number): void {
    this.#logs.delete(id)
  }

  /**
   * The crash story: a log is lost, goes on, and is lost again with all that tells where it went on.
   * From a fixed place it would give the same offsets to other records. So the place is drawn.
   */
  #offsetAfterLoss(): number {
    return OFFSET_SKIP_AFTER_LOSS * (1 + (this.#hooks.random() % PLACES_AFTER_LOSS))
  }

  #noteCreated(log: Log, nextOffset: number, flag = 0): void {
    const flags = flag | (log.isVolatile ? VOLATILE_FLAG : 0)
    const fields = { logId: log.id, flags, epoch: log.epoch, nextOffset }
    void this.#hooks.submit(EntryKind.create, fields).catch(() => undefined)
  }

  #add(id: number, settings: LogSettings, isVolatile: boolean): Log {
    const state = {
      id,
      directory: `${this.#directory}/${id}`,
      isVolatile,
      epoch: 1,
      earliestOffset: 0,
      nextOffset: 0,
      ceiling: 0,
      segments: [],
    }
    const log = new Log(state, settings)
    this.#logs.set(id, log)
    return log
  }
}
