/**
 * Bodies that arrive in pieces: one `BodyAssembly` each, and the bounded set of them.
 *
 * A frame that spans chunks and a body that spans frames are the same thing here: bytes are appended
 * as they arrive. Invariant: a buffer that is made for it never exceeds `GROWTH_FACTOR` times the
 * bytes received for it (or `INITIAL_BYTES`), whatever length the peer declared; one that the pool
 * has lying free costs nothing more, and is taken when the whole body fits.
 */
import { BrokerError } from '@millrace/codec'
import { POOLED_BODY_BYTES, type BodyPool } from './body-pool.ts'

const INITIAL_BYTES = 1024
/** A socket gives 64 KiB at a time, most batches have 256 KiB: one buffer, filled without a copy. */
const GROWTH_FACTOR = 4

export class BodyAssembly {
  readonly opcode: number
  readonly channel: number
  readonly correlation: number
  readonly #pool: BodyPool | undefined
  bytes: Uint8Array
  length: number

  constructor(opcode: number, channel: number, correlation: number, pool: BodyPool | undefined) {
    this.#pool = pool
    this.opcode = opcode
    this.channel = channel
    this.correlation = correlation
    this.bytes = new Uint8Array(0)
    this.length = 0
  }

  /** `expected` is how long the body is known to become: growth stops there. */
  append(chunk: Uint8Array, from: number, to: number, expected: number): void {
    const needed = this.length + (to - from)
    if (needed > this.bytes.length) this.#grow(needed, expected)
    this.bytes.set(chunk.subarray(from, to), this.length)
    this.length = needed
  }

  take(): Uint8Array {
    return this.length === this.bytes.length ? this.bytes : this.bytes.subarray(0, this.length)
  }

  #grow(needed: number, expected: number): void {
    const roomy = Math.max(needed * GROWTH_FACTOR, INITIAL_BYTES)
    const isPoolable = this.#pool !== undefined && expected <= POOLED_BODY_BYTES
    const pooled = isPoolable ? this.#pool?.take() : undefined
    const grown = pooled ?? new Uint8Array(this.#roomFor(needed, roomy, expected, isPoolable))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
  }

  /** An eighth of a pooled buffer received earns a whole one, which the next body can use too. */
  #roomFor(needed: number, roomy: number, expected: number, isPoolable: boolean): number {
    if (isPoolable && needed * 8 >= POOLED_BODY_BYTES) return POOLED_BODY_BYTES
    return Math.max(needed, Math.min(roomy, expected))
  }
}

/** The unfinished bodies of one direction of one connection. Few, so a list beats a map. */
export class BodyAssemblies {
  readonly #open: BodyAssembly[] = []
  readonly #pool: BodyPool | undefined
  #countMax: number

  constructor(countMax: number, pool: BodyPool | undefined) {
    this.#countMax = countMax
    this.#pool = pool
  }

  get count(): number {
    return this.#open.length
  }

  setCountMax(countMax: number): void {
    this.#countMax = countMax
  }

  get bufferedBytes(): number {
    let sum = 0
    for (const assembly of this.#open) sum += assembly.length
    return sum
  }

  get allocatedBytes(): number {
    let sum = 0
    for (const assembly of this.#open) sum += assembly.bytes.length
    return sum
  }

  find(opcode: number, channel: number, correlation: number): BodyAssembly | undefined {
    for (const assembly of this.#open) {
      if (assembly.correlation !== correlation) continue
      if (assembly.opcode === opcode && assembly.channel === channel) return assembly
    }
    return undefined
  }

  open(opcode: number, channel: number, correlation: number): BodyAssembly {
    if (this.#open.length >= this.#countMax) {
      const text =
        this.#countMax === 0
          ? 'a body in parts before the handshake is over'
          : `more than ${this.#countMax} unfinished bodies at once`
      throw new BrokerError('ERR_MALFORMED_FRAME', [text])
    }
    const assembly = new BodyAssembly(opcode, channel, correlation, this.#pool)
    this.#open.push(assembly)
    return assembly
  }

  close(assembly: BodyAssembly): void {
    const at = this.#open.indexOf(assembly)
    if (at >= 0) this.#open.splice(at, 1)
  }

  clear(): void {
    this.#open.length = 0
  }
}
