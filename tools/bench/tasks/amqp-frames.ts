/**
 * The few AMQP 0-9-1 frames that a load without a client library needs, written from the protocol
 * alone: nothing here comes from the broker's own codec.
 *
 * A frame, and the three that make a message:
 * ```
 * | type | channel | size | payload | 0xCE |
 *   u8     u16       u32    size      u8
 * method:  | class | method | arguments |            1
 *            u16     u16
 * header:  | class | 0   | body size | flags | ... | 2
 *            u16     u16   u64         u16
 * body:    | payload |                               3
 * ```
 */
import { readUint32, writeUint16, writeUint32 } from '@millrace/codec'

export const PROTOCOL_HEADER: Uint8Array = Uint8Array.of(0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1)
export const CHANNEL = 1
export const FRAME_BYTES_MAX = 131_072
/** Type, channel and size in front, the end's mark behind. */
export const FRAME_HEAD_BYTES = 7
export const FRAME_EXTRA_BYTES = 8
/** A whole basic.ack, in either direction. */
export const ACK_FRAME_BYTES = 21

export const frameTypes = { method: 1, header: 2, body: 3 } as const

/** Class and method as the two numbers stand in a frame. */
export const methods = {
  connectionStart: 0x000a_000a,
  connectionStartOk: 0x000a_000b,
  connectionTune: 0x000a_001e,
  connectionTuneOk: 0x000a_001f,
  connectionOpen: 0x000a_0028,
  connectionOpenOk: 0x000a_0029,
  connectionClose: 0x000a_0032,
  connectionCloseOk: 0x000a_0033,
  channelOpen: 0x0014_000a,
  channelOpenOk: 0x0014_000b,
  channelClose: 0x0014_0028,
  exchangeDeclare: 0x0028_000a,
  exchangeDeclareOk: 0x0028_000b,
  exchangeDelete: 0x0028_0014,
  exchangeDeleteOk: 0x0028_0015,
  queueDeclare: 0x0032_000a,
  queueDeclareOk: 0x0032_000b,
  queueBind: 0x0032_0014,
  queueBindOk: 0x0032_0015,
  queueDelete: 0x0032_0028,
  queueDeleteOk: 0x0032_0029,
  basicQos: 0x003c_000a,
  basicQosOk: 0x003c_000b,
  basicConsume: 0x003c_0014,
  basicConsumeOk: 0x003c_0015,
  basicPublish: 0x003c_0028,
  basicDeliver: 0x003c_003c,
  basicAck: 0x003c_0050,
  basicNack: 0x003c_0078,
  confirmSelect: 0x0055_000a,
  confirmSelectOk: 0x0055_000b,
} as const

export type Method = (typeof methods)[keyof typeof methods]

const FRAME_END = 0xce
const BASIC_CLASS = 60
const DELIVERY_MODE_FLAG = 0x1000
const PERSISTENT = 2
const TWO_TO_32 = 2 ** 32
/** Of a confirm and of an acknowledgement: everything up to this tag. */
const MULTIPLE = 1

const encoder = new TextEncoder()

export const uint8 = (value: number): Uint8Array => Uint8Array.of(value)

export const uint16 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(2)
  writeUint16(bytes, 0, value)
  return bytes
}

export const uint32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  writeUint32(bytes, 0, value)
  return bytes
}

export const uint64 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8)
  writeTag(bytes, 0, value)
  return bytes
}

export const shortText = (text: string): Uint8Array => {
  const bytes = encoder.encode(text)
  return Buffer.concat([uint8(bytes.length), bytes])
}

export const longBytes = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat([uint32(bytes.length), bytes])

export const EMPTY_TABLE: Uint8Array = uint32(0)

export const writeTag = (target: Uint8Array, at: number, tag: number): void => {
  writeUint32(target, at, Math.floor(tag / TWO_TO_32))
  writeUint32(target, at + 4, tag % TWO_TO_32)
}

export const readTag = (bytes: Uint8Array, at: number): number =>
  readUint32(bytes, at) * TWO_TO_32 + readUint32(bytes, at + 4)

const frame = (type: number, channel: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const payload = Buffer.concat(parts)
  return Buffer.concat([
    uint8(type),
    uint16(channel),
    uint32(payload.length),
    payload,
    uint8(FRAME_END),
  ])
}

export const methodFrame = (
  method: Method,
  parts: readonly Uint8Array[],
  channel = CHANNEL,
): Uint8Array => frame(frameTypes.method, channel, uint32(method), ...parts)

export interface Content {
  readonly payload: Uint8Array
  readonly isPersistent: boolean
}

/** Header and body of a message that fits into one frame. */
export const contentFrames = ({ payload, isPersistent }: Content): Uint8Array => {
  const flags = uint16(isPersistent ? DELIVERY_MODE_FLAG : 0)
  const properties = isPersistent ? uint8(PERSISTENT) : new Uint8Array(0)
  const fixed = [uint16(BASIC_CLASS), uint16(0), uint64(payload.length), flags]
  const header = frame(frameTypes.header, CHANNEL, ...fixed, properties)
  return Buffer.concat([header, frame(frameTypes.body, CHANNEL, payload)])
}

/** All three frames of a basic.publish. */
export const publishFrames = (
  exchange: string,
  routingKey: string,
  content: Content,
): Uint8Array => {
  const place = [uint16(0), shortText(exchange), shortText(routingKey), uint8(0)]
  return Buffer.concat([methodFrame(methods.basicPublish, place), contentFrames(content)])
}

/** A basic.ack for everything up to `tag`, into bytes that have room for it. */
export const writeAckUpTo = (target: Uint8Array, at: number, tag: number): void => {
  target[at] = frameTypes.method
  writeUint16(target, at + 1, CHANNEL)
  writeUint32(target, at + 3, ACK_FRAME_BYTES - FRAME_EXTRA_BYTES)
  writeUint32(target, at + 7, methods.basicAck)
  writeTag(target, at + 11, tag)
  target[at + 19] = MULTIPLE
  target[at + 20] = FRAME_END
}

/** Of a basic.ack or basic.nack that begins at `at`. */
export const ackTag = (bytes: Uint8Array, at: number): number => readTag(bytes, at + 11)
export const isAckMultiple = (bytes: Uint8Array, at: number): boolean =>
  ((bytes[at + 19] ?? 0) & MULTIPLE) !== 0

/** Of a basic.deliver that begins at `at`: behind the consumer's tag. */
export const deliveryTag = (bytes: Uint8Array, at: number): number =>
  readTag(bytes, at + 12 + (bytes[at + 11] ?? 0))

/** Of a content header that begins at `at`. */
export const bodyBytes = (bytes: Uint8Array, at: number): number => readTag(bytes, at + 11)
