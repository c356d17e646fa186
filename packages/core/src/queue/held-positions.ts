/**
 * Positions that somebody has while a replay goes past them: they are neither ready nor to be settled
 * with what is.
 */
import type { Ledger } from './ledger.ts'

export class HeldPositions {
  /** Made by the first replay: most queues never have one. */
  #positions: Set<number> | undefined

  replace(positions: Iterable<number>): void {
    this.#positions = new Set(positions)
  }

  has(position: number): boolean {
    return this.#positions?.has(position) === true
  }

  delete(position: number): void {
    this.#positions?.delete(position)
  }

  /** Settles a range but for what is held. Answers how many of it were not settled before. */
  settleOthers(ledger: Ledger, from: number, to: number): number {
    if (from >= to) return 0
    let count = to - from - ledger.settled.countBetween(from, to)
    let at = from
    for (const position of this.#between(from, to)) {
      count--
      settleRange(ledger, at, position)
      at = position + 1
    }
    settleRange(ledger, at, to)
    return count
  }

  #between(from: number, to: number): number[] {
    if (this.#positions === undefined) return []
    const held = [...this.#positions].filter((position) => position >= from && position < to)
    return held.sort((left, right) => left - right)
  }
}

/** What is settled already is not written again. */
const settleRange = (ledger: Ledger, from: number, to: number): void => {
  if (from < to && ledger.settled.countBetween(from, to) < to - from) ledger.settleRange(from, to)
}
