/**
 * The bytes of one simulated file: what processes see, what is on the platter, and the ordered list
 * of changes between the two.
 *
 * Kept: a change that was synced is on the platter whatever happens later. Lost, torn or kept at
 * random: everything else. A torn write never touches a byte outside of its own range.
 */
import type { DiskCounters } from './disk-counters.ts'
import type { SeededRandom } from './seeded-random.ts'

const PAGE_BYTES = 4096
const SECTOR_SIZES = [512, PAGE_BYTES] as const

/** Bytes that grow. Everything past `length` is zero, so that growing leaves zeros behind. */
class Image {
  bytes = new Uint8Array(0)
  length = 0

  resize(length: number): void {
    if (length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.bytes.length, 1024))
      grown.set(this.bytes.subarray(0, this.length))
      this.bytes = grown
    } else if (length < this.length) {
      this.bytes.fill(0, length, this.length)
    }
    this.length = length
  }

  write(source: Uint8Array, position: number): void {
    if (position + source.length > this.length) this.resize(position + source.length)
    this.bytes.set(source, position)
  }

  copyFrom(other: Image): void {
    this.bytes = other.bytes.slice(0, other.length)
    this.length = other.length
  }
}

/** A write of `bytes` at `position`, or with no bytes a truncation to `position`. */
interface Change {
  readonly order: number
  readonly position: number
  readonly bytes: Uint8Array | undefined
}

const applyWhole = (image: Image, change: Change): void => {
  if (change.bytes === undefined) image.resize(change.position)
  else image.write(change.bytes, change.position)
}

export class DiskContent {
  readonly #visible = new Image()
  readonly #durable = new Image()
  #unsynced: Change[] = []
  #order = 0
  /** Set when a failed sync dropped changes that processes still see. */
  #isDiverged = false

  get length(): number {
    return this.#visible.length
  }

  get durableLength(): number {
    return this.#durable.length
  }

  get unsyncedCount(): number {
    return this.#unsynced.length
  }

  /** The place in the order of changes that a sync called now covers. */
  get mark(): number {
    return this.#order
  }

