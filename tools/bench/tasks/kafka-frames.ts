/**
 * The few Kafka frames that a load without a client library needs, written from the protocol alone:
 * nothing here comes from the broker's own codec.
 *
 * Produce, version 7, one topic with one partition:
 * ```
 * | size | 0   | 7   | correlation | client id | -1  | acks | timeout | 1   | topic     | 1   | index | size | batch
 *   i32    i16   i16   i32           i16 + text  i16   i16    i32       i32   i16 + text  i32   i32     i32
 * ```
 * Its response:
 * ```
 * | size | correlation | 1   | topic     | 1   | index | error | base offset | time | log start | throttle |
 *   i32    i32           i32   i16 + text  i32   i32     i16     i64           i64    i64         i32
 * ```
 */
import { RecordBatchBuilder, writeInt32, writeUint16, writeUint32 } from '@millrace/codec'
import { payloadOf } from './payload.ts'

export const SIZE_BYTES = 4
/** In a request, behind size, API and version. */
export const REQUEST_CORRELATION_AT = 8
/** In a response. */
export const RESPONSE_CORRELATION_AT = 4

const PRODUCE_VERSION = 7
const TIMEOUT_MS = 30_000
const ACKS_ALL = 0xffff
const NO_TRANSACTION = 0xffff
const CLIENT_ID = 'bench'
/** Every byte of a request but the two texts and the batch. */
const REQUEST_FIXED_BYTES = 40
/** Every byte of a response in front of the error but the topic's name. */
const ERROR_AFTER_NAME_AT = 22

const encoder = new TextEncoder()

const writeText = (target: Uint8Array, at: number, text: Uint8Array): number => {
  writeUint16(target, at, text.length)
  target.set(text, at + 2)
  return at + 2 + text.length
}

const batchOfOne = (payloadBytes: number): Uint8Array => {
  const builder = new RecordBatchBuilder()
  builder.append({ timestamp: Date.now(), key: null, value: payloadOf(payloadBytes), headers: [] })
  return builder.build()
}

/** A whole frame for partition 0, a batch of one record; its correlation id is still to be written. */
export const produceFrameFor = (topic: string, payloadBytes: number): Uint8Array => {
  const [name, client] = [encoder.encode(topic), encoder.encode(CLIENT_ID)]
  const batch = batchOfOne(payloadBytes)
  const frame = new Uint8Array(REQUEST_FIXED_BYTES + client.length + name.length + batch.length)
  writeInt32(frame, 0, frame.length - SIZE_BYTES)
  writeUint16(frame, 6, PRODUCE_VERSION)
  let at = writeText(frame, 12, client)
  writeUint16(frame, at, NO_TRANSACTION)
  writeUint16(frame, at + 2, ACKS_ALL)
  writeInt32(frame, at + 4, TIMEOUT_MS)
  writeInt32(frame, at + 8, 1)
  at = writeText(frame, at + 12, name)
  writeInt32(frame, at, 1)
  writeInt32(frame, at + 4, 0)
  writeInt32(frame, at + 8, batch.length)
  frame.set(batch, at + 12)
  return frame
}

/** Where a response of `produceFrameFor` says whether it went well: 0, or the number of an error. */
export const errorPositionFor = (topic: string): number =>
  ERROR_AFTER_NAME_AT + encoder.encode(topic).length

/** What a broker would answer, all well; its correlation id is still to be written. */
export const produceAnswerFor = (topic: string): Uint8Array => {
  const name = encoder.encode(topic)
  const answer = new Uint8Array(errorPositionFor(topic) + 2 + 8 + 8 + 8 + 4)
  writeUint32(answer, 0, answer.length - SIZE_BYTES)
  writeUint32(answer, 8, 1)
  const at = writeText(answer, 12, name)
  writeUint32(answer, at, 1)
  return answer
}
