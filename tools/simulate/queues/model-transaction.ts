/** A transaction as its session knows it: all of it happens, or nothing. */
import type { Outcome } from '@millrace/core'
import type { Place } from './place.ts'
import type { SentMessage } from './sent-message.ts'

export interface ModelTransaction {
  readonly number: number
  readonly messages: readonly SentMessage[]
  /** Settled in it, all in one way. */
  readonly places: readonly Place[]
  readonly outcome: Outcome
}
