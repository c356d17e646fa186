/**
 * Memory for batches between their arrival and their segment: slabs of 1 MiB, filled from the
 * front, counted by reference and used again.
 *
 * Invariant: a slab is written again only when nobody holds a view of it, that is when every batch
 * in it has left the tail and every lease on it was released. With `poison` on (tests), a freed slab
 * is overwritten at once, so that a view kept too long shows as damage and not as stale data.
 */
const SLAB_BYTES = 1_048_576
const FREE_SLABS_MAX = 48
const POISON = 0xdb

export class Slab {
  readonly bytes: Uint8Array
  used = 0
  references = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

export interface Allocation {
  readonly view: Uint8Array
  readonly slab: Slab | undefined
}

export class Arena {
  readonly #poison: boolean
  readonly #slabBytes: number
  readonly #free: Slab[] = []
  #current: Slab | undefined

  constructor(options: { poison?: boolean; slabBytes?: number } = {}) {
    this.#poison = options.poison ?? false
    this.#slabBytes = options.slabBytes ?? SLAB_BYTES
  }

  /**
   * Room with one reference on its slab for the caller: in the current slab, or, for what would leave
   * much of it empty, a slab to itself. Room for more than a slab is made for it.
   */
  allocate(bytes: number): Allocation {
    if (bytes > this.#slabBytes) return { view: new Uint8Array(bytes), slab: undefined }
    const isLarge = bytes > this.#slabBytes / 2
    const slab = isLarge ? this.#freeSlab() : this.#slabWithRoom(bytes)
    const view = slab.bytes.subarray(slab.used, slab.used + bytes)
    slab.used += bytes
    slab.references++
    return { view, slab }
  }

  copy(bytes: Uint8Array): Allocation {
    const allocation = this.allocate(bytes.length)
    allocation.view.set(bytes)
    return allocation
  }

  retain(slab: Slab | undefined): void {
    if (slab !== undefined) slab.references++
  }

  release(slab: Slab | undefined): void {
    if (slab === undefined) return
    slab.references--
    if (slab.references === 0 && slab !== this.#current) this.#recycle(slab)
  }

  #slabWithRoom(bytes: number): Slab {
    const current = this.#current
    if (current !== undefined && current.used + bytes <= this.#slabBytes) return current
    const next = this.#freeSlab()
    this.#current = next
    if (current !== undefined && current.references === 0) this.#recycle(current)
    return next
  }

  #freeSlab(): Slab {
    return this.#free.pop() ?? new Slab(new Uint8Array(this.#slabBytes))
  }

  #recycle(slab: Slab): void {
    slab.used = 0
    if (this.#poison) slab.bytes.fill(POISON)
    if (this.#free.length < FREE_SLABS_MAX) this.#free.push(slab)
  }
}
