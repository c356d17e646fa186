/**
 * Real input: the lines of `apt-cache dumpavail`, about 1.17 million, which describe every package of
 * the distribution. Held as one buffer with the places of the lines, because a million small buffers
 * would cost more than the text.
 */
import { spawnSync } from 'node:child_process'
import { partitionForKey } from '@millrace/codec'

const DUMP_BYTES_MAX = 1024 * 1024 * 1024
const LINES_COUNT_MIN = 100_000
const LF = 0x0a
const TAB = 0x09

const NO_LISTS =
  'apt-cache dumpavail lists no packages: the package lists of this machine are empty. ' +
  'Run `apt-get update` as root, then the tests again.'

const dump = (): Buffer => {
  const { stdout } = spawnSync('apt-cache', ['dumpavail'], { maxBuffer: DUMP_BYTES_MAX })
  return (stdout as Buffer | null) ?? Buffer.alloc(0)
}

/** The documented step of an installation; only root may take it. */
const update = (): void => {
  if (process.getuid?.() !== 0) return
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  spawnSync('apt-get', ['-q', '-y', 'update'], { env, stdio: 'ignore' })
}

const countLines = (text: Buffer): number => {
  let count = 0
  for (let at = text.indexOf(LF); at >= 0; at = text.indexOf(LF, at + 1)) count++
  return count
}

export class PackageLines {
  /** Every line with its LF. */
  readonly text: Buffer
  readonly count: number
  readonly #starts: Uint32Array

  constructor(text: Buffer) {
    this.text = text
    this.count = countLines(text)
    this.#starts = new Uint32Array(this.count + 1)
    let at = 0
    for (let index = 0; index < this.count; index++) {
      this.#starts[index] = at
      at = text.indexOf(LF, at) + 1
    }
    this.#starts[this.count] = at
  }

  /** Where a line begins in the text. */
  start(index: number): number {
    return this.#starts[index] as number
  }

  /** The line without its LF, counted on round the end of the text. */
  line(index: number): Buffer {
    const at = index % this.count
    return this.text.subarray(this.start(at), this.start(at + 1) - 1)
  }
}

/** Fails with what to do when the machine has no package lists. */
export const readPackageLines = (): PackageLines => {
  let text = dump()
  if (text.length === 0) {
    update()
    text = dump()
  }
  // The last line may lack its LF; the lines are what is moved, so it gets one.
  if (text.length > 0 && text[text.length - 1] !== LF) text = Buffer.concat([text, Buffer.of(LF)])
  const lines = new PackageLines(text)
  if (lines.count < LINES_COUNT_MIN) throw new Error(NO_LISTS)
  return lines
}

const PACKAGE = Buffer.from('Package: ')

/** The name of the package that each line belongs to: a key with real frequencies. */
export class PackageKeys {
  readonly #lines: PackageLines
  /** For each line the number of the line that names its package. */
  readonly #nameLines: Uint32Array

  constructor(lines: PackageLines) {
    this.#lines = lines
    this.#nameLines = new Uint32Array(lines.count)
    let current = 0
    for (let index = 0; index < lines.count; index++) {
      const at = lines.start(index)
      if (lines.text.subarray(at, at + PACKAGE.length).equals(PACKAGE)) current = index
      this.#nameLines[index] = current
    }
  }

  key(index: number): Buffer {
    const nameLine = this.#nameLines[index % this.#lines.count] as number
    return this.#lines.line(nameLine).subarray(PACKAGE.length)
  }

  /** For each line its partition of so many, by the rule of docs/protocol.md section 13. */
  partitions(partitionCount: number): Uint8Array {
    const partitions = new Uint8Array(this.#lines.count)
    for (let index = 0; index < partitions.length; index++) {
      const isSame = index > 0 && this.#nameLines[index] === this.#nameLines[index - 1]
      partitions[index] = isSame
        ? (partitions[index - 1] as number)
        : partitionForKey(this.key(index), partitionCount)
    }
    return partitions
  }

  /** `key TAB line LF` for every line, as `millrace pub --lines --key-separator` takes it. */
  keyedText(): Buffer {
    const { count, text } = this.#lines
    let bytes = text.length
    for (let index = 0; index < count; index++) bytes += this.key(index).length + 1
    const keyed = Buffer.allocUnsafe(bytes)
    let at = 0
    for (let index = 0; index < count; index++) {
      const key = this.key(index)
      at += key.copy(keyed, at)
      keyed[at++] = TAB
      at += text.copy(keyed, at, this.#lines.start(index), this.#lines.start(index + 1))
    }
    return keyed
  }
}

/** The lines of one partition, in order, each with its LF. */
export const textOfPartition = (
  lines: PackageLines,
  partitions: Uint8Array,
  partition: number,
): Buffer => {
  const parts: Buffer[] = []
  for (let index = 0; index < lines.count; index++) {
    if (partitions[index] === partition)
      parts.push(lines.text.subarray(lines.start(index), lines.start(index + 1)))
  }
  return Buffer.concat(parts)
}
