/**
 * The one source of chance of a simulation: xoshiro128** (Blackman and Vigna, public domain), seeded
 * through splitmix32. Not for secrets. The same seed gives the same numbers on every machine.
 */
import type { Random } from '@millrace/core'

const rotateLeft = (value: number, bits: number): number =>
  (value << bits) | (value >>> (32 - bits))

/** FNV-1a over the UTF-16 code units: turns a label into a number. */
export const hashText = (text: string, start = 0x811c9dc5): number => {
  let hash = start
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

export class SeededRandom implements Random {
  readonly seed: number
  #a: number
  #b: number
  #c: number
  #d: number
  #mix: number

  constructor(seed: number) {
    this.seed = seed >>> 0
    this.#mix = this.seed
    this.#a = this.#splitmix()
    this.#b = this.#splitmix()
    this.#c = this.#splitmix()
    this.#d = this.#splitmix()
  }

  #splitmix(): number {
    this.#mix = (this.#mix + 0x9e3779b9) | 0
    let value = this.#mix
    value = Math.imul(value ^ (value >>> 16), 0x21f0aaad)
    value = Math.imul(value ^ (value >>> 15), 0x735a2d97)
    return value ^ (value >>> 15)
  }

  uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = rotateLeft(this.#d, 11)
    return result
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.uint32() / 0x1_0000_0000
  }

  /** A uniform integer in [0, count). Good to 2^32; a count of 0 gives 0. */
  below(count: number): number {
    return Math.floor(this.fraction() * count)
  }

  /** A uniform integer in [least, most]. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(values: readonly T[]): T {
    if (values.length === 0) throw new RangeError('pick needs at least one value')
    return values[this.below(values.length)] as T
  }

  bytes(count: number): Uint8Array {
    const result = new Uint8Array(count)
    for (let index = 0; index < count; index += 4) {
      let word = this.uint32()
      const end = Math.min(index + 4, count)
      for (let at = index; at < end; at++) {
        result[at] = word & 0xff
        word >>>= 8
      }
    }
    return result
  }

  /**
   * A generator of its own for one purpose. It depends on this one's seed and the label only, never
   * on how many numbers were drawn, so that a change in one part leaves the others' numbers alone.
   */
  fork(label: string): SeededRandom {
    return new SeededRandom(hashText(label, this.seed ^ 0x811c9dc5))
  }
}
