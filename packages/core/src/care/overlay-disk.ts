/**
 * A disk over another one: it reads what the other has, and keeps in memory what is written. So a
 * recovery runs on a directory, with all that it decides, and nothing of the directory changes.
 *
 * It promises no durability, and its locks are those of the disk below.
 */
import type { Disk, DiskFile, DiskLock, OpenMode } from '../environment/disk.ts'
import { hasErrorCode } from '../log/disk-errors.ts'

const PAGE_BYTES = 4_096

const failure = (code: string, path: string): Error & { code: string } =>
  Object.assign(new Error(`${code}: '${path}'`), { code })

const parts = (path: string): { parent: string; name: string } => {
  const slash = path.lastIndexOf('/')
  return { parent: slash < 0 ? '.' : path.slice(0, slash), name: path.slice(slash + 1) }
}

/** One file: the bytes of the disk below as far as they count, and pages that were written. */
class OverlayFileNode {
  readonly base: DiskFile | undefined
  readonly #pages = new Map<number, Uint8Array>()
  /** Bytes of the base behind it were cut off. */
  #baseBytes: number
  length: number

  constructor(base: DiskFile | undefined, length: number) {
    this.base = base
    this.#baseBytes = length
    this.length = length
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const count = Math.max(0, Math.min(target.length, this.length - position))
    const view = target.subarray(0, count)
    await this.#readBase(view, position)
    for (let at = position - (position % PAGE_BYTES); at < position + count; at += PAGE_BYTES) {
      const page = this.#pages.get(at / PAGE_BYTES)
      if (page === undefined) continue
      const from = Math.max(at, position)
      const to = Math.min(at + PAGE_BYTES, position + count)
      view.set(page.subarray(from - at, to - at), from - position)
    }
    return count
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    const end = position + bytes.length
    for (let at = position - (position % PAGE_BYTES); at < end; at += PAGE_BYTES) {
      const page = await this.#pageAt(at)
      const from = Math.max(at, position)
      const to = Math.min(at + PAGE_BYTES, end)
      page.set(bytes.subarray(from - position, to - position), from - at)
    }
    this.length = Math.max(this.length, end)
  }

  async truncate(length: number): Promise<void> {
    if (length < this.length && length % PAGE_BYTES !== 0) {
      const page = await this.#pageAt(length - (length % PAGE_BYTES))
      page.fill(0, length % PAGE_BYTES)
    }
    for (const index of this.#pages.keys())
      if (index * PAGE_BYTES >= length) this.#pages.delete(index)
    this.#baseBytes = Math.min(this.#baseBytes, length)
    this.length = length
  }

  async #readBase(view: Uint8Array, position: number): Promise<void> {
    const wanted = Math.max(0, Math.min(view.length, this.#baseBytes - position))
    const count =
      wanted === 0 ? 0 : ((await this.base?.read(view.subarray(0, wanted), position)) ?? 0)
    view.fill(0, count)
  }

  async #pageAt(at: number): Promise<Uint8Array> {
    const index = at / PAGE_BYTES
    const known = this.#pages.get(index)
    if (known !== undefined) return known
    const page = new Uint8Array(PAGE_BYTES)
    await this.#readBase(page, at)
    this.#pages.set(index, page)
    return page
  }
}

class OverlayFile implements DiskFile {
  readonly path: string
  readonly #node: OverlayFileNode

  constructor(path: string, node: OverlayFileNode) {
    this.path = path
    this.#node = node
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#node.read(target, position)
  }

  async write(bytes: readonly Uint8Array[], position: number): Promise<void> {
    let at = position
    for (const part of bytes) {
      await this.#node.write(part, at)
      at += part.length
    }
  }

  async sync(): Promise<void> {}

  truncate(bytes: number): Promise<void> {
    return this.#node.truncate(bytes)
  }

  async size(): Promise<number> {
    return this.#node.length
  }

  async close(): Promise<void> {}
}

export class OverlayDisk implements Disk {
  readonly #below: Disk
  readonly #nodes = new Map<string, OverlayFileNode>()
  /** Names of the disk below that are gone from here. */
  readonly #gone = new Set<string>()
  readonly #made = new Set<string>()

  constructor(below: Disk) {
    this.#below = below
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    const known = this.#nodes.get(path)
    if (mode !== 'create') return new OverlayFile(path, known ?? (await this.#openBelow(path)))
    if (known !== undefined || (await this.#isBelow(path))) throw failure('EEXIST', path)
    const node = new OverlayFileNode(undefined, 0)
    this.#nodes.set(path, node)
    return new OverlayFile(path, node)
  }

  async makeDirectory(path: string): Promise<void> {
    this.#made.add(path)
  }

  async list(path: string): Promise<string[]> {
    const names = new Set<string>()
    try {
      for (const name of await this.#below.list(path))
        if (!this.#gone.has(`${path}/${name}`)) names.add(name)
    } catch (error) {
      if (!hasErrorCode(error, 'ENOENT') || !this.#made.has(path)) throw error
    }
    for (const each of [...this.#nodes.keys(), ...this.#made]) {
      const { parent, name } = parts(each)
      if (parent === path) names.add(name)
    }
    return [...names]
  }

  async rename(source: string, target: string): Promise<void> {
    const node = this.#nodes.get(source) ?? (await this.#openBelow(source))
    this.#forget(source)
    this.#nodes.set(target, node)
  }

  link(_source: string, target: string): Promise<void> {
    return Promise.reject(failure('EPERM', target))
  }

  async remove(path: string): Promise<void> {
    if (!this.#nodes.has(path) && !(await this.#isBelow(path))) throw failure('ENOENT', path)
    this.#forget(path)
  }

  async removeDirectory(path: string): Promise<void> {
    this.#made.delete(path)
    this.#gone.add(path)
  }

  async syncDirectory(): Promise<void> {}

  async sizeOf(path: string): Promise<number | undefined> {
    const known = this.#nodes.get(path)
    if (known !== undefined) return known.length
    return this.#gone.has(path) ? undefined : this.#below.sizeOf(path)
  }

  async freeBytes(): Promise<number> {
    return Number.MAX_SAFE_INTEGER
  }

  lock(directory: string): Promise<DiskLock> {
    return this.#below.lock(directory)
  }

  /** Closes the files of the disk below. */
  async close(): Promise<void> {
    for (const { base } of this.#nodes.values()) await base?.close()
    this.#nodes.clear()
  }

  #forget(path: string): void {
    this.#nodes.delete(path)
    this.#gone.add(path)
  }

  async #isBelow(path: string): Promise<boolean> {
    return !this.#gone.has(path) && (await this.#below.sizeOf(path)) !== undefined
  }

  async #openBelow(path: string): Promise<OverlayFileNode> {
    if (this.#gone.has(path)) throw failure('ENOENT', path)
    const base = await this.#below.open(path, 'read')
    const node = new OverlayFileNode(base, await base.size())
    // Two may have opened it at once: all handles must see the same writes.
    const known = this.#nodes.get(path)
    if (known !== undefined) {
      await base.close()
      return known
    }
    this.#nodes.set(path, node)
    return node
  }
}
