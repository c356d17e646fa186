/** Where and what was measured: a figure without it says nothing. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { promisify } from 'node:util'

export interface Machine {
  readonly cpu: string
  readonly cpuCount: number
  readonly memoryBytes: number
  readonly kernel: string
  readonly node: string
  /** Of the directory that was written to. */
  readonly fileSystem: string
  readonly directory: string
  readonly commit: string
  readonly date: string
  /** Over the minute before the bench began. */
  readonly loadBefore: number
}

const git = async (...parameters: string[]): Promise<string> => {
  try {
    const options = { cwd: import.meta.dirname }
    return (await promisify(execFile)('git', parameters, options)).stdout.trim()
  } catch {
    return ''
  }
}

const readCommit = async (): Promise<string> => {
  const commit = await git('rev-parse', '--short=12', 'HEAD')
  if (commit === '') return 'unknown'
  const changes = await git('status', '--porcelain', '--untracked-files=no')
  return changes === '' ? commit : `${commit} with changes`
}

/** The type of the mount that `directory` lies on: the longest mount point that holds it. */
const readFileSystem = async (directory: string): Promise<string> => {
  try {
    const mounts = (await readFile('/proc/mounts', 'utf8')).trim().split('\n')
    let best = { path: '', type: 'unknown' }
    for (const mount of mounts) {
      const [, path = '', type = ''] = mount.split(' ')
      const holds = directory === path || directory.startsWith(path === '/' ? '/' : `${path}/`)
      if (holds && path.length >= best.path.length) best = { path, type }
    }
    return best.type
  } catch {
    return 'unknown'
  }
}

export const describeMachine = async (directory: string): Promise<Machine> => {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cpuCount: processors.length,
    memoryBytes: totalmem(),
    kernel: `${process.platform} ${release()}`,
    node: process.version,
    fileSystem: await readFileSystem(directory),
    directory,
    commit: await readCommit(),
    date: new Date().toISOString(),
    loadBefore: loadavg()[0] ?? Number.NaN,
  }
}
