/**
 * What a transactional channel has done since its last commit: messages and settlements that nobody
 * else sees yet. Bounded, because they wait in memory.
 */
import type { Delivery, Outcome } from '@millrace/core'
import { preconditionFailed } from './errors.ts'
import { TRANSACTION_BYTES_MAX, TRANSACTION_STEPS_COUNT_MAX } from './limits.ts'
import type { Publication } from './publication.ts'

/** A settlement that a rollback takes back. */
export interface StagedSettlement {
  readonly tag: number
  readonly delivery: Delivery
  readonly outcome: Outcome
}

interface SettlementGroup {
  readonly deliveries: Delivery[]
  readonly outcome: Outcome
}

export class Transaction {
  #messages: Publication[] = []
  #settlements: StagedSettlement[] = []
  #bytes = 0

  get messages(): readonly Publication[] {
    return this.#messages
  }

  get settlements(): readonly StagedSettlement[] {
    return this.#settlements
  }

  addMessage(publication: Publication): void {
    this.#bytes += publication.payload.length + publication.properties.length
    this.#messages.push(publication)
    this.#check()
  }

  addSettlement(settlement: StagedSettlement): void {
    this.#settlements.push(settlement)
    this.#check()
  }

  /** Settlements with the same outcome in a row are one. */
  groups(): readonly SettlementGroup[] {
    const groups: SettlementGroup[] = []
    for (const { delivery, outcome } of this.#settlements) {
      const last = groups.at(-1)
      if (last?.outcome === outcome) last.deliveries.push(delivery)
      else groups.push({ deliveries: [delivery], outcome })
    }
    return groups
  }

  clear(): void {
    this.#messages = []
    this.#settlements = []
    this.#bytes = 0
  }

  #check(): void {
    const steps = this.#messages.length + this.#settlements.length
    if (steps > TRANSACTION_STEPS_COUNT_MAX || this.#bytes > TRANSACTION_BYTES_MAX) {
      const limit = `${TRANSACTION_STEPS_COUNT_MAX} steps or ${TRANSACTION_BYTES_MAX} bytes`
      throw preconditionFailed(`a transaction holds at most ${limit}`, 'ERR_LIMIT_EXCEEDED')
    }
  }
}
