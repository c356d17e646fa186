/** What a question of the bench is, and what an answer looks like. */
import type { Bench } from './bench.ts'
import type { Latencies, Spread } from './statistics.ts'

export interface Target {
  readonly bound: 'at least' | 'at most'
  readonly value: number
}

export type Unit =
  | 'ratio'
  | 'messages/s'
  | 'records/s'
  | 'requests/s'
  | 'logins/s'
  | 'MB/s'
  | 's/GB'
  | 'ms'
  | 'µs'
  | 'MB'
  | 'KB'

/** One line of the result: what was wanted, what came out. */
export interface Row {
  readonly label: string
  readonly unit: Unit
  readonly measured: Spread
  /** `undefined`: for information. */
  readonly target: Target | undefined
  /** What stands behind the number, one fact a line. */
  readonly facts: readonly string[]
}

export interface Answer {
  readonly rows: readonly Row[]
  /** What was being written where, for whoever compares: `persisted`, `memory`. */
  readonly durability: string
}

export interface Question {
  readonly name: string
  readonly title: string
  /** Takes long: asked by its name, and with `--deep`. */
  readonly isDeep?: boolean
  answer(bench: Bench): Promise<Answer>
}

/** An answer with what surrounds it. */
export interface Section extends Answer {
  readonly name: string
  readonly title: string
  readonly syncBefore: Latencies
  readonly syncAfter: Latencies
  readonly seconds: number
}

export type Verdict =
  | { readonly kind: 'met' }
  | { readonly kind: 'missed'; readonly byPercent: number }
  | { readonly kind: 'none' }

/** By the median of the runs. */
export const judge = ({ target, measured }: Row): Verdict => {
  if (target === undefined) return { kind: 'none' }
  const { bound, value } = target
  const isMet = bound === 'at least' ? measured.median >= value : measured.median <= value
  if (isMet) return { kind: 'met' }
  return { kind: 'missed', byPercent: (Math.abs(measured.median - value) / value) * 100 }
}
