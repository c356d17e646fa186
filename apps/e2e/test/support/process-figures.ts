/** What the operating system says of a process. */
import { readdirSync, readFileSync } from 'node:fs'

export const residentMebibytes = (pid: number): number => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024
}

export const openFileCount = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length
