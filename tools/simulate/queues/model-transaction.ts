/** A transaction as its session knows it: all of it happens, or nothing. */
import type { Place } from './place.ts'
import type { SentMessage } from './sent-message.ts'

export interface ModelTransaction {
  readonly number: number
  readonly messages: readonly SentMessage[]
  /** Acknowledged in it. */
  readonly places: readonly Place[]
}
