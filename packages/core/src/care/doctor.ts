/**
 * Examines a data directory that no broker has open, and changes nothing in it: what its own files say
 * of themselves, then what the next start would find. For the second the broker is opened over an
 * overlay, with all that its recovery decides, and checks its storage.
 */
import { utf8Decode } from '@millrace/codec'
import type { Environment } from '../environment/environment.ts'
import { openBroker } from '../engine/open-broker.ts'
import type { Caller, RecoveryReport } from '../engine/operations.ts'
import { hasErrorCode } from '../log/disk-errors.ts'
import { parseIdentity } from '../log/format.ts'
import { decodeProducerSnapshot } from '../log/producer-snapshot.ts'
import { segmentFileName } from '../log/segment.ts'
import { readWholeFile } from '../log/small-file.ts'
import { MetadataSnapshot } from '../meta/metadata-snapshot.ts'
import { checkJournal } from './journal-check.ts'
import { OverlayDisk } from './overlay-disk.ts'
import type { BackupProblem } from './backup-verify.ts'
import type { StorageCheckReport } from './reports.ts'

export interface Examination {
  readonly directoryId: string
  readonly isHealthy: boolean
  /** Files that are not as they were written. */
  readonly problems: readonly BackupProblem[]
  /** What a start would find; missing when there would be none. */
  readonly storage: StorageCheckReport | undefined
  readonly recovery: RecoveryReport | undefined
}

const examiner: Caller = {
  principal: { name: 'doctor', isAnonymous: true },
  namespace: '/',
}

/** Longer than any examination. */
const NEVER_MS = 30 * 86_400_000

/** Rejects with ERR_DIRECTORY_LOCKED, ERR_DATA_FORMAT or the error of a file that cannot be read. */
export const examine = async (
  environment: Environment,
  directory: string,
): Promise<Examination> => {
  const lock = await environment.disk.lock(directory)
  try {
    return await examineLocked(environment, directory)
  } finally {
    await lock.release()
  }
}

const examineLocked = async (environment: Environment, directory: string): Promise<Examination> => {
  const { disk } = environment
  const meta = await readWholeFile(disk, `${directory}/meta.json`)
  if (!isJson(meta)) {
    const problems = [
      { file: 'meta.json', problem: 'cannot be read: no broker opens the directory' },
    ]
    const nothing = { storage: undefined, recovery: undefined }
    return { directoryId: '', isHealthy: false, problems, ...nothing }
  }
  const { directoryId } = parseIdentity(utf8Decode(meta))
  const problems = await snapshotProblems(environment, directory)
  problems.push(...(await overlaid(environment, (over) => checkJournal(over, directory))))
  const started = await overlaid(environment, (over) => start(over, directory))
  problems.push(...problemsOf(started.storage))
  const { corruptGroups, quarantinedRanges } = started.recovery
  const isHealthy =
    problems.length === 0 && started.storage.damagedRanges + corruptGroups + quarantinedRanges === 0
  return { directoryId, isHealthy, problems, ...started }
}

/** The disk's locks are held already, and what the log says is said in the report. */
const overlaid = async <T>(
  environment: Environment,
  work: (over: Environment) => Promise<T>,
): Promise<T> => {
  const { clock, timers, random } = environment
  const quiet = (): void => undefined
  const disk = new OverlayDisk(environment.disk)
  disk.lock = () => Promise.resolve({ release: () => Promise.resolve() })
  try {
    return await work({
      clock,
      timers,
      random,
      disk,
      log: { info: quiet, warn: quiet, error: quiet },
    })
  } finally {
    await disk.close()
  }
}

const start = async (
  environment: Environment,
  directory: string,
): Promise<{ storage: StorageCheckReport; recovery: RecoveryReport }> => {
  const broker = await openBroker(
    {
      directory,
      autoCreateTopics: false,
      // Nothing is to happen but what a start does.
      storage: {
        ballastBytes: 0,
        deleteGraceMs: NEVER_MS,
        retentionCheckMs: NEVER_MS,
        scrubBytesPerSecond: 0,
      },
      onFatal: () => undefined,
    },
    environment,
  )
  try {
    const storage = await broker.checkStorage(examiner, {})
    return { storage, recovery: broker.status().storage.recovery }
  } finally {
    await broker.close()
  }
}

const problemsOf = ({ ranges, files }: StorageCheckReport): BackupProblem[] => [
  ...ranges.map(({ log, logId, segment, kind, from, to }) => ({
    file: `logs/${logId}/${segmentFileName(segment, 'log')}`,
    problem: `${log}: offsets ${from} to ${to} are lost (${kind})`,
  })),
  ...files.map(({ log, logId, segment, file }) => ({
    file: `logs/${logId}/${segmentFileName(segment, file === 'index' ? 'index' : 'crc')}`,
    problem: `${log}: the ${file} is damaged, which a broker makes anew`,
  })),
]

const snapshotProblems = async (
  { disk }: Environment,
  directory: string,
): Promise<BackupProblem[]> => {
  const problems: BackupProblem[] = []
  const problem = 'is damaged; what it says is in other files too'
  const metadata = `${directory}/metadata.snapshot`
  if ((await disk.sizeOf(metadata)) !== undefined) {
    const content = await new MetadataSnapshot(disk, metadata).read()
    if (content === undefined) problems.push({ file: 'metadata.snapshot', problem })
  }
  try {
    const bytes = await readWholeFile(disk, `${directory}/producers.snapshot`)
    if (decodeProducerSnapshot(bytes) === undefined)
      problems.push({ file: 'producers.snapshot', problem })
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT')) throw error
  }
  return problems
}

const isJson = (bytes: Uint8Array): boolean => {
  try {
    return typeof JSON.parse(utf8Decode(bytes)) === 'object'
  } catch {
    return false
  }
}
