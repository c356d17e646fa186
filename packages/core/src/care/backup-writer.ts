/**
 * Writes the files of a backup below `<target>.partial`, keeps their checksums, and gives the whole its
 * name at the end, when every byte and every name in it is synced. What dies before leaves a `.partial`
 * that nobody takes for a backup.
 */
import { crc32c } from '@millrace/codec'
import type { Disk, DiskFile } from '../environment/disk.ts'
import { hasErrorCode } from '../log/disk-errors.ts'
import { parentOf, readWholeFile } from '../log/small-file.ts'
import {
  MANIFEST_NAME,
  encodeManifest,
  type BackupFile,
  type BackupManifest,
} from './backup-manifest.ts'
import { combineCrc32c } from './crc-combine.ts'
import { CHECK_WINDOW_BYTES, SIDECAR_BLOCK_BYTES } from './limits.ts'
import { removeTree } from './remove-tree.ts'
import { decodeSidecar } from './sidecar.ts'

/** Where a file system, or the way to another, has no second names for files. */
const NO_LINKS = ['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS']

interface Linked {
  readonly path: string
  readonly segmentBase: number
}

export class BackupWriter {
  readonly #disk: Disk
  readonly #target: string
  readonly #pace: () => Promise<void>
  readonly #files: BackupFile[] = []
  /** Not summed yet: they are never written again, so that there is time for it. */
  readonly #linked: Linked[] = []
  readonly #directories = new Set<string>()
  #hasLinks = true
  bytes = 0

  constructor(disk: Disk, target: string, pace: () => Promise<void>) {
    this.#disk = disk
    this.#target = target
    this.#pace = pace
  }

  get fileCount(): number {
    return this.#files.length
  }

  async begin(): Promise<void> {
    await removeTree(this.#disk, this.#partial)
    await this.#disk.makeDirectory(this.#partial)
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    const file = await this.#create(path)
    try {
      await file.write([bytes], 0)
      await file.sync()
    } finally {
      await file.close()
    }
    this.#note({ path, bytes: bytes.length, crc: crc32c(bytes) })
  }

  /** The first so many bytes of a file, all of it without. ENOENT is the caller's to judge. */
  async copy(source: string, path: string, bytesMax = Infinity): Promise<void> {
    const from = await this.#disk.open(source, 'read')
    try {
      await this.#copyFrom(from, path, Math.min(bytesMax, await from.size()))
    } finally {
      await from.close()
    }
  }

  /** For a synced file that nobody writes to any more. */
  async link(source: string, path: string, segmentBase: number): Promise<void> {
    if (!this.#hasLinks) return this.copy(source, path)
    try {
      await this.#makeDirectories(path)
      await this.#disk.link(source, `${this.#partial}/${path}`)
      this.#linked.push({ path, segmentBase })
    } catch (error) {
      if (!NO_LINKS.some((code) => hasErrorCode(error, code))) throw error
      this.#hasLinks = false
      await this.copy(source, path)
    }
  }

  /** Sums what was linked, writes the manifest, syncs it all and gives it its name. */
  async finish(manifest: Omit<BackupManifest, 'files'>): Promise<void> {
    for (const linked of this.#linked) this.#note(await this.#summed(linked))
    const { format, name, createdAtMs, directoryId, group } = manifest
    const whole = { format, name, createdAtMs, directoryId, group, files: this.#files }
    const file = await this.#disk.open(`${this.#partial}/${MANIFEST_NAME}`, 'create')
    try {
      await file.write([encodeManifest(whole)], 0)
      await file.sync()
    } finally {
      await file.close()
    }
    for (const directory of [...this.#directories].reverse())
      await this.#disk.syncDirectory(directory)
    await this.#disk.syncDirectory(this.#partial)
    await this.#disk.rename(this.#partial, this.#target)
    await this.#disk.syncDirectory(parentOf(this.#target))
  }

  async abandon(): Promise<void> {
    await removeTree(this.#disk, this.#partial)
  }

  get #partial(): string {
    return `${this.#target}.partial`
  }

  async #copyFrom(from: DiskFile, path: string, length: number): Promise<void> {
    const file = await this.#create(path)
    let crc = 0
    let at = 0
    try {
      const window = new Uint8Array(Math.min(CHECK_WINDOW_BYTES, length))
      while (at < length) {
        const count = await from.read(window.subarray(0, Math.min(window.length, length - at)), at)
        if (count === 0) break
        const part = window.subarray(0, count)
        await file.write([part], at)
        crc = crc32c(part, crc)
        at += count
        await this.#pace()
      }
      await file.sync()
    } finally {
      await file.close()
    }
    this.#note({ path, bytes: at, crc })
  }

  /**
   * The sidecar's word for it where there is one: what it says is what should be there, so that damage
   * which nobody has found yet shows when the backup is verified.
   */
  async #summed({ path, segmentBase }: Linked): Promise<BackupFile> {
    const whole = `${this.#partial}/${path}`
    const bytes = (await this.#disk.sizeOf(whole)) ?? 0
    const known = await this.#sidecarSum(path, segmentBase)
    if (known?.bytes === bytes) return { path, ...known }
    const file = await this.#disk.open(whole, 'read')
    try {
      return { path, bytes, crc: await sumOf(file, this.#pace) }
    } finally {
      await file.close()
    }
  }

  async #sidecarSum(
    path: string,
    segmentBase: number,
  ): Promise<{ bytes: number; crc: number } | undefined> {
    try {
      const sidecarPath = `${this.#partial}/${path.replace(/\.log$/, '.crc')}`
      const sidecar = decodeSidecar(await readWholeFile(this.#disk, sidecarPath), segmentBase)
      if (sidecar === undefined) return undefined
      const { segmentBytes: bytes, sums } = sidecar
      let crc = 0
      sums.forEach((sum, block) => {
        const rest = bytes - block * SIDECAR_BLOCK_BYTES
        crc = combineCrc32c(crc, sum, Math.min(SIDECAR_BLOCK_BYTES, rest))
      })
      return { bytes, crc }
    } catch (error) {
      if (hasErrorCode(error, 'ENOENT')) return undefined
      throw error
    }
  }

  #note(file: BackupFile): void {
    this.#files.push(file)
    this.bytes += file.bytes
  }

  async #create(path: string): Promise<DiskFile> {
    await this.#makeDirectories(path)
    return this.#disk.open(`${this.#partial}/${path}`, 'create')
  }

  async #makeDirectories(path: string): Promise<void> {
    let directory = this.#partial
    for (const name of path.split('/').slice(0, -1)) {
      directory += `/${name}`
      if (this.#directories.has(directory)) continue
      await this.#disk.makeDirectory(directory)
      this.#directories.add(directory)
    }
  }
}

/** The CRC-32C of all bytes of a file. */
export const sumOf = async (file: DiskFile, pace: () => Promise<void>): Promise<number> => {
  const window = new Uint8Array(CHECK_WINDOW_BYTES)
  let crc = 0
  for (let at = 0; ;) {
    const count = await file.read(window, at)
    if (count === 0) return crc
    crc = crc32c(window.subarray(0, count), crc)
    at += count
    await pace()
  }
}
