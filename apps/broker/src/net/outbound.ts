/**
 * The bytes of one hand-over to the operating system: copies of small writes in slabs, large buffers
 * as they are, leases, which may be ranges of files. Filled, written, released, filled again.
 *
 * ```
 *   parts:  | slab A [0..312) | large buffer | lease part | lease part | slab A [312..400) |
 *                                                             growing tail of the slab ^
 * ```
 */
import type { FileRange, ReadLease } from '@millrace/core'
import { SLAB_BYTES } from '../limits.ts'
import type { SlabPool } from './slab-pool.ts'

export type OutboundPart = Uint8Array | FileRange

export class Outbound {
  readonly #pool: SlabPool
  readonly #parts: OutboundPart[]
  readonly #slabs: Uint8Array[]
  readonly #leases: ReadLease[]
  #slab: Uint8Array | undefined
  #slabFrom: number
  #slabTo: number
  #byteLength: number
  #heldBytes: number
  #hasRanges: boolean

  constructor(pool: SlabPool) {
    this.#pool = pool
    this.#parts = []
    this.#slabs = []
    this.#leases = []
    this.#slab = undefined
    this.#slabFrom = 0
    this.#slabTo = 0
    this.#byteLength = 0
    this.#heldBytes = 0
    this.#hasRanges = false
  }

  get byteLength(): number {
    return this.#byteLength
  }

  /** Those of them that are in memory. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  get hasRanges(): boolean {
    return this.#hasRanges
  }

  copy(bytes: Uint8Array): void {
    if (this.#slab === undefined || SLAB_BYTES - this.#slabTo < bytes.length) this.#nextSlab()
    this.#slab?.set(bytes, this.#slabTo)
    this.#slabTo += bytes.length
    this.#count(bytes.length)
  }

  append(bytes: Uint8Array): void {
    this.#seal()
    this.#parts.push(bytes)
    this.#count(bytes.length)
  }

  appendLease(lease: ReadLease): void {
    this.#seal()
    this.#leases.push(lease)
    if (lease.range !== undefined) {
      this.#parts.push(lease.range)
      this.#byteLength += lease.byteLength
      this.#hasRanges = true
      return
    }
    for (const part of lease.parts) this.#parts.push(part)
    this.#count(lease.byteLength)
  }

  /** The parts in order. Nothing is added from now on until they are released. */
  seal(): readonly OutboundPart[] {
    this.#seal()
    return this.#parts
  }

  release(): void {
    for (const slab of this.#slabs) this.#pool.give(slab)
    for (const lease of this.#leases) lease.release()
    this.#parts.length = 0
    this.#slabs.length = 0
    this.#leases.length = 0
    this.#slab = undefined
    this.#slabFrom = 0
    this.#slabTo = 0
    this.#byteLength = 0
    this.#heldBytes = 0
    this.#hasRanges = false
  }

  #count(bytes: number): void {
    this.#byteLength += bytes
    this.#heldBytes += bytes
  }

  #nextSlab(): void {
    this.#seal()
    this.#slab = this.#pool.take()
    this.#slabs.push(this.#slab)
    this.#slabFrom = 0
    this.#slabTo = 0
  }

  #seal(): void {
    if (this.#slab === undefined || this.#slabTo === this.#slabFrom) return
    this.#parts.push(this.#slab.subarray(this.#slabFrom, this.#slabTo))
    this.#slabFrom = this.#slabTo
  }
}
