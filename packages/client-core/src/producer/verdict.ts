/** What becomes of a batch that was not simply accepted: the rules of docs/protocol.md, section 8. */
import type { BrokerError } from '@millrace/codec'
import type { Platform } from '../platform.ts'
import type { OutgoingBatch } from './outgoing-batch.ts'

export interface Verdict {
  readonly outcome: 'stored' | 'again' | 'lost'
  /** It may be stored. */
  readonly isUnknown: boolean
  /** The producer's number is good for nothing any more. */
  readonly needsIdentity: boolean
}

export interface JudgeContext {
  readonly platform: Platform
  readonly isIdempotent: boolean
  /** A lost connection is made again. */
  readonly mayResume: boolean
}

/** What the partition has seen of the producer's present number and epoch. */
export interface SequenceFacts {
  readonly hasAcknowledged: boolean
}

/** Answers that do not say whether it was done. */
const isVague = ({ code }: BrokerError): boolean =>
  code === 'ERR_STORAGE_FAILED' || code === 'ERR_TIMED_OUT' || code === 'ERR_INTERNAL'

/** `isUnanswered`: this attempt got no answer. */
export const judge = (
  batch: OutgoingBatch,
  error: BrokerError,
  isUnanswered: boolean,
  context: JudgeContext,
  facts: SequenceFacts,
): Verdict => {
  const isUnknown = batch.isUnknown || isUnanswered || isVague(error)
  const hasTime = context.platform.monotonicMs() < batch.deadlineMs
  if (context.isIdempotent && !isUnanswered) {
    const verdict = judgeSequence(error, isUnknown, hasTime, facts)
    if (verdict !== undefined) return verdict
  }
  const isGone = error.code === 'ERR_CONNECTION_LOST' || error.code === 'ERR_CLOSED'
  const isOver = isGone && !context.mayResume
  const isAgain = (isUnanswered || error.retriable) && hasTime && !isOver
  return { outcome: isAgain ? 'again' : 'lost', isUnknown, needsIdentity: false }
}

const judgeSequence = (
  error: BrokerError,
  isUnknown: boolean,
  hasTime: boolean,
  { hasAcknowledged }: SequenceFacts,
): Verdict | undefined => {
  const again = hasTime ? 'again' : 'lost'
  switch (error.code) {
    case 'ERR_DUPLICATE_SEQUENCE':
      if (isUnknown) return { outcome: 'stored', isUnknown: false, needsIdentity: false }
      // Sent once and known already: somebody else has the same number. Nothing of it is stored.
      return { outcome: again, isUnknown: false, needsIdentity: true }
    case 'ERR_OUT_OF_SEQUENCE':
      return { outcome: again, isUnknown: false, needsIdentity: false }
    case 'ERR_UNKNOWN_PRODUCER':
      // There was nothing to forget: the first batch of all was refused, so this one is not stored.
      if (!hasAcknowledged) return { outcome: again, isUnknown: false, needsIdentity: false }
      return { outcome: isUnknown ? 'lost' : again, isUnknown, needsIdentity: true }
    case 'ERR_PRODUCER_FENCED':
      return { outcome: isUnknown ? 'lost' : again, isUnknown, needsIdentity: true }
    default:
      return undefined
  }
}
