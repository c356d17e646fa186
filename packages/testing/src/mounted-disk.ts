/**
 * The simulated disk as one process sees it. Every call takes effect and completes after a random
 * number of simulated microseconds, so that calls overtake each other as they do in a thread pool.
 *
 * A sync covers the writes that had completed when it was called, no others. Calls under way when
 * the process ends never settle; calls made afterwards are rejected.
 */
import { BrokerError } from '@millrace/codec'
import type { Disk, DiskFile, DiskLock, OpenMode } from '@millrace/core'
import { DiskDirectoryNode, DiskFileNode } from './disk-directory.ts'
import type { DiskCallKind } from './disk-counters.ts'
import { diskError } from './disk-faults.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedDisk } from './simulated-disk.ts'

/** The least and the most microseconds that a call takes. One in fifty takes ten times as long. */
export interface DiskLatency {
  readonly readUs: readonly [number, number]
  readonly writeUs: readonly [number, number]
  readonly syncUs: readonly [number, number]
  readonly namesUs: readonly [number, number]
}

export const latencyDefaults: DiskLatency = {
  readUs: [3, 60],
  writeUs: [3, 80],
  syncUs: [50, 1500],
  namesUs: [3, 60],
}

const latencyOfKind: Record<DiskCallKind, keyof DiskLatency> = {
  open: 'namesUs',
  read: 'readUs',
  write: 'writeUs',
  sync: 'syncUs',
  truncate: 'writeUs',
  close: 'namesUs',
  rename: 'namesUs',
  link: 'namesUs',
  remove: 'namesUs',
  list: 'namesUs',
  makeDirectory: 'namesUs',
  removeDirectory: 'namesUs',
  syncDirectory: 'syncUs',
  size: 'namesUs',
}

/** What a call does to the hardware. */
interface Effect<T> {
  /** The call succeeds, or throws as the operating system would. */
  apply(): T
  /** The call fails by a planned fault: what of it happens all the same. */
  fail?(random: SeededRandom): void
}

