/**
 * The frame header and nothing else.
 *
 * ```
 * 0        4      5      6        8              12
 * | length | op   | flags| channel| correlation  | body …
 *   u32      u8     u8     u16      u32
 * ```
 * All integers big endian. `length` counts what follows it: 8 + body bytes.
 */
import { readUint16, readUint32, writeUint16, writeUint32 } from '@millrace/codec'

export const FRAME_HEADER_BYTES = 12
export const FRAME_LENGTH_BYTES = 4
/** The lowest legal value of the length field: a header without a body. */
export const FRAME_LENGTH_MIN: number = FRAME_HEADER_BYTES - FRAME_LENGTH_BYTES

/** The body goes on in the next frame of the same (opcode, channel, correlation). */
export const FLAG_MORE = 0x01

export const writeFrameHeader = (
  target: Uint8Array,
  at: number,
  bodyBytes: number,
  opcode: number,
  flags: number,
  channel: number,
  correlation: number,
): void => {
  writeUint32(target, at, FRAME_LENGTH_MIN + bodyBytes)
  target[at + 4] = opcode
  target[at + 5] = flags
  writeUint16(target, at + 6, channel)
  writeUint32(target, at + 8, correlation)
}

export const frameLength = (bytes: Uint8Array, at: number): number => readUint32(bytes, at)
export const frameOpcode = (bytes: Uint8Array, at: number): number => bytes[at + 4] as number
export const frameFlags = (bytes: Uint8Array, at: number): number => bytes[at + 5] as number
export const frameChannel = (bytes: Uint8Array, at: number): number => readUint16(bytes, at + 6)
export const frameCorrelation = (bytes: Uint8Array, at: number): number => readUint32(bytes, at + 8)
