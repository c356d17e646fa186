/**
 * First in, first out without `Array.shift`: a ring whose capacity is a power of two, so that the
 * wrap is a mask.
 *
 * ```
 *   capacity 8       head        tail = (head + length) & mask
 *                    v           v
 *   +---+---+---+---+---+---+---+---+
 *   |   |   |   |   | a | b | c |   |   push writes at the tail, shift takes the head
 *   +---+---+---+---+---+---+---+---+
 * ```
 *
 * It grows and never shrinks until `clear`; who fills it bounds it. A slot is emptied when its value
 * leaves, so the ring keeps nothing alive.
 */
const CAPACITY_MIN = 16

export class RingQueue<T> {
  /** None until the first value: most queues of an idle broker never hold one. */
  #slots: (T | undefined)[] = []
  #head = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(value: T): void {
    if (this.#length === this.#slots.length) this.#grow()
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = value
    this.#length++
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined
    const value = this.#slots[this.#head]
    this.#slots[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#slots.length - 1)
    this.#length--
    return value
  }

  /** Takes the value pushed last: what was queued in error is taken back from the tail. */
  pop(): T | undefined {
    if (this.#length === 0) return undefined
    const at = (this.#head + this.#length - 1) & (this.#slots.length - 1)
    const value = this.#slots[at]
    this.#slots[at] = undefined
    this.#length--
    return value
  }

  peek(): T | undefined {
    return this.peekAt(0)
  }

  /** The value that `index` calls of `shift` would leave at the front. */
  peekAt(index: number): T | undefined {
    if (index < 0 || index >= this.#length) return undefined
    return this.#slots[(this.#head + index) & (this.#slots.length - 1)]
  }

  clear(): void {
    this.#slots = []
    this.#head = 0
    this.#length = 0
  }

  #grow(): void {
    const old = this.#slots
    const capacity = Math.max(CAPACITY_MIN, old.length * 2)
    const grown = new Array<T | undefined>(capacity).fill(undefined)
    for (let index = 0; index < this.#length; index++) {
      grown[index] = old[(this.#head + index) & (old.length - 1)]
    }
    this.#slots = grown
    this.#head = 0
  }
}
