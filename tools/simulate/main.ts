/**
 * `npm run simulate`: the engine in simulated worlds, one a seed; or, with `--mutants`, engines with
 * a planted bug each, which must be caught. Exit 0 when all is well, 1 on a failure, 2 on usage.
 */
import { type SimulatorArguments, UsageError, parseArguments, usage } from './arguments.ts'
import { runMutant, runMutants } from './mutation-run.ts'
import { runInWorkers, runTraced } from './seed-pool.ts'
import { Summary } from './summary.ts'

/** Set for a child that runs with a planted bug: what it prints is for its parent. */
const mutantName = process.env['MILLRACE_MUTANT']

const runSeeds = async (given: SimulatorArguments): Promise<number> => {
  const summary = new Summary(mutantName)
  const beganAt = performance.now()
  const run = given.isTraced ? runTraced : runInWorkers
  await run({
    from: given.from,
    count: given.seeds,
    jobs: given.jobs,
    onReport: (report) => {
      summary.add(report)
      return !(given.isFirstFailureFinal && report.failure !== undefined)
    },
  })
  summary.print((performance.now() - beganAt) / 1000)
  const missing = given.isCoverageDemanded && summary.failures.length === 0 ? summary.missing : []
  for (const name of missing) console.log(`coverage: '${name}' was never met`)
  const failed = summary.failures.length + missing.length
  const passed = summary.seedCount - summary.failures.length
  console.log(`RESULT ${JSON.stringify({ passed, failed, skipped: 0 })}`)
  if (summary.failures.length > 0) {
    console.log(
      `FAILED ${JSON.stringify(summary.failures.map(({ seed, failure }) => ({ seed, text: failure?.text })))}`,
    )
  }
  return failed === 0 ? 0 : 1
}

const run = async (argv: readonly string[]): Promise<number> => {
  const given = parseArguments(argv)
  if (given.isMutantRun) return runMutants(given)
  if (given.mutant !== undefined) return runMutant(given.mutant, given)
  return runSeeds(given)
}

const main = async (): Promise<void> => {
  try {
    process.exitCode = await run(process.argv.slice(2))
  } catch (error) {
    const isUsage = error instanceof UsageError
    console.error(isUsage ? `${error.message}\n${usage}` : error)
    process.exitCode = isUsage ? 2 : 1
  }
}

void main()