  read(target: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(target.length, this.#visible.length - position))
    if (count > 0) target.set(this.#visible.bytes.subarray(position, position + count))
    return count
  }

  /** A copy of what processes see. */
  snapshot(): Uint8Array {
    return this.#visible.bytes.slice(0, this.#visible.length)
  }

  durableSnapshot(): Uint8Array {
    return this.#durable.bytes.slice(0, this.#durable.length)
  }

  /** Takes over `bytes`. */
  write(bytes: Uint8Array, position: number): void {
    this.#change({ order: ++this.#order, position, bytes })
  }

  truncate(length: number): void {
    this.#change({ order: ++this.#order, position: length, bytes: undefined })
  }

  #change(change: Change): void {
    applyWhole(this.#visible, change)
    this.#unsynced.push(change)
  }

  /** Every change up to the mark is on the platter. */
  sync(mark: number): void {
    let count = 0
    for (const change of this.#unsynced) {
      if (change.order > mark) break
      applyWhole(this.#durable, change)
      count++
    }
    if (count > 0) this.#unsynced = this.#unsynced.slice(count)
  }

  /**
   * A sync that failed: each change up to the mark is on the platter, or still waits, or was dropped
   * while processes go on seeing it and later syncs succeed without it.
   */
  failSync(mark: number, random: SeededRandom): void {
    this.#unsynced = this.#unsynced.filter((change) => {
      if (change.order > mark) return true
      const fate = random.below(3)
      if (fate === 0) applyWhole(this.#durable, change)
      else if (fate === 1) this.#isDiverged = true
      return fate === 2
    })
  }

  /** Process death: all written survives, except what a failed sync dropped: its pages are gone. */
  kill(): void {
    if (!this.#isDiverged) return
    this.#isDiverged = false
    this.#visible.copyFrom(this.#durable)
    for (const change of this.#unsynced) applyWhole(this.#visible, change)
  }

  /** Power loss: what survives is on the platter afterwards. */
  crash(random: SeededRandom, counters: DiskCounters): void {
    if (this.#unsynced.length > 0) this.#loseUnsynced(random, counters)
    else if (!this.#isDiverged) return
    this.#unsynced = []
    this.#isDiverged = false
    this.#visible.copyFrom(this.#durable)
  }

  #loseUnsynced(random: SeededRandom, counters: DiskCounters): void {
    const changes = this.#unsynced
    const shape = random.below(6)
    if (shape === 0) return changes.forEach((change) => this.#lose(change, random, counters))
    if (shape === 1) return changes.forEach((change) => this.#keep(change, counters))
    if (shape < 4) return this.#keepPrefix(changes, random, counters)
    for (const change of changes) {
      if (random.chance(0.3)) this.#tear(change, random, counters)
      else if (random.chance(0.5)) this.#keep(change, counters)
      else this.#lose(change, random, counters)
    }
  }

  #keepPrefix(changes: readonly Change[], random: SeededRandom, counters: DiskCounters): void {
    const count = random.below(changes.length + 1)
    changes.forEach((change, index) => {
      if (index < count) this.#keep(change, counters)
      else if (index === count && random.chance(0.6)) this.#tear(change, random, counters)
      else this.#lose(change, random, counters)
    })
  }

  #keep(change: Change, counters: DiskCounters): void {
    counters.changesKept++
    applyWhole(this.#durable, change)
  }

  /** The change did not reach the platter, but the file's new length may have. */
  #lose(change: Change, random: SeededRandom, counters: DiskCounters): void {
    counters.changesLost++
    if (change.bytes === undefined || !random.chance(0.25)) return
    const end = change.position + change.bytes.length
    if (end <= this.#durable.length) return
    counters.lengthsExtended++
    this.#durable.resize(end)
  }

  /** Some sectors of the write reached the platter: the first ones, or any. */
  #tear(change: Change, random: SeededRandom, counters: DiskCounters): void {
    if (change.bytes === undefined) return this.#lose(change, random, counters)
    counters.writesTorn++
    const sectorBytes = random.pick(SECTOR_SIZES)
    const first = Math.floor(change.position / sectorBytes)
    const final = Math.floor((change.position + Math.max(1, change.bytes.length) - 1) / sectorBytes)
    const keptCount = random.chance(0.5) ? random.below(final - first + 1) : undefined
    const isZeroed = random.chance(0.2)
    for (let sector = first; sector <= final; sector++) {
      const isKept = keptCount === undefined ? random.chance(0.5) : sector - first < keptCount
      this.#tearSector(change, sector * sectorBytes, sectorBytes, isKept, isZeroed, counters)
    }
  }

  #tearSector(
    change: Change,
    start: number,
    sectorBytes: number,
    isKept: boolean,
    isZeroed: boolean,
    counters: DiskCounters,
  ): void {
    const bytes = change.bytes as Uint8Array
    const from = Math.max(start, change.position)
    const to = Math.min(start + sectorBytes, change.position + bytes.length)
    if (isKept) {
      this.#durable.write(bytes.subarray(from - change.position, to - change.position), from)
    } else if (isZeroed) {
      counters.sectorsZeroed++
      this.#durable.write(new Uint8Array(to - from), from)
    }
  }

  /** Damage at rest: what processes see and what is on the platter alike. */
  flipBit(bit: number): void {
    const at = Math.floor(bit / 8)
    for (const image of [this.#visible, this.#durable]) {
      if (at < image.length) image.bytes[at] = (image.bytes[at] as number) ^ (1 << (bit % 8))
    }
  }

  zeroPage(page: number): void {
    const start = page * PAGE_BYTES
    for (const image of [this.#visible, this.#durable]) {
      if (start < image.length)
        image.bytes.fill(0, start, Math.min(start + PAGE_BYTES, image.length))
    }
  }
}
