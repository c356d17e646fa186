/**
 * PUBLISHED and COMMITTED: what became of each message, in their order, and for people the text of
 * the first error.
 *
 * ```
 * 0       4                   4 + 4 × count          outcome: | targets | error |
 * | count | outcome × count … | text …                          u16       u16
 *   u32     4 each              UTF-8
 * ```
 */
import {
  BrokerError,
  readUint16,
  readUint32,
  utf8Decode,
  utf8Encode,
  writeUint16,
  writeUint32,
} from '@millrace/codec'
import { UINT16_MAX } from '../limits.ts'
import { checkHead } from './binary-body.ts'

export const PUBLISHED_HEAD_BYTES = 4
export const OUTCOME_BYTES = 4

export interface PublishOutcome {
  /** Queues and topics it reached; 65,535 stands for more, too. */
  readonly targets: number
  /** The wire number of an error, 0 for none. */
  readonly error: number
}

export interface Published {
  readonly outcomes: readonly PublishOutcome[]
  readonly text: string
}

/** Where the outcome of a message stands in a body that begins at `at`. */
const outcomeAt = (at: number, index: number): number =>
  at + PUBLISHED_HEAD_BYTES + index * OUTCOME_BYTES

export const writePublishedCount = (target: Uint8Array, at: number, count: number): void =>
  writeUint32(target, at, count)

export const writeTargets = (
  target: Uint8Array,
  at: number,
  index: number,
  targets: number,
): void => writeUint16(target, outcomeAt(at, index), Math.min(targets, UINT16_MAX))

export const writeOutcomeError = (
  target: Uint8Array,
  at: number,
  index: number,
  wire: number,
): void => writeUint16(target, outcomeAt(at, index) + 2, wire)

/** Of a body that `publishedCount` has checked. */
export const targetsOf = (body: Uint8Array, index: number): number =>
  readUint16(body, outcomeAt(0, index))

export const outcomeErrorOf = (body: Uint8Array, index: number): number =>
  readUint16(body, outcomeAt(0, index) + 2)

/** How many outcomes the body has. Throws ERR_MALFORMED_BODY when it is too short for them. */
export const publishedCount = (body: Uint8Array): number => {
  checkHead(body, PUBLISHED_HEAD_BYTES, 'PUBLISHED')
  const count = readUint32(body, 0)
  if (count * OUTCOME_BYTES <= body.length - PUBLISHED_HEAD_BYTES) return count
  throw new BrokerError('ERR_MALFORMED_BODY', [
    `${body.length} bytes cannot hold ${count} outcomes`,
  ])
}

export const publishedText = (body: Uint8Array): string =>
  utf8Decode(body.subarray(outcomeAt(0, publishedCount(body))))

export const encodePublished = ({ outcomes, text }: Published): Uint8Array => {
  const bytes = utf8Encode(text)
  const body = new Uint8Array(outcomeAt(0, outcomes.length) + bytes.length)
  writePublishedCount(body, 0, outcomes.length)
  outcomes.forEach(({ targets, error }, index) => {
    writeTargets(body, 0, index, targets)
    writeOutcomeError(body, 0, index, error)
  })
  body.set(bytes, outcomeAt(0, outcomes.length))
  return body
}

export const decodePublished = (body: Uint8Array): Published => {
  const outcomes = Array.from({ length: publishedCount(body) }, (_, index) => ({
    targets: targetsOf(body, index),
    error: outcomeErrorOf(body, index),
  }))
  return { outcomes, text: publishedText(body) }
}
