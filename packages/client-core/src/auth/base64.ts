/** Base64 (RFC 4648, with padding): small values only, and no global that every platform lacks. */
import { BrokerError } from '@millrace/codec'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

export const encodeBase64 = (bytes: Uint8Array): string => {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const rest = bytes.length - at
    const group = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    text += ALPHABET[group >> 18]
    text += ALPHABET[(group >> 12) & 63]
    text += rest > 1 ? ALPHABET[(group >> 6) & 63] : '='
    text += rest > 2 ? ALPHABET[group & 63] : '='
  }
  return text
}

/** Throws ERR_MALFORMED_BODY. */
export const decodeBase64 = (text: string): Uint8Array => {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw new BrokerError('ERR_MALFORMED_BODY', ['a value of the login is not Base64'])
  }
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  for (let at = 0, target = 0; at < text.length; at += 4) {
    let group = 0
    for (let index = 0; index < 4; index++) {
      group = (group << 6) | Math.max(0, ALPHABET.indexOf(text[at + index] as string))
    }
    for (let shift = 16; shift >= 0 && target < bytes.length; shift -= 8) {
      bytes[target++] = (group >> shift) & 0xff
    }
  }
  return bytes
}
