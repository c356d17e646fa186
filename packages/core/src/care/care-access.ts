/** What the parts that look after the data may do with a store. */
import type { Environment } from '../environment/environment.ts'
import type { Checkpointer } from '../log/checkpointer.ts'
import type { IndexLoader } from '../log/index-loader.ts'
import type { Journal } from '../log/journal.ts'
import type { JournalPool } from '../log/journal-pool.ts'
import type { Log, OffsetRange } from '../log/log.ts'
import type { Segment } from '../log/segment.ts'

export interface CareAccess {
  readonly environment: Environment
  readonly indexes: IndexLoader
  readonly checkpointer: Checkpointer
  readonly journal: Journal
  readonly pool: JournalPool
  logs(): Iterable<Log>
  /** As a read does that meets damage: nobody gets the range from here on. */
  putAside(log: Log, segment: Segment, range: OffsetRange): void
  /** A sync of the store's own names failed: it must not go on. */
  fail(error: unknown): void
  /** Not while anybody replaces or removes files of the log. */
  inTurn(log: Log, work: () => Promise<void>): Promise<void>
}
