/**
 * What every frame looks like:
 *
 * ```
 *    0      1         3              7                7+size
 *   +------+---------+--------------+------- … ------+-----+
 *   | type | channel | payload size | payload        | end |
 *   +------+---------+--------------+------- … ------+-----+
 * ```
 * All integers of AMQP are big endian. The negotiated `frame-max` counts a whole frame.
 */
export const FRAME_HEADER_BYTES = 7
export const FRAME_END_BYTES = 1
export const FRAME_OVERHEAD_BYTES: number = FRAME_HEADER_BYTES + FRAME_END_BYTES
export const FRAME_END = 0xce

export const FrameType = { METHOD: 1, HEADER: 2, BODY: 3, HEARTBEAT: 8 } as const
export type FrameType = (typeof FrameType)[keyof typeof FrameType]

/** What a client says first, and what it is told when it said something else. */
export const PROTOCOL_HEADER: Uint8Array = new Uint8Array([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1])

export const HEARTBEAT_FRAME: Uint8Array = new Uint8Array([8, 0, 0, 0, 0, 0, 0, FRAME_END])

/** Writes the seven bytes before a payload, and returns the position behind them. */
export const writeFrameHeader = (
  bytes: Uint8Array,
  at: number,
  type: FrameType,
  channel: number,
  payloadBytes: number,
): number => {
  bytes[at] = type
  bytes[at + 1] = channel >>> 8
  bytes[at + 2] = channel
  bytes[at + 3] = payloadBytes >>> 24
  bytes[at + 4] = payloadBytes >>> 16
  bytes[at + 5] = payloadBytes >>> 8
  bytes[at + 6] = payloadBytes
  return at + FRAME_HEADER_BYTES
}