export interface PendingCall {
  isCut: boolean
  finishUnheard(): void
  cutShort(random: SeededRandom): void
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => {
  let length = 0
  for (const part of parts) length += part.length
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

class Call<T> implements PendingCall {
  readonly #effect: Effect<T>
  readonly #code: string | undefined
  isCut = false

  constructor(effect: Effect<T>, code: string | undefined) {
    this.#effect = effect
    this.#code = code
  }

  /** A call under way at the end of its process reached the disk. */
  finishUnheard(): void {
    this.isCut = true
    if (this.#code !== undefined) return
    try {
      this.#effect.apply()
    } catch {
      // It failed, and the process that would have heard of it is gone.
    }
  }

  /** A call under way at the end of its process reached the disk in part or not at all. */
  cutShort(random: SeededRandom): void {
    this.isCut = true
    if (random.chance(0.5)) this.#effect.fail?.(random)
  }

  complete(random: SeededRandom, kind: DiskCallKind, path: string): T {
    if (this.#code === undefined) return this.#effect.apply()
    this.#effect.fail?.(random)
    throw diskError(this.#code, kind, path)
  }
}

export class MountedDisk implements Disk {
  readonly #disk: SimulatedDisk
  #isAlive = true

  constructor(disk: SimulatedDisk) {
    this.#disk = disk
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  die(): void {
    this.#isAlive = false
  }

  /** Runs one call through the scheduler. */
  call<T>(kind: DiskCallKind, path: string, effect: Effect<T>, detail = ''): Promise<T> {
    const disk = this.#disk
    if (!this.#isAlive) return Promise.reject(diskError('EIO', `${kind} after the crash`, path))
    disk.counters.calls[kind]++
    const code = disk.faults.meet(kind, path)
    if (code !== undefined) disk.counters.failures[kind]++
    const call = new Call(effect, code)
    disk.pending.add(call)
    return new Promise<T>((resolve, reject) => {
      disk.scheduler.after(this.#latencyUs(kind), () => {
        if (call.isCut) return
        disk.pending.delete(call)
        try {
          resolve(call.complete(disk.random, kind, path))
          disk.trace?.note(disk.scheduler.nowUs, `disk: ${kind} ${path}${detail}`)
        } catch (error) {
          const failure = (error as { code?: string }).code ?? 'fails'
          disk.trace?.note(disk.scheduler.nowUs, `disk: ${kind} ${path}${detail} ${failure}`)
          reject(error)
        }
      })
    })
  }

  #latencyUs(kind: DiskCallKind): number {
    const [least, most] = this.#disk.latency[latencyOfKind[kind]]
    const us = this.#disk.random.between(least, most)
    return this.#disk.random.chance(0.02) ? 10 * us : us
  }

  open(path: string, mode: OpenMode): Promise<DiskFile> {
    return this.call('open', path, { apply: () => this.#opened(path, mode) }, ` ${mode}`)
  }

  #opened(path: string, mode: OpenMode): DiskFile {
    const node = mode === 'create' ? this.#created(path) : this.#disk.file(path, 'open')
    node.openCount++
    return new MountedFile(this, this.#disk, node, path, mode !== 'read')
  }

  #created(path: string): DiskFileNode {
    const { parent, name, node } = this.#disk.resolve(path, 'open')
    if (node !== undefined) throw diskError('EEXIST', 'open', path)
    if (this.#disk.freeBytes === 0) throw diskError('ENOSPC', 'open', path)
    const created = new DiskFileNode()
    parent.create(name, created)
    return created
  }

  makeDirectory(path: string): Promise<void> {
    const apply = (): void => {
      const { parent, name, node } = this.#disk.resolve(path, 'makeDirectory')
      if (node?.kind === 'file') throw diskError('EEXIST', 'makeDirectory', path)
      if (node !== undefined) return
      if (this.#disk.freeBytes === 0) throw diskError('ENOSPC', 'makeDirectory', path)
      parent.create(name, new DiskDirectoryNode())
    }
    return this.call('makeDirectory', path, { apply })
  }

  list(path: string): Promise<string[]> {
    const apply = (): string[] => [...this.#disk.directory(path, 'list').entries.keys()]
    return this.call('list', path, { apply })
  }

  rename(source: string, target: string): Promise<void> {
    const apply = (): void => {
      const from = this.#disk.resolve(source, 'rename')
      const to = this.#disk.resolve(target, 'rename')
      if (from.node === undefined) throw diskError('ENOENT', 'rename', source)
      if (to.node?.kind === 'directory') throw diskError('EISDIR', 'rename', target)
      if (to.node !== undefined && to.node !== from.node) this.#unlink(to.node)
      from.parent.rename(from.name, to.parent, to.name)
    }
    return this.call('rename', source, { apply }, ` to ${target}`)
  }

  remove(path: string): Promise<void> {
    const apply = (): void => {
      const { parent, name } = this.#disk.resolve(path, 'remove')
      this.#unlink(this.#disk.file(path, 'remove'))
      parent.remove(name)
    }
    return this.call('remove', path, { apply })
  }

  link(source: string, target: string): Promise<void> {
    const apply = (): void => {
      const node = this.#disk.file(source, 'link')
      const to = this.#disk.resolve(target, 'link')
      if (to.node !== undefined) throw diskError('EEXIST', 'link', target)
      node.linkCount++
      to.parent.create(to.name, node)
    }
    return this.call('link', source, { apply }, ` as ${target}`)
  }

  #unlink(node: DiskFileNode): void {
    node.linkCount--
    if (node.linkCount === 0 && node.openCount === 0) this.#disk.usedBytes -= node.content.length
  }

  removeDirectory(path: string): Promise<void> {
    const apply = (): void => {
      const { parent, name } = this.#disk.resolve(path, 'removeDirectory')
      const node = this.#disk.directory(path, 'removeDirectory')
      if (node.entries.size > 0) throw diskError('ENOTEMPTY', 'removeDirectory', path)
      parent.remove(name)
    }
    return this.call('removeDirectory', path, { apply })
  }

  syncDirectory(path: string): Promise<void> {
    // A missing directory is the completion's to report; a found one is covered as it is now.
    let covered: (() => void) | undefined
    try {
      const node = this.#disk.directory(path, 'syncDirectory')
      const mark = node.mark
      covered = () => node.sync(mark)
    } catch {
      covered = undefined
    }
    const apply = (): void => {
      if (covered === undefined) throw diskError('ENOENT', 'syncDirectory', path)
      covered()
    }
    return this.call('syncDirectory', path, { apply })
  }

  sizeOf(path: string): Promise<number | undefined> {
    const apply = (): number | undefined => {
      const node = this.#disk.find(path)
      return node?.kind === 'file' ? node.content.length : undefined
    }
    return this.call('size', path, { apply })
  }

  freeBytes(path: string): Promise<number> {
    return this.call('size', path, { apply: () => this.#disk.freeBytes })
  }

  lock(directory: string): Promise<DiskLock> {
    const { locked } = this.#disk
    const apply = (): DiskLock => {
      this.#disk.directory(directory, 'lock')
      if (locked.has(directory)) throw new BrokerError('ERR_DIRECTORY_LOCKED', [1])
      locked.add(directory)
      const release = (): Promise<void> =>
        this.call('close', directory, { apply: () => void locked.delete(directory) })
      return { release }
    }
    return this.call('open', directory, { apply }, ' lock')
  }
}

class MountedFile implements DiskFile {
  readonly path: string
  readonly #mount: MountedDisk
  readonly #disk: SimulatedDisk
  readonly #node: DiskFileNode
  readonly #isWritable: boolean
  #isOpen = true

  constructor(
    mount: MountedDisk,
    disk: SimulatedDisk,
    node: DiskFileNode,
    path: string,
    isWritable: boolean,
  ) {
    this.#mount = mount
    this.#disk = disk
    this.#node = node
    this.path = path
    this.#isWritable = isWritable
  }

  #call<T>(kind: DiskCallKind, effect: Effect<T>, detail = '', isWrite = false): Promise<T> {
    if (!this.#isOpen || (isWrite && !this.#isWritable)) {
      return Promise.reject(diskError('EBADF', kind, this.path))
    }
    return this.#mount.call(kind, this.path, effect, detail)
  }

  read(target: Uint8Array, position: number): Promise<number> {
    const apply = (): number => this.#node.content.read(target, position)
    return this.#call('read', { apply }, ` ${target.length} at ${position}`)
  }

  /** The bytes are taken when the call takes effect: whoever changes them before is found out. */
  write(parts: readonly Uint8Array[], position: number): Promise<void> {
    const apply = (): void => this.#write(joined(parts), position)
    const fail = (random: SeededRandom): void => {
      const bytes = joined(parts)
      this.#writeFitting(bytes.slice(0, random.below(bytes.length + 1)), position)
    }
    let length = 0
    for (const part of parts) length += part.length
    return this.#call('write', { apply, fail }, ` ${length} at ${position}`, true)
  }

  #write(bytes: Uint8Array, position: number): void {
    const isWhole = this.#writeFitting(bytes, position)
    if (isWhole) return
    this.#disk.counters.fullWrites++
    throw diskError('ENOSPC', 'write', this.path)
  }

  /** Writes what there is room for. False when that was not all. */
  #writeFitting(bytes: Uint8Array, position: number): boolean {
    const { content } = this.#node
    const before = content.length
    const end = Math.min(position + bytes.length, before + this.#disk.freeBytes)
    const fitting = Math.max(0, Math.min(bytes.length, end - position))
    if (fitting > 0)
      content.write(fitting < bytes.length ? bytes.slice(0, fitting) : bytes, position)
    this.#disk.usedBytes += content.length - before
    return fitting === bytes.length
  }

  sync(): Promise<void> {
    const node = this.#node
    if (node.hasFailedSync) this.#disk.counters.syncsAfterFailure++
    const mark = node.content.mark
    const apply = (): void => node.content.sync(mark)
    const fail = (random: SeededRandom): void => {
      node.hasFailedSync = true
      node.content.failSync(mark, random)
    }
    return this.#call('sync', { apply, fail })
  }

  truncate(bytes: number): Promise<void> {
    const apply = (): void => {
      const growth = bytes - this.#node.content.length
      if (growth > this.#disk.freeBytes) throw diskError('ENOSPC', 'truncate', this.path)
      this.#node.content.truncate(bytes)
      this.#disk.usedBytes += growth
    }
    return this.#call('truncate', { apply }, ` to ${bytes}`, true)
  }

  size(): Promise<number> {
    return this.#call('size', { apply: () => this.#node.content.length })
  }

  close(): Promise<void> {
    if (!this.#isOpen) return Promise.reject(diskError('EBADF', 'close', this.path))
    this.#isOpen = false
    const apply = (): void => {
      this.#node.openCount--
      if (this.#node.linkCount === 0 && this.#node.openCount === 0) {
        this.#disk.usedBytes -= this.#node.content.length
      }
    }
    return this.#mount.call('close', this.path, { apply, fail: apply })
  }
}
