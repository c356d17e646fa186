/** How much memory and disk there is for this process. */
import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { totalmem } from 'node:os'

const MEMORY_SHARE = 0.6
const DISK_SHARE = 0.05

/** Where a container's limit stands, by version of cgroups. */
const cgroupFiles = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']

type ReadText = (path: string) => string

const readText: ReadText = (path) => readFileSync(path, 'utf8')

const cgroupBytes = (read: ReadText): number => {
  for (const path of cgroupFiles) {
    try {
      const text = read(path).trim()
      return /^\d+$/.test(text) ? Number(text) : Infinity
    } catch {
      // Not this version, or none.
    }
  }
  return Infinity
}

/** What the machine has, or the container may use of it. */
export const readMemoryBytes = (systemBytes: number = totalmem(), read = readText): number =>
  Math.min(systemBytes, cgroupBytes(read))

export const memoryLimitOf = (setBytes: number, memoryBytes: number): number =>
  setBytes > 0 ? setBytes : Math.floor(memoryBytes * MEMORY_SHARE)

/** `undefined` where nobody knows. */
export const readDiskBytes = async (path: string): Promise<number | undefined> => {
  try {
    const { blocks, bsize } = await statfs(path)
    return blocks * bsize
  } catch {
    return undefined
  }
}

/** A small disk would be short of space from the start: no more than a share of it is asked for. */
export const diskLimitOf = (setBytes: number, diskBytes: number | undefined): number =>
  diskBytes === undefined ? setBytes : Math.min(setBytes, Math.floor(diskBytes * DISK_SHARE))
