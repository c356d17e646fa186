/** `millrace backup`, `millrace backup verify` and `millrace restore`. */
import { resolve } from 'node:path'
import { backUpStopped, createNodeEnvironment, restoreBackup, verifyBackup } from '@millrace/core'
import { CommandError, UsageError } from '../failure.ts'
import { formatJson, formatTable, type OutputForm } from '../output.ts'
import { withPatientClient } from '../with-client.ts'

interface Output {
  readonly output?: OutputForm
}

interface BackupOptions extends Output {
  readonly url?: string
  readonly name?: string
  readonly dataDir?: string
  readonly to?: string
}

interface Problem {
  readonly file: string
  readonly problem: string
}

export const takeBackup = async (options: BackupOptions): Promise<void> => {
  const report =
    options.dataDir === undefined && options.to === undefined
      ? await askBroker(options)
      : await copyDirectory(options)
  process.stdout.write(options.output === 'json' ? formatJson(report) : `${report.path}\n`)
}

const askBroker = (options: BackupOptions) =>
  withPatientClient(options, ({ admin }) =>
    admin.backUp(options.name === undefined ? {} : { name: options.name }),
  )

const copyDirectory = ({ dataDir, to, url, name }: BackupOptions) => {
  if (dataDir === undefined || to === undefined)
    throw new UsageError('--data-dir and --to go together', 'give both, or neither for a broker')
  if (url !== undefined || name !== undefined)
    throw new UsageError('--url and --name are for a running broker', 'leave them out')
  return backUpStopped(createNodeEnvironment(), resolve(dataDir), resolve(to))
}

export const verify = async (directory: string, { output }: Output): Promise<void> => {
  const { disk } = createNodeEnvironment()
  const { manifest, problems } = await verifyBackup(disk, resolve(directory))
  if (output === 'json') {
    const { files, ...rest } = manifest
    process.stdout.write(formatJson({ ...rest, files: files.length, problems }))
  } else if (problems.length === 0) {
    const created = new Date(manifest.createdAtMs).toISOString()
    process.stdout.write(`${manifest.files.length} files of ${created} are as they were\n`)
  } else process.stdout.write(formatProblems(problems))
  if (problems.length > 0) process.exitCode = 1
}

export const restore = async (
  options: Output & { readonly from: string; readonly dataDir: string },
): Promise<void> => {
  const { from, dataDir, output } = options
  const directory = resolve(dataDir)
  const report = await restoreBackup(createNodeEnvironment(), resolve(from), directory)
  if (report.problems.length > 0) {
    process.stderr.write(formatProblems(report.problems))
    throw new CommandError('the backup is damaged: nothing was written', 'restore another backup')
  }
  const { directoryId, bytes } = report
  const content = { directory, directoryId, bytes, files: report.manifest.files.length }
  process.stdout.write(output === 'json' ? formatJson(content) : `${directory}\n`)
}

const formatProblems = (problems: readonly Problem[]): string =>
  formatTable(
    problems.map((problem) => ({ ...problem })),
    ['file', 'problem'],
  )
