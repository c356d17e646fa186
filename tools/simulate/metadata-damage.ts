/**
 * Damage to the definitions: the snapshot, the segments of log 0, and `meta.json`. And whether an
 * intact copy of everything is left, which decides what must be there afterwards.
 *
 * A definition stands in the snapshot as of an offset of log 0, and in log 0. What the snapshot has
 * may be damaged in the log, and while nothing of the log is damaged the snapshot may be. Both
 * together take definitions with them. `meta.json` has one copy: a broker that cannot read it must
 * refuse the directory by name and change nothing, so that a person who mends it finds all there.
 */
import { batchBaseOffset, crc32c, readUint32, scanBatch } from '@millrace/codec'
import type { SeededRandom, SimulatedDisk } from '@millrace/testing'
import { DATA_DIRECTORY } from './names.ts'

const IDENTITY = `${DATA_DIRECTORY}/meta.json`
const SNAPSHOT = `${DATA_DIRECTORY}/metadata.snapshot`
const PRODUCERS = `${DATA_DIRECTORY}/producers.snapshot`
const SEGMENT_OF_DEFINITIONS = /\/logs\/0\/\d{20}\.log$/

/** `[position, length]` of the batches in a file, up to the first thing that is none. */
const batchPlaces = (bytes: Uint8Array): (readonly [number, number])[] => {
  const places: (readonly [number, number])[] = []
  for (let at = 0; at < bytes.length;) {
    const length = scanBatch(bytes, at, bytes.length)
    if (length <= 0 || at + length > bytes.length) break
    places.push([at, length])
    at += length
  }
  return places
}

export class MetadataDamage {
  readonly #disk: SimulatedDisk
  /** Base offsets of damaged batches of log 0. */
  readonly #damagedOffsets: number[] = []
  #identityBit: number | undefined
  /** No intact copy is left of some definition: any may be gone from now on. */
  isLost = false
  wereProducersDamaged = false

  constructor(disk: SimulatedDisk) {
    this.#disk = disk
  }

  get isIdentityDamaged(): boolean {
    return this.#identityBit !== undefined
  }

  /** Flips a bit of `meta.json`. False when there is none, or it is damaged already. */
  damageIdentity(random: SeededRandom): boolean {
    const byteLength = this.#lengthOf(IDENTITY)
    if (byteLength === 0 || this.#identityBit !== undefined) return false
    this.#identityBit = random.below(8 * byteLength)
    this.#disk.flipBit(IDENTITY, this.#identityBit)
    return true
  }

  /** A person puts `meta.json` right. */
  mendIdentity(): void {
    if (this.#identityBit === undefined) return
    this.#disk.flipBit(IDENTITY, this.#identityBit)
    this.#identityBit = undefined
  }

  /** Flips a bit of the snapshot. False when there is none. */
  damageSnapshot(random: SeededRandom): boolean {
    const byteLength = this.#lengthOf(SNAPSHOT)
    if (byteLength === 0) return false
    this.#disk.flipBit(SNAPSHOT, random.below(8 * byteLength))
    this.#judge()
    return true
  }

  /** Flips a bit of what is kept of idempotent producers: the batches in the segments tell as much. */
  damageProducers(random: SeededRandom): boolean {
    const byteLength = this.#lengthOf(PRODUCERS)
    if (byteLength === 0) return false
    this.wereProducersDamaged = true
    this.#disk.flipBit(PRODUCERS, random.below(8 * byteLength))
    return true
  }

  /** Flips any bit of a batch of log 0, its header included. False when there is no batch. */
  damageLog(random: SeededRandom): boolean {
    const paths = this.#disk.files().filter((path) => SEGMENT_OF_DEFINITIONS.test(path))
    if (paths.length === 0) return false
    const path = random.pick(paths)
    const bytes = this.#disk.contentOf(path)
    const places = batchPlaces(bytes)
    if (places.length === 0) return false
    const [at, length] = random.pick(places)
    this.#damagedOffsets.push(batchBaseOffset(bytes, at))
    this.#disk.flipBit(path, 8 * at + random.below(8 * length))
    this.#judge()
    return true
  }

  #judge(): void {
    if (this.#damagedOffsets.length === 0) return
    if (this.#snapshotOffset() <= Math.max(...this.#damagedOffsets)) this.isLost = true
  }

  /** The snapshot holds what is below it; -1 when it cannot be read. */
  #snapshotOffset(): number {
    if (this.#lengthOf(SNAPSHOT) < 4) return -1
    const bytes = this.#disk.contentOf(SNAPSHOT)
    const json = bytes.subarray(4)
    if (readUint32(bytes, 0) !== crc32c(json)) return -1
    return (JSON.parse(Buffer.from(json).toString()) as { offset: number }).offset
  }

  #lengthOf(path: string): number {
    return this.#disk.find(path)?.kind === 'file' ? this.#disk.contentOf(path).length : 0
  }
}
