/**
 * Walks the bytes of a control body before anything is built from them. Not a decoder: it allocates
 * nothing and knows no field.
 *
 * Threats answered here: an array or map header that promises four billion elements; nesting that
 * exhausts the stack; ext types, which decoders turn into live objects; keys that are not strings;
 * `__proto__`; integers a double cannot hold; text that is not UTF-8; bytes after the end.
 */
import { BrokerError, isUtf8, readUint16, readUint32 } from '@millrace/codec'
import { CONTROL_DEPTH_MAX } from './limits.ts'

const malformed = (text: string): BrokerError => new BrokerError('ERR_MALFORMED_BODY', [text])

/** Throws ERR_MALFORMED_BODY unless the bytes are exactly one map that is safe to decode. */
export const checkControl = (bytes: Uint8Array, bytesMax: number): void => {
  if (bytes.length > bytesMax) {
    throw malformed(`${bytes.length} bytes of MessagePack exceed the limit of ${bytesMax}`)
  }
  const first = bytes[0]
  if (first === undefined) throw malformed('a map was expected, and there are no bytes')
  if ((first & 0xf0) !== 0x80 && first !== 0xde && first !== 0xdf) {
    throw malformed('a map was expected')
  }
  const end = walkValue(bytes, 0, 1)
  if (end !== bytes.length) throw malformed(`${bytes.length - end} bytes follow the map`)
}

/** The position after the value at `at`. */
const walkValue = (bytes: Uint8Array, at: number, depth: number): number => {
  const type = byteAt(bytes, at)
  if (type < 0x80 || type >= 0xe0) return at + 1
  if (type < 0x90) return walkMap(bytes, at + 1, type & 0x0f, depth)
  if (type < 0xa0) return walkArray(bytes, at + 1, type & 0x0f, depth)
  if (type < 0xc0) return walkText(bytes, at + 1, type & 0x1f)
  return walkTyped(bytes, at, type, depth)
}

const walkTyped = (bytes: Uint8Array, at: number, type: number, depth: number): number => {
  const sizeBytes = SIZE_BYTES[type - 0xc0] as number
  if (sizeBytes < 0) throw malformed(`MessagePack type 0x${type.toString(16)} is not allowed`)
  const bodyAt = skip(bytes, at + 1, sizeBytes)
  if (type === 0xcf || type === 0xd3) checkInt64(bytes, at + 1, type === 0xd3)
  if (type < 0xc4 || (type >= 0xca && type <= 0xd3)) return bodyAt
  const size = readSize(bytes, at + 1, sizeBytes)
  if (type <= 0xc6) return skip(bytes, bodyAt, size)
  if (type <= 0xdb) return walkText(bytes, bodyAt, size)
  if (type <= 0xdd) return walkArray(bytes, bodyAt, size, depth)
  return walkMap(bytes, bodyAt, size, depth)
}

/** Bytes after the type byte for 0xc0 to 0xdf: a fixed value, or a size. -1: refused. */
const SIZE_BYTES: readonly number[] = [
  // nil, (never used), false, true, bin8, bin16, bin32, ext8, ext16, ext32
  0, -1, 0, 0, 1, 2, 4, -1, -1, -1,
  // float32, float64, uint8, uint16, uint32, uint64, int8, int16, int32, int64
  4, 8, 1, 2, 4, 8, 1, 2, 4, 8,
  // fixext1, 2, 4, 8, 16, str8, str16, str32, array16, array32, map16, map32
  -1, -1, -1, -1, -1, 1, 2, 4, 2, 4, 2, 4,
]

const readSize = (bytes: Uint8Array, at: number, sizeBytes: number): number => {
  if (sizeBytes === 1) return bytes[at] as number
  return sizeBytes === 2 ? readUint16(bytes, at) : readUint32(bytes, at)
}

const byteAt = (bytes: Uint8Array, at: number): number => {
  const byte = bytes[at]
  if (byte === undefined) throw malformed('it ends inside a value')
  return byte
}

const skip = (bytes: Uint8Array, at: number, count: number): number => {
  if (count > bytes.length - at) throw malformed('it ends inside a value')
  return at + count
}

/** Beyond 2^53 - 1 two integers become one, so they are refused rather than rounded. */
const checkInt64 = (bytes: Uint8Array, at: number, isSigned: boolean): void => {
  const high = readUint32(bytes, at)
  if (high <= 0x001f_ffff) return
  const low = readUint32(bytes, at + 4)
  // -(2^53 - 1) and up: high is 0xffe00000 with low > 0, or above.
  if (isSigned && (high > 0xffe0_0000 || (high === 0xffe0_0000 && low > 0))) return
  throw malformed('an integer is beyond 2^53 - 1')
}

const walkArray = (bytes: Uint8Array, at: number, count: number, depth: number): number => {
  checkDepth(depth)
  if (count > bytes.length - at)
    throw malformed('an array promises more elements than there are bytes')
  let next = at
  for (let index = 0; index < count; index++) next = walkValue(bytes, next, depth + 1)
  return next
}

const walkMap = (bytes: Uint8Array, at: number, count: number, depth: number): number => {
  checkDepth(depth)
  if (count * 2 > bytes.length - at)
    throw malformed('a map promises more entries than there are bytes')
  let next = at
  for (let index = 0; index < count; index++) {
    next = walkValue(bytes, walkKey(bytes, next), depth + 1)
  }
  return next
}

const checkDepth = (depth: number): void => {
  if (depth > CONTROL_DEPTH_MAX) throw malformed(`it nests deeper than ${CONTROL_DEPTH_MAX}`)
}

const walkKey = (bytes: Uint8Array, at: number): number => {
  const type = byteAt(bytes, at)
  const isShort = (type & 0xe0) === 0xa0
  if (!isShort && (type < 0xd9 || type > 0xdb)) throw malformed('a map key is not a string')
  const textAt = at + 1 + (isShort ? 0 : (SIZE_BYTES[type - 0xc0] as number))
  const end = walkValue(bytes, at, 1)
  if (isProto(bytes, textAt, end)) throw malformed("the key '__proto__' is not allowed")
  return end
}

const PROTO: readonly number[] = [0x5f, 0x5f, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x5f, 0x5f]

const isProto = (bytes: Uint8Array, at: number, end: number): boolean =>
  end - at === PROTO.length && PROTO.every((byte, index) => bytes[at + index] === byte)

/** A lenient decoder would turn two different broken names into the same one. */
const walkText = (bytes: Uint8Array, at: number, size: number): number => {
  const end = skip(bytes, at, size)
  if (!isUtf8(bytes.subarray(at, end))) throw malformed('a string is not UTF-8')
  return end
}
