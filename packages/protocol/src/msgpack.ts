/**
 * Control bodies: one MessagePack map each. Plain data only: no records, no ext types, no classes.
 *
 * Invariant: nothing reaches msgpackr that `checkControl` has not walked, so its leniency and its
 * extensions are out of reach of a peer.
 */
import { BrokerError } from '@millrace/codec'
import { Packr, Unpackr } from 'msgpackr'
import { checkControl } from './control-check.ts'
import { CONTROL_BODY_BYTES_MAX, CONTROL_DEPTH_MAX, INT32_MAX } from './limits.ts'

export type ControlMap = Record<string, unknown>

// Without records and structures neither keeps state between calls.
const packr = new Packr({ useRecords: false, variableMapSize: true, moreTypes: false })
/** Byte strings are copied out: a body is borrowed, and a handshake thinks about its bytes longer. */
const unpackr = new Unpackr({
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: 'number',
  copyBuffers: true,
})

/** Small integers go out as they are; msgpackr would write larger ones as floats. */
const plainNumber = (value: number): number | bigint =>
  Number.isSafeInteger(value) && Math.abs(value) > INT32_MAX ? BigInt(value) : value

const plainList = (value: readonly unknown[], depth: number): unknown[] =>
  value.map((item) => plainValue(item, depth + 1) ?? null)

const plainMap = (value: object, depth: number): ControlMap => {
  const plain: ControlMap = {}
  for (const [key, field] of Object.entries(value)) {
    if (key === '__proto__') throw new BrokerError('ERR_INVALID_ARGUMENT', [key, 'it is reserved'])
    if (field !== undefined) plain[key] = plainValue(field, depth + 1)
  }
  return plain
}

const plainValue = (value: unknown, depth: number): unknown => {
  if (typeof value === 'number') return plainNumber(value)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (depth > CONTROL_DEPTH_MAX) {
    throw new BrokerError('ERR_MALFORMED_BODY', [`it nests deeper than ${CONTROL_DEPTH_MAX}`])
  }
  return Array.isArray(value) ? plainList(value, depth) : plainMap(value, depth)
}

/** Keys whose value is `undefined` are left out. */
export const encodeControl = (
  value: object,
  bytesMax: number = CONTROL_BODY_BYTES_MAX,
): Uint8Array => {
  const packed = packr.pack(plainMap(value, 1)) as Uint8Array
  if (packed.length > bytesMax) {
    throw new BrokerError('ERR_BODY_TOO_LARGE', [packed.length, bytesMax])
  }
  // msgpackr hands out a view of a larger slab.
  return new Uint8Array(packed)
}

/** Throws ERR_MALFORMED_BODY unless the bytes are exactly one well-formed map within the limits. */
export const decodeControl = (
  bytes: Uint8Array,
  bytesMax: number = CONTROL_BODY_BYTES_MAX,
): ControlMap => {
  checkControl(bytes, bytesMax)
  return unpackr.unpack(bytes) as ControlMap
}
