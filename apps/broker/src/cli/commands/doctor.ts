/** `millrace doctor`: 0 all is well, 1 damage was found, 2 it could not be checked. */
import { createNodeEnvironment, examine } from '@millrace/core'
import { describeFailure, UsageError } from '../failure.ts'
import { formatJson, formatTable, type OutputForm } from '../output.ts'
import { withPatientClient } from '../with-client.ts'

interface DoctorOptions {
  readonly url?: string
  readonly dataDir?: string
  readonly topic?: string
  readonly output?: OutputForm
}

interface Problem {
  readonly file: string
  readonly problem: string
}

interface Finding {
  readonly isHealthy: boolean
  readonly problems: readonly Problem[]
  /** Lines under the table. */
  readonly summary: readonly string[]
  readonly detail: unknown
}

const EXIT_DAMAGED = 1
const EXIT_UNCHECKED = 2

export const examineStorage = async (options: DoctorOptions): Promise<void> => {
  let finding: Finding
  try {
    checkOptions(options)
    finding =
      options.dataDir === undefined
        ? await askBroker(options)
        : await readDirectory(options.dataDir)
  } catch (error) {
    process.stderr.write(describeFailure(error).text)
    process.exitCode = EXIT_UNCHECKED
    return
  }
  process.stdout.write(options.output === 'json' ? formatJson(finding.detail) : format(finding))
  if (!finding.isHealthy) process.exitCode = EXIT_DAMAGED
}

const checkOptions = ({ url, dataDir, topic }: DoctorOptions): void => {
  if (dataDir === undefined) return
  if (url !== undefined) throw new UsageError('--url and --data-dir exclude each other', 'give one')
  if (topic !== undefined)
    throw new UsageError('--topic is for a running broker', 'leave it out, or give --url')
}

const readDirectory = async (directory: string): Promise<Finding> => {
  const examination = await examine(createNodeEnvironment(), directory)
  const { isHealthy, problems, storage, recovery } = examination
  const summary: string[] = []
  if (storage !== undefined) summary.push(countsOf(storage))
  if (recovery !== undefined)
    summary.push(`a start would replay ${counted(recovery.groupsReplayed, 'group')} of the journal`)
  return { isHealthy, problems, summary, detail: { directory, ...examination } }
}

const askBroker = async (options: DoctorOptions): Promise<Finding> => {
  const { topic } = options
  const report = await withPatientClient(options, ({ admin }) =>
    admin.checkStorage(topic === undefined ? {} : { topic }),
  )
  const problems = [
    ...report.ranges.map(({ log, kind, from, to }) => ({
      file: log,
      problem: `offsets ${from} to ${to} are lost (${kind})`,
    })),
    ...report.files.map(({ log, segment, file }) => ({
      file: log,
      problem: `the ${file} of segment ${segment} was damaged, and is made anew`,
    })),
  ]
  const isHealthy = report.damagedRanges + report.damagedFiles === 0
  const left = report.damagedRanges + report.damagedFiles - problems.length
  const summary = [countsOf(report), ...(left > 0 ? [`and ${left} more that are not listed`] : [])]
  return { isHealthy, problems, summary, detail: { isHealthy, ...report } }
}

const countsOf = (report: { logs: number; segments: number; batches: number; bytes: number }) =>
  `checked ${counted(report.logs, 'log')}, ${counted(report.segments, 'segment')}, ` +
  `${counted(report.batches, 'batch', 'batches')}, ${counted(report.bytes, 'byte')}`

const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`

const format = ({ isHealthy, problems, summary }: Finding): string => {
  const rows = problems.map((problem) => ({ ...problem }))
  const table = rows.length === 0 ? '' : `${formatTable(rows, ['file', 'problem'])}\n`
  const verdict = isHealthy ? 'healthy' : 'DAMAGED'
  return `${table}${summary.map((line) => `${line}\n`).join('')}${verdict}\n`
}
