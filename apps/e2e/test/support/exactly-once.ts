/**
 * What producers were told and what readers saw, for promises that are stronger than those of
 * `crash-ledger.ts`: every message once, in order, whatever happened on the way.
 */
import type { Message } from '@millrace/client-node'

interface Sent {
  readonly text: string
  readonly partition: number
  outcome: 'pending' | 'acknowledged' | 'failed'
  offset: number
}

export class ExactlyOnce {
  readonly #sent = new Map<string, Sent>()
  readonly problems: string[] = []

  get sentCount(): number {
    return this.#sent.size
  }

  note(text: string, partition: number): void {
    this.#sent.set(text, { text, partition, outcome: 'pending', offset: -1 })
  }

  acknowledge(text: string, offset: number): void {
    const sent = this.#sent.get(text) as Sent
    sent.outcome = 'acknowledged'
    sent.offset = offset
  }

  fail(text: string, error: unknown): void {
    const sent = this.#sent.get(text) as Sent
    sent.outcome = 'failed'
    this.problems.push(`'${text}' failed: ${String(error)}`)
  }

  /** Of everything read of one partition, from its start to its end. */
  check(partition: number, messages: readonly Message<string>[]): void {
    const counters = new Map<string, number>()
    const seen = new Set<string>()
    let nextOffset = 0
    for (const { offset, payload } of messages) {
      const text = String(payload)
      if (offset < nextOffset) this.problems.push(`offset ${offset} again or out of order`)
      nextOffset = offset + 1
      this.#checkOne(partition, text, offset, seen, counters)
    }
    for (const sent of this.#sent.values()) {
      if (sent.partition !== partition || seen.has(sent.text)) continue
      if (sent.outcome === 'acknowledged') this.problems.push(`'${sent.text}' is lost`)
    }
  }

  /** What a reader saw while it all happened is what the partition holds, message by message. */
  checkReader(
    name: string,
    read: readonly Message<string>[],
    stored: readonly Message<string>[],
  ): void {
    const keyOf = ({ offset, payload }: Message<string>): string => `${offset} ${String(payload)}`
    const [left, right] = [read.map(keyOf), stored.map(keyOf)]
    const at = right.findIndex((key, index) => key !== left[index])
    if (at >= 0) this.problems.push(`${name} read '${left[at]}' where '${right[at]}' is`)
    if (left.length > right.length) this.problems.push(`${name} read '${left[right.length]}'`)
  }

  #checkOne(
    partition: number,
    text: string,
    offset: number,
    seen: Set<string>,
    counters: Map<string, number>,
  ): void {
    const sent = this.#sent.get(text)
    if (sent === undefined || sent.partition !== partition) {
      this.problems.push(`'${text}' was not sent to partition ${partition}`)
      return
    }
    if (seen.has(text)) this.problems.push(`'${text}' is there twice`)
    seen.add(text)
    if (sent.offset >= 0 && sent.offset !== offset) {
      this.problems.push(`'${text}' is at ${offset}, and ${sent.offset} was told`)
    }
    const [producer, count] = text.split('#') as [string, string]
    const last = counters.get(producer) ?? -1
    if (Number(count) < last) this.problems.push(`'${text}' is behind ${last} of its producer`)
    counters.set(producer, Number(count))
  }
}
