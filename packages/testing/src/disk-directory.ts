/**
 * Directories of a simulated disk: the names that processes see, the names on the platter, and the
 * operations between the two. A name is durable only once its own directory was synced; what a file
 * holds is a separate matter.
 */
import { DiskContent } from './disk-content.ts'
import type { DiskCounters } from './disk-counters.ts'
import type { SeededRandom } from './seeded-random.ts'

export class DiskFileNode {
  readonly kind = 'file'
  readonly content = new DiskContent()
  openCount = 0
  /** Names that processes see. */
  linkCount = 1
  /** A sync failed in the present process life. */
  hasFailedSync = false
}

export type DiskNode = DiskFileNode | DiskDirectoryNode

interface NameChange {
  readonly kind: 'create' | 'rename' | 'remove'
  readonly order: number
  readonly node: DiskNode
  readonly directory: DiskDirectoryNode
  readonly name: string
  /** Of a rename only. */
  readonly target: DiskDirectoryNode
  readonly targetName: string
}

export class DiskDirectoryNode {
  readonly kind = 'directory'
  readonly entries = new Map<string, DiskNode>()
  #durable = new Map<string, DiskNode>()
  #unsynced: NameChange[] = []
  #order = 0

  get mark(): number {
    return this.#order
  }

  create(name: string, node: DiskNode): void {
    this.entries.set(name, node)
    this.#note('create', node, name)
  }

  remove(name: string): void {
    const node = this.entries.get(name) as DiskNode
    this.entries.delete(name)
    this.#note('remove', node, name)
  }

  /** Atomic, also between directories; between directories the target's sync makes it durable. */
  rename(name: string, target: DiskDirectoryNode, targetName: string): void {
    const node = this.entries.get(name) as DiskNode
    this.entries.delete(name)
    target.entries.set(targetName, node)
    const order = ++target.#order
    target.#unsynced.push({
      kind: 'rename',
      order,
      node,
      directory: this,
      name,
      target,
      targetName,
    })
  }

  #note(kind: 'create' | 'remove', node: DiskNode, name: string): void {
    const order = ++this.#order
    this.#unsynced.push({
      kind,
      order,
      node,
      directory: this,
      name,
      target: this,
      targetName: name,
    })
  }

  sync(mark: number): void {
    const covered = this.#unsynced.filter((change) => change.order <= mark)
    this.#unsynced = this.#unsynced.filter((change) => change.order > mark)
    for (const change of covered) this.#apply(change)
  }

  #apply(change: NameChange): void {
    if (change.kind === 'create') return void this.#durable.set(change.name, change.node)
    change.directory.#forget(change.name, change.node)
    if (change.kind === 'rename') this.#durable.set(change.targetName, change.node)
  }

  /** The name is gone from the platter, and its creation will not bring it back. */
  #forget(name: string, node: DiskNode): void {
    if (this.#durable.get(name) === node) this.#durable.delete(name)
    this.#unsynced = this.#unsynced.filter(
      (change) => !(change.kind === 'create' && change.name === name && change.node === node),
    )
  }

  /** Keeps or loses each unsynced operation of this directory, then those of all below. */
  crash(random: SeededRandom, counters: DiskCounters): void {
    const changes = this.#unsynced
    this.#unsynced = []
    const shape = random.below(4)
    const keptCount = random.below(changes.length + 1)
    changes.forEach((change, index) => {
      const isKept = [false, true, index < keptCount, random.chance(0.5)][shape] as boolean
      counters[`${change.kind}s${isKept ? 'Kept' : 'Lost'}`]++
      if (isKept) this.#apply(change)
    })
  }

  /** After the fates of all operations are known: processes see what is on the platter. */
  settle(): void {
    this.entries.clear()
    for (const [name, node] of this.#durable) this.entries.set(name, node)
  }

  /** What the name is for processes or on the platter, each node once. */
  nodes(): Set<DiskNode> {
    return new Set([...this.entries.values(), ...this.#durable.values()])
  }
}

/** All nodes that a process sees or that the platter names, `root` first, parents before children. */
export const nodesBelow = (root: DiskDirectoryNode): Set<DiskNode> => {
  const found = new Set<DiskNode>([root])
  for (const node of found) {
    if (node.kind === 'directory') for (const child of node.nodes()) found.add(child)
  }
  return found
}
