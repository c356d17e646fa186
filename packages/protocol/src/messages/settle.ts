/**
 * SETTLE: what became of deliveries. The answer SETTLED is empty.
 *
 * ```
 * 0         1       2       4                                          range: | first tag | last tag |
 * | outcome | flags | zeros | ranges …                                          u64         u64
 *   u8        u8      2       16 each
 * ```
 */
import { BrokerError, writeUint64 } from '@millrace/codec'
import { SETTLE_COUNT_MAX } from '../limits.ts'
import { checkHead, readOffset } from './binary-body.ts'

export const SETTLE_HEAD_BYTES = 4
export const TAG_RANGE_BYTES = 16

/** Answered only when the settlement is on disk. */
export const SETTLE_DURABLE = 1

export const SettleOutcome = { ACK: 0, REQUEUE: 1, REJECT: 2 } as const
export type SettleOutcome = (typeof SettleOutcome)[keyof typeof SettleOutcome]

export interface TagRange {
  readonly from: number
  /** The last one: it belongs to the range. */
  readonly to: number
}

export interface Settle {
  readonly outcome: SettleOutcome
  readonly isDurable: boolean
  readonly ranges: readonly TagRange[]
}

export const asSettleOutcome = (value: number): SettleOutcome => {
  if (value === 0 || value === 1 || value === 2) return value
  throw new BrokerError('ERR_MALFORMED_BODY', [`outcome ${value} is not known`])
}

/** A range at a position that is known to be inside the body. Throws ERR_MALFORMED_BODY. */
export const readTagRange = (body: Uint8Array, at: number): TagRange => {
  const from = readOffset(body, at, 'first tag')
  const to = readOffset(body, at + 8, 'last tag')
  if (to >= from) return { from, to }
  throw new BrokerError('ERR_MALFORMED_BODY', [`tags ${from} to ${to} are no range`])
}

export const writeTagRange = (target: Uint8Array, at: number, from: number, to: number): number => {
  writeUint64(target, at, from)
  writeUint64(target, at + 8, to)
  return at + TAG_RANGE_BYTES
}

const countOf = (body: Uint8Array): number => {
  checkHead(body, SETTLE_HEAD_BYTES + TAG_RANGE_BYTES, 'SETTLE')
  const count = (body.length - SETTLE_HEAD_BYTES) / TAG_RANGE_BYTES
  if (!Number.isInteger(count)) {
    throw new BrokerError('ERR_MALFORMED_BODY', ['SETTLE ends inside a range'])
  }
  if (count <= SETTLE_COUNT_MAX) return count
  throw new BrokerError('ERR_LIMIT_EXCEEDED', [SETTLE_COUNT_MAX, 'ranges of one SETTLE'])
}

export const encodeSettle = ({ outcome, isDurable, ranges }: Settle): Uint8Array => {
  const body = new Uint8Array(SETTLE_HEAD_BYTES + ranges.length * TAG_RANGE_BYTES)
  body[0] = outcome
  body[1] = isDurable ? SETTLE_DURABLE : 0
  let at = SETTLE_HEAD_BYTES
  for (const { from, to } of ranges) at = writeTagRange(body, at, from, to)
  return body
}

export const decodeSettle = (body: Uint8Array): Settle => {
  const count = countOf(body)
  return {
    outcome: asSettleOutcome(body[0] as number),
    isDurable: ((body[1] as number) & SETTLE_DURABLE) !== 0,
    ranges: Array.from({ length: count }, (_, index) =>
      readTagRange(body, SETTLE_HEAD_BYTES + index * TAG_RANGE_BYTES),
    ),
  }
}
