/** What the store is made of and recovery fills: they come before there is a store. */
import type { BatchCompression } from '@millrace/codec'
import type { RecoveryReport, StorageOptions } from '../engine/operations.ts'
import type { Environment } from '../environment/environment.ts'
import { Arena } from './arena.ts'
import { FileCache } from './file-cache.ts'
import type { JournalPool } from './journal-pool.ts'
import type { Log } from './log.ts'
import { ProducerStates } from './producer-states.ts'
import { TailCache } from './tail-cache.ts'
import { WriteBehind } from './write-behind.ts'

export interface StoreOptions extends StorageOptions {
  /** Flushed batches kept in memory for readers at the tail. */
  readonly tailBytesMax: number
  /** Accepted bytes after which batches are moved to segments. */
  readonly writeBehindBytes: number
  /** Freed buffers are overwritten, so that a view kept too long shows. For tests. */
  readonly poison: boolean
  /** For the records of compressed batches. */
  readonly compression?: BatchCompression | undefined
}

/** What recovery found; see `recovery.ts`. */
export interface RecoveredState {
  readonly logs: readonly Log[]
  readonly nextLogId: number
  readonly pool: JournalPool
  readonly lastGroup: number
  /** The group that the checkpoint it began with replays from; 0 without one. */
  readonly checkpointGroup: number
  /** Logs go on behind offsets that they were not asked for: no group says so yet. */
  readonly hasSkipped: boolean
  readonly report: RecoveryReport
}

/** The parts that recovery needs before there is a store. */
export interface StoreParts {
  readonly arena: Arena
  readonly files: FileCache
  readonly tail: TailCache
  readonly writeBehind: WriteBehind
  readonly producers: ProducerStates
  readonly logsDirectory: string
  /** Accepted and not yet in a segment, over all logs. */
  readonly unflushed: { bytes: number }
}

export const createStoreParts = (
  directory: string,
  environment: Environment,
  options: StoreOptions,
): StoreParts => {
  const arena = new Arena({ poison: options.poison })
  const files = new FileCache(environment.disk, options.openFilesMax)
  const tail = new TailCache(arena, options.tailBytesMax)
  const producers = new ProducerStates(environment.clock, options)
  const logsDirectory = `${directory}/logs`
  const unflushed = { bytes: 0 }
  const writeBehind = new WriteBehind(environment, files, logsDirectory, {
    onFlushed: (batches) => {
      for (const batch of batches) unflushed.bytes -= batch.bytes.length
      tail.keep(batches)
    },
  })
  return { arena, files, tail, writeBehind, producers, logsDirectory, unflushed }
}
