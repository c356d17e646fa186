/**
 * A disk in memory with the crash model of RELIABILITY 4: what was synced is always there after a
 * power loss; of the rest any part may be, torn at any sector; names and contents are durable apart.
 *
 * This is the hardware, which outlives processes. A process sees it through `boot()`, and what it
 * got from there is dead once the process was killed or the power was cut.
 */
import { DiskDirectoryNode, nodesBelow } from './disk-directory.ts'
import { type DiskCounters, createDiskCounters } from './disk-counters.ts'
import { type DiskFault, type PlannedFault, FaultPlan, diskError } from './disk-faults.ts'
import { type DiskLatency, type PendingCall, MountedDisk, latencyDefaults } from './mounted-disk.ts'
import type { DiskFileNode, DiskNode } from './disk-directory.ts'
import type { Scheduler } from './scheduler.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { Trace } from './trace.ts'

export interface SimulatedDiskOptions {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly trace?: Trace
  readonly latency?: Partial<DiskLatency>
}

export interface ResolvedName {
  readonly parent: DiskDirectoryNode
  readonly name: string
  readonly node: DiskNode | undefined
}

export class SimulatedDisk {
  readonly counters: DiskCounters = createDiskCounters()
  readonly faults = new FaultPlan()
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly trace: Trace | undefined
  readonly latency: DiskLatency
  /** Calls under way, in the order in which they were made. */
  readonly pending = new Set<PendingCall>()
  readonly locked = new Set<string>()
  readonly #root = new DiskDirectoryNode()
  #mounted: MountedDisk | undefined
  /** The size of the file system: a write that would take more fails with ENOSPC. */
  capacityBytes = Number.MAX_SAFE_INTEGER
  usedBytes = 0

  constructor(options: SimulatedDiskOptions) {
    this.scheduler = options.scheduler
    this.random = options.random
    this.trace = options.trace
    this.latency = { ...latencyDefaults, ...options.latency }
  }

  /** The disk as the next process sees it. Ends the process before, as `kill` does. */
  boot(): MountedDisk {
    if (this.#mounted?.isAlive === true) this.kill()
    this.#mounted = new MountedDisk(this)
    return this.#mounted
  }

  inject(fault: DiskFault): PlannedFault {
    return this.faults.add(fault)
  }

  get freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.usedBytes)
  }

  /** The process dies; all it has written survives. */
  kill(random: SeededRandom = this.random): void {
    this.counters.kills++
    this.#end(random)
    for (const node of this.#nodes()) if (node.kind === 'file') node.content.kill()
    this.#recount()
  }

  /** The power is cut: unsynced changes and names survive at random, whole, torn or not at all. */
  crash(random: SeededRandom = this.random): void {
    this.counters.powerLosses++
    this.#end(random)
    const directories = [...this.#nodes()].filter((node) => node.kind === 'directory')
    for (const directory of directories) directory.crash(random, this.counters)
    for (const directory of directories) directory.settle()
    for (const node of this.#nodes()) {
      if (node.kind === 'file') node.content.crash(random, this.counters)
    }
    this.#recount()
  }

  #nodes(): Set<DiskNode> {
    return nodesBelow(this.#root)
  }

  /** Calls under way have reached the platter, or not, or in part; nobody hears of it. */
  #end(random: SeededRandom): void {
    this.#mounted?.die()
    for (const call of this.pending) {
      const isFinished = random.chance(0.5)
      this.counters[isFinished ? 'callsFinishedUnheard' : 'callsCutShort']++
      if (isFinished) call.finishUnheard()
      else call.cutShort(random)
    }
    this.pending.clear()
    this.locked.clear()
    this.faults.clear()
  }

  #recount(): void {
    this.usedBytes = 0
    for (const node of this.#nodes()) {
      if (node.kind !== 'file') continue
      node.openCount = 0
      node.hasFailedSync = false
      node.linkCount = 0
    }
    for (const path of this.files()) {
      const node = this.file(path)
      if (node.linkCount++ === 0) this.usedBytes += node.content.length
    }
  }

  resolve(path: string, kind: string): ResolvedName {
    const names = path.split('/').filter((name) => name !== '' && name !== '.')
    const name = names.pop() ?? ''
    let parent = this.#root
    for (const each of names) {
      const node = parent.entries.get(each)
      if (node === undefined) throw diskError('ENOENT', kind, path)
      if (node.kind !== 'directory') throw diskError('ENOTDIR', kind, path)
      parent = node
    }
    return { parent, name, node: name === '' ? this.#root : parent.entries.get(name) }
  }

  /** What stands under a path; `undefined` when nothing does, or its directory is missing. */
  find(path: string): DiskNode | undefined {
    try {
      return this.resolve(path, 'find').node
    } catch {
      return undefined
    }
  }

  directory(path: string, kind: string): DiskDirectoryNode {
    const { node } = this.resolve(path, kind)
    if (node === undefined) throw diskError('ENOENT', kind, path)
    if (node.kind !== 'directory') throw diskError('ENOTDIR', kind, path)
    return node
  }

  file(path: string, kind = 'read'): DiskFileNode {
    const { node } = this.resolve(path, kind)
    if (node === undefined) throw diskError('ENOENT', kind, path)
    if (node.kind !== 'file') throw diskError('EISDIR', kind, path)
    return node
  }

  /** The paths of all files that a process would see, in the order of their creation. */
  files(directory = '/'): string[] {
    const result: string[] = []
    const visit = (node: DiskDirectoryNode, path: string): void => {
      for (const [name, child] of node.entries) {
        if (child.kind === 'file') result.push(`${path}/${name}`)
        else visit(child, `${path}/${name}`)
      }
    }
    const prefix = directory.replace(/\/+$/, '')
    visit(this.directory(directory, 'list'), prefix)
    return result
  }

  /** A copy of what a process would read. */
  contentOf(path: string): Uint8Array {
    return this.file(path).content.snapshot()
  }

  /** A copy of what is on the platter. */
  durableContentOf(path: string): Uint8Array {
    return this.file(path).content.durableSnapshot()
  }

  /** Damage at rest. `bit` counts from the file's start. */
  flipBit(path: string, bit: number): void {
    this.counters.bitsFlipped++
    this.file(path).content.flipBit(bit)
    this.trace?.note(this.scheduler.nowUs, `disk: bit ${bit} of ${path} flips`)
  }

  /** Damage at rest: 4 KiB read as zeros from now on. */
  zeroPage(path: string, page: number): void {
    this.counters.pagesZeroed++
    this.file(path).content.zeroPage(page)
    this.trace?.note(this.scheduler.nowUs, `disk: page ${page} of ${path} is zeroed`)
  }
}
