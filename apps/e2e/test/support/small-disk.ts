/** A disk of its own that a test can make short of space: a tmpfs, for which it has to be root. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'

export interface SmallDisk {
  readonly path: string
  /** Takes all but so many bytes. */
  fillUpTo(freeBytes: number): void
  /** Gives back what was taken. */
  empty(): void
  unmount(): void
}

export const mountSmallDisk = (path: string, size: string): SmallDisk => {
  mkdirSync(path)
  const options = ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'millrace-test', path]
  const { status, stderr } = spawnSync('mount', options, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`a tmpfs cannot be mounted, which takes root: ${stderr}`)
  const filler = `${path}/filler`
  return {
    path,
    fillUpTo: (freeBytes) => {
      const { bavail, bsize } = statfsSync(path)
      writeFileSync(filler, Buffer.alloc(bavail * bsize - freeBytes))
    },
    empty: () => rmSync(filler, { force: true }),
    unmount: () => void spawnSync('umount', [path]),
  }
}
