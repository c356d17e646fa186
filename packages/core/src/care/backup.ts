/**
 * A backup of a running broker: a data directory as it was at one group of the journal, for all logs
 * at once. Every record acknowledged before it began is in it, and nothing after that group.
 *
 * A checkpoint comes first; its table, and the groups from there to the chosen one, are what a recovery
 * of the backup replays. Sealed segments that the table knows whole are linked: nothing writes to them
 * any more. Segments that are written to are copied; what of them lies behind the chosen group is cut
 * by that recovery, as after any death.
 *
 * While files are gathered no other checkpoint runs, so that no file goes away.
 */
import { BrokerError, utf8Decode } from '@millrace/codec'
import type { Disk } from '../environment/disk.ts'
import type { CheckpointTable } from '../log/checkpoint-table.ts'
import { hasErrorCode, synced } from '../log/disk-errors.ts'
import { journalFileName } from '../log/journal-file.ts'
import type { Log } from '../log/log.ts'
import { segmentFileName, type Segment } from '../log/segment.ts'
import { makeDirectoryTree, parentOf, readWholeFile } from '../log/small-file.ts'
import { BACKUP_FORMAT, checkBackupName } from './backup-manifest.ts'
import { BackupWriter } from './backup-writer.ts'
import type { CareAccess } from './care-access.ts'
import { bytesThrough, isNeeded } from './journal-copy.ts'
import type { BackupReport } from './reports.ts'
import { isSettled } from './segment-care.ts'

export interface BackupRequest {
  readonly dataDirectory: string
  readonly backupDirectory: string
  readonly name: string
}

/** Files that stand for themselves. They are read before the group is chosen: they hold nothing later. */
const WHOLE_FILES = ['meta.json', 'metadata.snapshot', 'producers.snapshot']

export const backUp = async (
  access: CareAccess,
  request: BackupRequest,
  pace: () => Promise<void>,
): Promise<BackupReport> => {
  checkBackupName(request.name)
  const { disk, clock } = access.environment
  const startedAt = clock.monotonic()
  const path = `${request.backupDirectory}/${request.name}`
  await makeBackupDirectory(access, request.backupDirectory)
  if ((await disk.list(request.backupDirectory)).includes(request.name))
    throw new BrokerError('ERR_INVALID_ARGUMENT', ['name', 'a backup of that name is there'])
  const writer = new BackupWriter(disk, path, pace)
  await writer.begin()
  try {
    const createdAtMs = clock.now()
    const gathering = new Gathering(access, request.dataDirectory, writer)
    const group = await access.checkpointer.hold((table) => gathering.run(table))
    const { directoryId } = gathering
    const { name } = request
    await writer.finish({ format: BACKUP_FORMAT, name, createdAtMs, directoryId, group })
  } catch (error) {
    await writer.abandon().catch(() => undefined)
    throw error
  }
  const durationMs = clock.monotonic() - startedAt
  return { name: request.name, path, files: writer.fileCount, bytes: writer.bytes, durationMs }
}

/** Its parent may be the data directory, and of that no failed sync is borne. */
const makeBackupDirectory = async (access: CareAccess, directory: string): Promise<void> => {
  const { disk } = access.environment
  await makeDirectoryTree(disk, directory)
  try {
    await synced(disk.syncDirectory(parentOf(directory)))
  } catch (error) {
    access.fail(error)
    throw error
  }
}

class Gathering {
  readonly #access: CareAccess
  readonly #directory: string
  readonly #writer: BackupWriter
  readonly #disk: Disk
  directoryId = ''

  constructor(access: CareAccess, directory: string, writer: BackupWriter) {
    this.#access = access
    this.#directory = directory
    this.#writer = writer
    this.#disk = access.environment.disk
  }

  /** Returns the group that the backup ends with. */
  async run(table: CheckpointTable): Promise<number> {
    await this.#putWholeFiles()
    // Both at one moment: what the logs hold below it is in their files or in the journal.
    const group = this.#access.journal.durableGroup
    const logs = [...this.#access.logs()].filter((log) => !log.isVolatile)
    const sealedBelow = new Map(table.rows.map((row) => [row.logId, row.segmentBase]))
    for (const file of this.#access.pool.filesInUse)
      if (isNeeded(file, table.group, group))
        await this.#writer.put(
          `journal/${journalFileName(file.slot)}`,
          await bytesThrough(file, group),
        )
    for (const log of logs) await this.#takeLog(log, sealedBelow.get(log.id) ?? 0)
    return group
  }

  async #putWholeFiles(): Promise<void> {
    for (const name of WHOLE_FILES) {
      const bytes = await this.#readIfThere(`${this.#directory}/${name}`)
      if (bytes === undefined) continue
      if (name === 'meta.json') this.directoryId = directoryIdOf(bytes)
      await this.#writer.put(name, bytes)
    }
  }

  async #takeLog(log: Log, sealedBelow: number): Promise<void> {
    for (const segment of [...log.segments]) {
      if (log.isDeleted) return
      if (!segment.isCreated || segment.flushedBytes === 0) continue
      const isWhole = segment.baseOffset < sealedBelow && isSettled(log, segment)
      try {
        if (isWhole) await this.#link(log, segment)
        else
          await this.#writer.copy(segment.path, pathIn(log, segment, 'log'), segment.flushedBytes)
      } catch (error) {
        // Lost before, which the backup then says as the original does.
        if (!hasErrorCode(error, 'ENOENT')) throw error
      }
    }
  }

  async #link(log: Log, segment: Segment): Promise<void> {
    await this.#writer.link(segment.path, pathIn(log, segment, 'log'), segment.baseOffset)
    // Copied: they were never synced, and a backup is.
    for (const kind of ['crc', 'index', 'timeindex'] as const)
      try {
        await this.#writer.copy(segment.pathOf(kind), pathIn(log, segment, kind))
      } catch (error) {
        if (!hasErrorCode(error, 'ENOENT')) throw error
      }
  }

  async #readIfThere(path: string): Promise<Uint8Array | undefined> {
    try {
      return await readWholeFile(this.#disk, path)
    } catch (error) {
      if (hasErrorCode(error, 'ENOENT')) return undefined
      throw error
    }
  }
}

const pathIn = (log: Log, segment: Segment, kind: Parameters<typeof segmentFileName>[1]): string =>
  `logs/${log.id}/${segmentFileName(segment.baseOffset, kind)}`

export const directoryIdOf = (meta: Uint8Array): string => {
  try {
    return String((JSON.parse(utf8Decode(meta)) as { directoryId?: unknown }).directoryId)
  } catch {
    return ''
  }
}
