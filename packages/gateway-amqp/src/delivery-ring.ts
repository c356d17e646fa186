/**
 * What a channel has handed out and not heard of again, by delivery tag. Tags rise by one, and are
 * usually settled from the front:
 *
 * ```
 *   capacity 8     head           head + length
 *                  v              v
 *   tags       | . | 7 | 8 | 9 | 10 | 11 | . | . |
 *   deliveries | . | a | – | c | –  | e  | . | . |      – was settled out of turn
 * ```
 * A tag is found at its distance from the head, or by halving once holes were squeezed out. When the
 * ring is full the holes go first, so that it holds at most twice what is unsettled: one delivery that
 * nobody settles does not make it grow.
 */
const CAPACITY_MIN = 16

export class DeliveryRing<T> {
  #tags: Float64Array
  #slots: (T | undefined)[]
  #head: number
  /** Holes included. */
  #length: number
  #count: number

  constructor() {
    this.#tags = new Float64Array(CAPACITY_MIN)
    this.#slots = new Array<T | undefined>(CAPACITY_MIN).fill(undefined)
    this.#head = 0
    this.#length = 0
    this.#count = 0
  }

  /** Unsettled deliveries. */
  get count(): number {
    return this.#count
  }

  get capacity(): number {
    return this.#slots.length
  }

  /** Tags are pushed in rising order. */
  push(tag: number, delivery: T): void {
    if (this.#length === this.#slots.length) this.#makeRoom()
    const at = (this.#head + this.#length) & (this.#slots.length - 1)
    this.#tags[at] = tag
    this.#slots[at] = delivery
    this.#length++
    this.#count++
  }

  /** `undefined`: the tag is not outstanding. */
  take(tag: number): T | undefined {
    const index = this.#find(tag)
    if (index < 0) return undefined
    const delivery = this.#remove(index)
    this.#trim()
    return delivery
  }

  /**
   * Everything up to and including the tag, oldest first. False: the tag itself is not outstanding, and
   * nothing was taken.
   */
  takeUpTo(tag: number, into: T[], tags: number[]): boolean {
    const index = this.#find(tag)
    if (index < 0 || this.#at(index) === undefined) return false
    for (let each = 0; each <= index; each++) this.#removeInto(each, into, tags)
    this.#trim()
    return true
  }

  takeAll(into: T[], tags: number[]): void {
    for (let index = 0; index < this.#length; index++) this.#removeInto(index, into, tags)
    this.#trim()
  }

  clear(): void {
    this.#tags = new Float64Array(CAPACITY_MIN)
    this.#slots = new Array<T | undefined>(CAPACITY_MIN).fill(undefined)
    this.#head = 0
    this.#length = 0
    this.#count = 0
  }

  #at(index: number): T | undefined {
    return this.#slots[(this.#head + index) & (this.#slots.length - 1)]
  }

  #tagAt(index: number): number {
    return this.#tags[(this.#head + index) & (this.#slots.length - 1)] as number
  }

  /** The index of a tag that was pushed, settled or not; -1 for one that is not here any more. */
  #find(tag: number): number {
    if (this.#length === 0) return -1
    const distance = tag - this.#tagAt(0)
    if (distance < 0) return -1
    if (distance < this.#length && this.#tagAt(distance) === tag) return distance
    return this.#search(tag)
  }

  #search(tag: number): number {
    let from = 0
    let to = this.#length - 1
    while (from <= to) {
      const middle = (from + to) >>> 1
      const found = this.#tagAt(middle)
      if (found === tag) return middle
      if (found < tag) from = middle + 1
      else to = middle - 1
    }
    return -1
  }

  #remove(index: number): T | undefined {
    const at = (this.#head + index) & (this.#slots.length - 1)
    const delivery = this.#slots[at]
    if (delivery === undefined) return undefined
    this.#slots[at] = undefined
    this.#count--
    return delivery
  }

  #removeInto(index: number, into: T[], tags: number[]): void {
    const delivery = this.#remove(index)
    if (delivery === undefined) return
    into.push(delivery)
    tags.push(this.#tagAt(index))
  }

  /** The head stands at something unsettled, or the ring is empty. */
  #trim(): void {
    const mask = this.#slots.length - 1
    while (this.#length > 0 && this.#slots[this.#head] === undefined) {
      this.#head = (this.#head + 1) & mask
      this.#length--
    }
  }

  /** Squeezes holes out, or doubles when there are few. */
  #makeRoom(): void {
    const isSparse = this.#count <= this.#slots.length / 2
    const capacity = isSparse ? this.#slots.length : this.#slots.length * 2
    const tags = new Float64Array(capacity)
    const slots = new Array<T | undefined>(capacity).fill(undefined)
    let next = 0
    for (let index = 0; index < this.#length; index++) {
      const delivery = this.#at(index)
      if (delivery === undefined) continue
      tags[next] = this.#tagAt(index)
      slots[next] = delivery
      next++
    }
    this.#tags = tags
    this.#slots = slots
    this.#head = 0
    this.#length = next
  }
}
