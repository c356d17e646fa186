/**
 * All definitions as of an offset of log 0, in one file that is replaced whole.
 *
 *     0       4
 *     | CRC   | JSON: { "offset": n, "entries": [[key, value], …] }
 *       u32
 *
 * The CRC-32C covers the JSON. A file that fails it is as good as none.
 */
import { crc32c, readUint32, utf8Decode, utf8Encode, writeUint32 } from '@millrace/codec'
import type { Disk } from '../environment/disk.ts'
import { hasErrorCode } from '../log/disk-errors.ts'
import { readWholeFile, replaceFile } from '../log/small-file.ts'

const CRC_BYTES = 4

export interface SnapshotContent {
  readonly offset: number
  readonly entries: readonly (readonly [string, object])[]
}

export class MetadataSnapshot {
  readonly #disk: Disk
  readonly #path: string
  #writing: Promise<void> = Promise.resolve()

  constructor(disk: Disk, path: string) {
    this.#disk = disk
    this.#path = path
  }

  async read(): Promise<SnapshotContent | undefined> {
    try {
      const bytes = await readWholeFile(this.#disk, this.#path)
      const body = bytes.subarray(CRC_BYTES)
      if (bytes.length < CRC_BYTES || readUint32(bytes, 0) !== crc32c(body)) return undefined
      return JSON.parse(utf8Decode(body)) as SnapshotContent
    } catch (error) {
      if (hasErrorCode(error, 'ENOENT')) return undefined
      throw error
    }
  }

  /** One at a time: two writers of the same temporary name would mix their bytes. */
  write(offset: number, entries: ReadonlyMap<string, object>): Promise<void> {
    const json = utf8Encode(JSON.stringify({ offset, entries: [...entries] }))
    const bytes = new Uint8Array(CRC_BYTES + json.length)
    bytes.set(json, CRC_BYTES)
    writeUint32(bytes, 0, crc32c(json))
    this.#writing = this.#writing
      .catch(() => undefined)
      .then(() => replaceFile(this.#disk, this.#path, bytes))
    return this.#writing
  }
}
