/** What a list of measurements says. Pure. */

/** Several runs of the same thing. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly count: number
}

export interface Latencies {
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  readonly count: number
}

const ascending = (values: ArrayLike<number>): Float64Array => Float64Array.from(values).sort()

/** The smallest value with at least `share` of all at or below it. */
const quantileOf = (sorted: Float64Array, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN

export const median = (values: readonly number[]): number => {
  const sorted = ascending(values)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export const spreadOf = (values: readonly number[]): Spread => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
  count: values.length,
})

export const latenciesOf = (samples: ArrayLike<number>): Latencies => {
  const sorted = ascending(samples)
  return {
    p50: quantileOf(sorted, 0.5),
    p99: quantileOf(sorted, 0.99),
    p999: quantileOf(sorted, 0.999),
    max: sorted[sorted.length - 1] ?? Number.NaN,
    count: sorted.length,
  }
}

/** Run by run: what disturbed both runs of a pair cancels out. */
export const ratiosOf = (dividends: readonly number[], divisors: readonly number[]): number[] =>
  dividends.map((dividend, index) => dividend / (divisors[index] ?? Number.NaN))

export const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0)
