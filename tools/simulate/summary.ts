/** Adds up the reports of a run and says what they mean. */
import { Coverage } from './coverage.ts'
import type { SeedReport } from './seed-report.ts'

const FAILURES_PRINTED_MAX = 5

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

export class Summary {
  readonly #coverage = new Coverage()
  readonly #operations: number[] = []
  readonly #crashes: number[] = []
  readonly #mutant: string | undefined
  readonly failures: SeedReport[] = []
  #eventCount = 0

  constructor(mutant: string | undefined) {
    this.#mutant = mutant
  }

  add(report: SeedReport): void {
    this.#operations.push(report.operationCount)
    this.#crashes.push(report.crashCount)
    this.#eventCount += report.eventCount
    this.#coverage.merge(report.coverage)
    if (report.failure === undefined) return
    this.failures.push(report)
    if (this.failures.length <= FAILURES_PRINTED_MAX) this.#print(report)
  }

  get seedCount(): number {
    return this.#operations.length
  }

  /** Coverage counters that nothing has raised. */
  get missing(): readonly string[] {
    return this.#coverage.missing
  }

  #print(report: SeedReport): void {
    const mutant = this.#mutant === undefined ? '' : ` --mutant ${this.#mutant}`
    console.log(`\nseed ${report.seed} failed: ${report.failure?.text}`)
    for (const line of report.failure?.lastEvents ?? []) console.log(`  ${line}`)
    console.log(`replay: npm run simulate -- --seeds 1 --from ${report.seed} --trace${mutant}\n`)
  }

  print(seconds: number): void {
    const rate = (this.seedCount / seconds).toFixed(1)
    console.log(
      `${this.seedCount} seeds in ${seconds.toFixed(1)} s (${rate}/s), ${this.failures.length} failed`,
    )
    console.log(
      `a median seed: ${median(this.#operations)} operations, ${median(this.#crashes)} crashes; ${this.#eventCount} events in all`,
    )
    const width = Math.max(...Object.keys(this.#coverage.counts).map((name) => name.length))
    for (const [name, count] of Object.entries(this.#coverage.counts)) {
      console.log(`  ${name.padEnd(width)}  ${count}`)
    }
  }
}
