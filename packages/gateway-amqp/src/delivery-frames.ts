/**
 * The two methods that hand out messages, written by hand: one of them goes with every delivery.
 *
 * ```
 *   deliver | 60 | 60 | consumer tag s | delivery tag u64 | redelivered | exchange s | routing key s |
 *   get-ok  | 60 | 71 | delivery tag u64 | redelivered | exchange s | routing key s | count u32 |
 * ```
 */
import { writeUint16, writeUint32, writeUint64 } from '@millrace/codec'
import { FrameType } from './codec/frame.ts'
import { copyBytes, shortTextBytes, writeShortText } from './codec/short-bytes.ts'
import type { FrameOutput } from './frame-output.ts'

const BASIC_CLASS = 60
const DELIVER_METHOD = 60
const GET_OK_METHOD = 71
const IDS_BYTES = 4
const TAG_BYTES = 8
const COUNT_BYTES = 4

export interface HandedOut {
  readonly exchange: string
  readonly routingKey: string
}

/** `consumerTag` with its length in front. */
export const writeDeliver = (
  output: FrameOutput,
  channel: number,
  consumerTag: Uint8Array,
  tag: number,
  isRedelivered: boolean,
  { exchange, routingKey }: HandedOut,
): void => {
  const exchangeBytes = shortTextBytes(exchange)
  const keyBytes = shortTextBytes(routingKey)
  const bytes = IDS_BYTES + consumerTag.length + TAG_BYTES + 1 + exchangeBytes + keyBytes
  let at = output.begin(FrameType.METHOD, channel, bytes)
  const { slab } = output
  writeUint16(slab, at, BASIC_CLASS)
  writeUint16(slab, at + 2, DELIVER_METHOD)
  copyBytes(slab, at + IDS_BYTES, consumerTag)
  at += IDS_BYTES + consumerTag.length
  writeUint64(slab, at, tag)
  slab[at + TAG_BYTES] = isRedelivered ? 1 : 0
  at = writeShortText(slab, at + TAG_BYTES + 1, exchange, exchangeBytes)
  output.end(writeShortText(slab, at, routingKey, keyBytes))
}

export const writeGetOk = (
  output: FrameOutput,
  channel: number,
  tag: number,
  isRedelivered: boolean,
  { exchange, routingKey }: HandedOut,
  readyCount: number,
): void => {
  const exchangeBytes = shortTextBytes(exchange)
  const keyBytes = shortTextBytes(routingKey)
  const bytes = IDS_BYTES + TAG_BYTES + 1 + exchangeBytes + keyBytes + COUNT_BYTES
  let at = output.begin(FrameType.METHOD, channel, bytes)
  const { slab } = output
  writeUint16(slab, at, BASIC_CLASS)
  writeUint16(slab, at + 2, GET_OK_METHOD)
  writeUint64(slab, at + IDS_BYTES, tag)
  slab[at + IDS_BYTES + TAG_BYTES] = isRedelivered ? 1 : 0
  at = writeShortText(slab, at + IDS_BYTES + TAG_BYTES + 1, exchange, exchangeBytes)
  at = writeShortText(slab, at, routingKey, keyBytes)
  writeUint32(slab, at, readyCount)
  output.end(at + COUNT_BYTES)
}
