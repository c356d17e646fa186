/**
 * Shares the file descriptors of the process between connections and storage.
 *
 * The story it answers: peers open connections until the operating system gives out no more
 * descriptors; then the engine cannot open a file it needs, and an engine that cannot write what it
 * promised stops. So connections never get the descriptors that storage may need.
 */
import { readFileSync } from 'node:fs'
import { HTTP_CONNECTIONS_COUNT_MAX } from '../limits.ts'

/** The runtime, the journal, metadata, listeners. */
const RESERVED_COUNT = 128

export interface FileBudget {
  readonly connections: number
  readonly storageFiles: number
  readonly httpConnections: number
}

/** What is wished for, cut to what the process may open; each part keeps at least a little. */
export const fitToFileLimit = (wished: FileBudget, openFilesMax: number): FileBudget => {
  const free = Math.max(openFilesMax - RESERVED_COUNT, 48)
  const httpConnections = Math.min(wished.httpConnections, Math.max(8, Math.floor(free / 8)))
  const storageFiles = Math.min(wished.storageFiles, Math.max(16, Math.floor(free / 2)))
  const rest = Math.max(16, free - httpConnections - storageFiles)
  return { connections: Math.min(wished.connections, rest), storageFiles, httpConnections }
}

export const wishedFiles = (connections: number, storageFiles: number): FileBudget => ({
  connections,
  storageFiles,
  httpConnections: HTTP_CONNECTIONS_COUNT_MAX,
})

/** The soft limit, which the runtime has raised to the hard one at its start. */
export const readOpenFilesMax = (): number => {
  try {
    const line = /^Max open files\s+(\d+|unlimited)/m.exec(
      readFileSync('/proc/self/limits', 'utf8'),
    )
    if (line !== null) return line[1] === 'unlimited' ? Infinity : Number(line[1])
  } catch {
    // Not Linux: the runtime's report knows it as well, and takes longer to say so.
  }
  const report = process.report.getReport() as {
    userLimits?: { open_files?: { soft?: number | string } }
  }
  const soft = Number(report.userLimits?.open_files?.soft)
  return Number.isFinite(soft) ? soft : Infinity
}
