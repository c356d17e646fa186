/**
 * UTF-8 over the platform's coder, with a fast path for what brokers carry most: short ASCII names.
 *
 * Decoding never throws (a bad sequence becomes U+FFFD) and keeps a leading byte order mark, because
 * a string that went in must come out. A protocol that has to refuse bad text asks {@link isUtf8}.
 */
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Up to this length, appending characters beats a call into the platform's coder. */
const SHORT_BYTES_MAX = 48

export const utf8Encode = (text: string): Uint8Array => encoder.encode(text)

export const utf8Decode = (bytes: Uint8Array): string => utf8DecodeRange(bytes, 0, bytes.length)

/** {@link utf8Decode} of a part, without a view when the text is short ASCII. */
export const utf8DecodeRange = (bytes: Uint8Array, start: number, end: number): string => {
  if (end - start <= SHORT_BYTES_MAX) {
    let text = ''
    let at = start
    while (at < end && bytes[at]! < 0x80) text += String.fromCharCode(bytes[at++]!)
    if (at === end) return text
  }
  return decoder.decode(bytes.subarray(start, end))
}

/** The bytes that {@link utf8Encode} would produce. A lone surrogate counts as U+FFFD: three. */
export const utf8Length = (text: string): number => {
  const units = text.length
  let bytes = units
  for (let index = 0; index < units; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) continue
    if (unit < 0x800) {
      bytes += 1
    } else {
      bytes += 2
      // A pair is four bytes for two units: the two just added cover it, so step over its tail.
      if ((unit & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00) index++
    }
  }
  return bytes
}

/** Writes `text` at `at` and returns the next position. The caller has made room for all of it. */
export const writeUtf8 = (target: Uint8Array, at: number, text: string): number => {
  const units = text.length
  if (units > SHORT_BYTES_MAX) return at + encoder.encodeInto(text, target.subarray(at)).written
  for (let index = 0; index < units; index++) {
    const unit = text.charCodeAt(index)
    if (unit >= 0x80) {
      const rest = encoder.encodeInto(text.slice(index), target.subarray(at + index))
      return at + index + rest.written
    }
    target[at + index] = unit
  }
  return at + units
}

const isContinuation = (byte: number | undefined): boolean =>
  byte !== undefined && (byte & 0xc0) === 0x80

/** Byte 1 decides what the lead byte leaves open (Unicode 16, table 3-7). */
const isSecondAllowed = (lead: number, second: number | undefined): boolean => {
  if (!isContinuation(second)) return false
  // Overlong forms, surrogates, overlong forms, more than U+10FFFF.
  if (lead === 0xe0) return second! > 0x9f
  if (lead === 0xed) return second! < 0xa0
  if (lead === 0xf0) return second! > 0x8f
  return lead !== 0xf4 || second! < 0x90
}

/** The length of the well-formed sequence at `at`, which is not ASCII, or 0. */
const sequenceLength = (bytes: Uint8Array, at: number): number => {
  const lead = bytes[at]!
  if (lead < 0xc2 || lead > 0xf4 || !isSecondAllowed(lead, bytes[at + 1])) return 0
  if (lead < 0xe0) return 2
  if (!isContinuation(bytes[at + 2])) return 0
  if (lead < 0xf0) return 3
  return isContinuation(bytes[at + 3]) ? 4 : 0
}

export const isUtf8 = (bytes: Uint8Array): boolean => {
  let at = 0
  while (at < bytes.length) {
    if (bytes[at]! < 0x80) {
      at++
      continue
    }
    const length = sequenceLength(bytes, at)
    if (length === 0) return false
    at += length
  }
  return true
}
