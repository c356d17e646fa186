/**
 * A ring of hashes with weighted owners: a key belongs to the owner of the first place at or after its
 * hash. An owner that comes or goes moves the keys of its own places and no others, as long as there
 * is room for all places. When there is not, each weight gets half as many, which also moves keys
 * between owners that stay: once for every doubling of the whole weight beyond the room.
 *
 * A place is one number, so that the ring is one sorted array: hash times 2^21 and the owner's slot,
 * which makes 53 bits.
 */
import { BINDINGS_COUNT_MAX, HASH_PLACES_MAX, HASH_PLACES_PER_WEIGHT } from './limits.ts'
import { hashText, mixHash } from './string-hash.ts'

const SLOTS = 2 ** 21
/** Odd, so that all multiples up to 2^32 differ. */
const STRIDE = 0x9e37_79b1

interface Owner<Item> {
  readonly item: Item
  readonly name: string
  readonly weight: number
}

export class HashRing<Item> {
  readonly #slots: (Owner<Item> | undefined)[] = []
  readonly #freeSlots: number[] = []
  #weight = 0
  #places: Float64Array | undefined = undefined

  get size(): number {
    return this.#slots.length - this.#freeSlots.length
  }

  /** Answers the slot to remove it by. */
  add(item: Item, name: string, weight: number): number {
    if (this.size > BINDINGS_COUNT_MAX) throw new Error('too many owners for the bits of a slot')
    const slot = this.#freeSlots.pop() ?? this.#slots.length
    this.#slots[slot] = { item, name, weight }
    this.#weight += weight
    this.#places = undefined
    return slot
  }

  remove(slot: number): void {
    const owner = this.#slots[slot]
    if (owner === undefined) return
    this.#slots[slot] = undefined
    this.#freeSlots.push(slot)
    this.#weight -= owner.weight
    this.#places = undefined
  }

  find(hash: number): Item | undefined {
    // Made by the first search after a change, not by each of thousands of changes.
    const places = (this.#places ??= this.#makePlaces())
    if (places.length === 0) return undefined
    const found = firstAtOrAfter(places, hash * SLOTS)
    const at = found === places.length ? 0 : found
    return this.#ownerAt(places, at).item
  }

  /** Slots depend on the order in which owners came. Two at the same hash are told apart by name. */
  #ownerAt(places: Float64Array, at: number): Owner<Item> {
    const first = places[at]!
    let owner = this.#slots[first % SLOTS]!
    const hash = Math.floor(first / SLOTS)
    for (let next = at + 1; Math.floor(places[next]! / SLOTS) === hash; next++) {
      const other = this.#slots[places[next]! % SLOTS]!
      if (other.name < owner.name) owner = other
    }
    return owner
  }

  #makePlaces(): Float64Array {
    let perWeight = HASH_PLACES_PER_WEIGHT
    while (this.#weight * perWeight > HASH_PLACES_MAX) perWeight /= 2
    const countOf = (weight: number): number => Math.max(1, Math.floor(weight * perWeight))
    let total = 0
    for (const owner of this.#slots) total += owner === undefined ? 0 : countOf(owner.weight)
    const places = new Float64Array(total)
    let at = 0
    for (const [slot, owner] of this.#slots.entries()) {
      if (owner === undefined) continue
      const seed = hashText(owner.name)
      for (let index = 0; index < countOf(owner.weight); index++)
        places[at++] = mixHash((seed + Math.imul(index, STRIDE)) | 0) * SLOTS + slot
    }
    return places.sort()
  }
}

/** `places.length` when all are smaller. */
const firstAtOrAfter = (places: Float64Array, value: number): number => {
  let low = 0
  let high = places.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (places[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}
