/**
 * PRODUCED: where the batch went, and how safe it is.
 *
 * ```
 * 0             8             16                 24            28           29      32
 * | base offset | next offset | append timestamp | leader epoch| durability | zeros |
 *   u64           u64           i64 ms             u32           u8           3 bytes
 * ```
 * The append timestamp is -1 when the topic keeps the producer's timestamps.
 */
import { BrokerError, readUint32, writeInt64, writeUint32, writeUint64 } from '@millrace/codec'
import { checkHead, readOffset, readTimestamp } from './binary-body.ts'

export const PRODUCED_BYTES = 32

export const ReachedDurability = { MEMORY: 1, PERSISTED: 2, REPLICATED: 3 } as const
export type ReachedDurability = (typeof ReachedDurability)[keyof typeof ReachedDurability]

export interface Produced {
  baseOffset: number
  /** Base offset plus the number of records. */
  nextOffset: number
  timestampMs: number
  leaderEpoch: number
  durability: ReachedDurability
}

export const createProduced = (): Produced => ({
  baseOffset: 0,
  nextOffset: 0,
  timestampMs: -1,
  leaderEpoch: 0,
  durability: ReachedDurability.MEMORY,
})

export const writeProduced = (
  target: Uint8Array,
  at: number,
  baseOffset: number,
  nextOffset: number,
  timestampMs: number,
  leaderEpoch: number,
  durability: ReachedDurability,
): void => {
  writeUint64(target, at, baseOffset)
  writeUint64(target, at + 8, nextOffset)
  writeInt64(target, at + 16, timestampMs)
  writeUint32(target, at + 24, leaderEpoch)
  target[at + 28] = durability
  target[at + 29] = 0
  target[at + 30] = 0
  target[at + 31] = 0
}

const checkDurability = (value: number): ReachedDurability => {
  if (value === 1 || value === 2 || value === 3) return value
  throw new BrokerError('ERR_MALFORMED_BODY', [`durability ${value} is not known`])
}

/** Fills and returns `out`. */
export const decodeProduced = (body: Uint8Array, out: Produced = createProduced()): Produced => {
  checkHead(body, PRODUCED_BYTES, 'PRODUCED')
  out.baseOffset = readOffset(body, 0, 'base offset')
  out.nextOffset = readOffset(body, 8, 'next offset')
  out.timestampMs = readTimestamp(body, 16, 'append timestamp')
  out.leaderEpoch = readUint32(body, 24)
  out.durability = checkDurability(body[28] as number)
  return out
}

export const encodeProduced = (produced: Readonly<Produced>): Uint8Array => {
  const body = new Uint8Array(PRODUCED_BYTES)
  const { baseOffset, nextOffset, timestampMs, leaderEpoch, durability } = produced
  writeProduced(body, 0, baseOffset, nextOffset, timestampMs, leaderEpoch, durability)
  return body
}
