/**
 * Texts by their UTF-8 bytes: exchanges, queues and routing keys come again and again, and making a
 * string of each anew costs more than everything else that is done with it.
 *
 * One slot per hash, and a newer text takes the place of an older one: bounded, and a peer that looks
 * for collisions only makes its own lookups as slow as without the cache.
 */
import { BrokerError, isUtf8, utf8Decode } from '@millrace/codec'
import { NAME_KEPT_BYTES_MAX, NAMES_KEPT_COUNT } from '../limits.ts'

interface KeptName {
  readonly bytes: Uint8Array
  readonly text: string
}

export class NameCache {
  readonly #slots: (KeptName | undefined)[]
  readonly #mask: number

  /** `count` is a power of two. */
  constructor(count: number = NAMES_KEPT_COUNT) {
    this.#slots = new Array<KeptName | undefined>(count).fill(undefined)
    this.#mask = count - 1
  }

  /** The text of `bytes[from..to)`. Throws ERR_MALFORMED_BODY when it is not UTF-8. */
  text(bytes: Uint8Array, from: number, to: number): string {
    const length = to - from
    if (length === 0) return ''
    if (length > NAME_KEPT_BYTES_MAX) return decode(bytes.subarray(from, to))
    let hash = length
    for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0
    const slot = (hash ^ (hash >>> 15)) & this.#mask
    const kept = this.#slots[slot]
    if (kept !== undefined && isSame(kept.bytes, bytes, from, length)) return kept.text
    const own = bytes.slice(from, to)
    const text = decode(own)
    this.#slots[slot] = { bytes: own, text }
    return text
  }
}

const isSame = (kept: Uint8Array, bytes: Uint8Array, from: number, length: number): boolean => {
  if (kept.length !== length) return false
  for (let index = 0; index < length; index++) {
    if (kept[index] !== bytes[from + index]) return false
  }
  return true
}

const decode = (bytes: Uint8Array): string => {
  if (!isUtf8(bytes)) throw new BrokerError('ERR_MALFORMED_BODY', ['a text is not UTF-8'])
  return utf8Decode(bytes)
}
