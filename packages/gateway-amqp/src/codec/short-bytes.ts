/** Bytes at hand: memory that is not filled with zeros first, copies of few bytes, short texts. */

/** Up to this length a loop is cheaper than the call into the platform that more is worth. */
const SHORT_BYTES_MAX = 40

const encoder = new TextEncoder()

/** A plain array, whose `slice` is a copy. */
export const allocateUnsafe = (bytes: number): Uint8Array =>
  new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)

export const copyBytes = (target: Uint8Array, at: number, source: Uint8Array): void => {
  const { length } = source
  if (length > SHORT_BYTES_MAX) {
    target.set(source, at)
    return
  }
  for (let index = 0; index < length; index++) target[at + index] = source[index] as number
}

/** The bytes that `writeShortText` takes, its length octet included. */
export const shortTextBytes = (text: string): number => {
  const units = text.length
  for (let index = 0; index < units; index++) {
    if (text.charCodeAt(index) >= 0x80) return 1 + Buffer.byteLength(text)
  }
  return 1 + units
}

/** A text of at most 255 bytes with its length in front; `bytes` is what `shortTextBytes` said. */
export const writeShortText = (
  target: Uint8Array,
  at: number,
  text: string,
  bytes: number,
): number => {
  target[at] = bytes - 1
  if (bytes - 1 !== text.length) encoder.encodeInto(text, target.subarray(at + 1, at + bytes))
  else
    for (let index = 0; index < text.length; index++)
      target[at + 1 + index] = text.charCodeAt(index)
  return at + bytes
}
