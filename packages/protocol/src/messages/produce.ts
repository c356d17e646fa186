/**
 * PRODUCE: one record batch for one partition. The answer is PRODUCED, ERROR, or nothing.
 *
 * ```
 * 0        4           8            9          12
 * | handle | partition | durability | zeros    | record batch v2 …
 *   u32      u32         u8           3 bytes
 * ```
 * The zeros are ignored when received. The batch's base offset and leader epoch are ignored too.
 */
import { BrokerError, readUint32, writeUint32 } from '@millrace/codec'
import { checkHead } from './binary-body.ts'

export const PRODUCE_HEAD_BYTES = 12

/** What a producer waits for. */
export const WantedDurability = {
  /** Whatever the topic's setting is. */
  TOPIC: 0,
  /** Answer without waiting for a sync. */
  MEMORY: 1,
  /** No answer at all, not even an error: at most once. */
  NO_ANSWER: 255,
} as const

export type WantedDurability = (typeof WantedDurability)[keyof typeof WantedDurability]

export interface ProduceHead {
  handle: number
  partition: number
  durability: WantedDurability
}

export interface Produce extends Readonly<ProduceHead> {
  readonly batch: Uint8Array
}

export const createProduceHead = (): ProduceHead => ({ handle: 0, partition: 0, durability: 0 })

export const writeProduceHead = (
  target: Uint8Array,
  at: number,
  handle: number,
  partition: number,
  durability: WantedDurability,
): void => {
  writeUint32(target, at, handle)
  writeUint32(target, at + 4, partition)
  target[at + 8] = durability
  target[at + 9] = 0
  target[at + 10] = 0
  target[at + 11] = 0
}

const checkDurability = (value: number): WantedDurability => {
  if (value === 0 || value === 1 || value === 255) return value
  throw new BrokerError('ERR_UNSUPPORTED_DURABILITY', [value, 'ask for 0, 1 or 255'])
}

/** Fills and returns `out`. The batch is `body.subarray(PRODUCE_HEAD_BYTES)`, not looked at here. */
export const decodeProduceHead = (body: Uint8Array, out: ProduceHead): ProduceHead => {
  checkHead(body, PRODUCE_HEAD_BYTES, 'PRODUCE')
  out.handle = readUint32(body, 0)
  out.partition = readUint32(body, 4)
  out.durability = checkDurability(body[8] as number)
  return out
}

export const encodeProduce = (produce: Produce): Uint8Array => {
  const body = new Uint8Array(PRODUCE_HEAD_BYTES + produce.batch.length)
  writeProduceHead(body, 0, produce.handle, produce.partition, produce.durability)
  body.set(produce.batch, PRODUCE_HEAD_BYTES)
  return body
}

/** `batch` is a view of the body. */
export const decodeProduce = (body: Uint8Array): Produce => ({
  ...decodeProduceHead(body, createProduceHead()),
  batch: body.subarray(PRODUCE_HEAD_BYTES),
})
