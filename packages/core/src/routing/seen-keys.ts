/**
 * Whether a key came before, lately: two bits a key in a small table (a Bloom filter), wiped after a
 * while. Keys that come once are never remembered by what asks this first, however many there are.
 * It may be wrong in saying yes, and forgets when it is wiped: both cost a little time and no more.
 */
import { hashText, mixHash } from './string-hash.ts'

const BITS = 2 ** 18
const KEYS_MAX = 2 ** 15
const SECOND_HASH = 0x9e37_79b1

export class SeenKeys {
  #words: Uint32Array | undefined = undefined
  #keyCount = 0

  /** Whether the key was noted before. It is from now on. */
  note(key: string, seed: number): boolean {
    const words = (this.#words ??= new Uint32Array(BITS / 32))
    const hash = hashText(key, seed)
    const isFirstSet = setBit(words, hash % BITS)
    const isSecondSet = setBit(words, mixHash(hash ^ SECOND_HASH) % BITS)
    if (isFirstSet && isSecondSet) return true
    if (++this.#keyCount >= KEYS_MAX) this.#wipe(words)
    return false
  }

  #wipe(words: Uint32Array): void {
    words.fill(0)
    this.#keyCount = 0
  }
}

/** Whether it was set before. */
const setBit = (words: Uint32Array, bit: number): boolean => {
  const mask = 1 << (bit & 31)
  const word = words[bit >>> 5]!
  words[bit >>> 5] = word | mask
  return (word & mask) !== 0
}
