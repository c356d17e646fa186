/**
 * COMMIT: messages and settlements, all or nothing. The answer COMMITTED has the body of PUBLISHED.
 *
 * ```
 * 0       4                      4 + 24 × count           settlement: | first tag | last tag | outcome | zeros |
 * | count | settlement × count … | messages back to back …              u64         u64        u8        7
 *   u32     24 each
 * ```
 */
import { BrokerError, readUint32, writeUint32 } from '@millrace/codec'
import { SETTLE_COUNT_MAX } from '../limits.ts'
import { checkHead } from './binary-body.ts'
import { decodeMessages, encodeMessages, type PublishedMessage } from './published-message.ts'
import {
  asSettleOutcome,
  readTagRange,
  type SettleOutcome,
  type TagRange,
  writeTagRange,
} from './settle.ts'

export const COMMIT_HEAD_BYTES = 4
export const SETTLEMENT_BYTES = 24

export interface Settlement extends TagRange {
  readonly outcome: SettleOutcome
}

export interface Commit {
  readonly settlements: readonly Settlement[]
  readonly messages: readonly PublishedMessage[]
}

const countOf = (body: Uint8Array): number => {
  checkHead(body, COMMIT_HEAD_BYTES, 'COMMIT')
  const count = readUint32(body, 0)
  if (count > SETTLE_COUNT_MAX) {
    throw new BrokerError('ERR_LIMIT_EXCEEDED', [SETTLE_COUNT_MAX, 'settlements of one COMMIT'])
  }
  if (count * SETTLEMENT_BYTES <= body.length - COMMIT_HEAD_BYTES) return count
  const text = `${body.length} bytes cannot hold ${count} settlements`
  throw new BrokerError('ERR_MALFORMED_BODY', [text])
}

/** Where its messages begin. Throws ERR_MALFORMED_BODY. */
export const commitMessagesAt = (body: Uint8Array): number =>
  COMMIT_HEAD_BYTES + countOf(body) * SETTLEMENT_BYTES

export const decodeSettlements = (body: Uint8Array): Settlement[] =>
  Array.from({ length: countOf(body) }, (_, index) => {
    const at = COMMIT_HEAD_BYTES + index * SETTLEMENT_BYTES
    return { ...readTagRange(body, at), outcome: asSettleOutcome(body[at + 16] as number) }
  })

export const encodeCommit = ({ settlements, messages }: Commit): Uint8Array => {
  const headBytes = COMMIT_HEAD_BYTES + settlements.length * SETTLEMENT_BYTES
  const body = encodeMessages(headBytes, messages)
  writeUint32(body, 0, settlements.length)
  settlements.forEach(({ from, to, outcome }, index) => {
    const at = COMMIT_HEAD_BYTES + index * SETTLEMENT_BYTES
    body[writeTagRange(body, at, from, to)] = outcome
  })
  return body
}

export const decodeCommit = (body: Uint8Array): Commit => ({
  settlements: decodeSettlements(body),
  messages: decodeMessages(body, commitMessagesAt(body)),
})
