/** What is left of a seed once it has run: plain data, which passes between threads. */
import { InvariantViolation } from '@millrace/testing'
import type { CoverageName } from './coverage.ts'
import { SeedRun } from './run-seed.ts'

const TRACE_LINES = 60

export interface SeedFailure {
  readonly text: string
  readonly lastEvents: readonly string[]
}

export interface SeedReport {
  readonly seed: number
  readonly operationCount: number
  readonly crashCount: number
  readonly eventCount: number
  readonly traceHash: number
  readonly coverage: Readonly<Record<CoverageName, number>>
  readonly failure: SeedFailure | undefined
}

const describe = (error: unknown): string => {
  if (error instanceof InvariantViolation) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

export const runSeed = async (
  seed: number,
  onLine?: (line: string) => void,
): Promise<SeedReport> => {
  const run = new SeedRun(seed)
  const { simulation } = run
  const { trace, scheduler } = simulation.world
  trace.onLine = onLine
  await run.run()
  const { failure } = simulation
  return {
    seed,
    operationCount: simulation.operationCount,
    crashCount: simulation.crashCount,
    eventCount: scheduler.eventCount,
    traceHash: trace.hash,
    coverage: simulation.coverage.counts,
    failure:
      failure === undefined
        ? undefined
        : { text: describe(failure), lastEvents: trace.last(TRACE_LINES) },
  }
}

/** Every so many seeds one runs twice, to see that it takes the same course. */
const SEEDS_PER_REPEAT = 50

/** Runs a seed, some of them twice: the same seed must give the same trace. */
export const runSeedChecked = async (seed: number): Promise<SeedReport> => {
  const report = await runSeed(seed)
  if (seed % SEEDS_PER_REPEAT !== 0 || report.failure !== undefined) return report
  const again = await runSeed(seed)
  if (again.traceHash === report.traceHash) return report
  const text = 'DETERMINISM: the same seed took another course the second time'
  return { ...report, failure: { text, lastEvents: [] } }
}
