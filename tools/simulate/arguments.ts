/** The command line of the simulator. */
import { parseArgs } from 'node:util'

export interface SimulatorArguments {
  readonly seeds: number
  readonly from: number
  readonly jobs: number
  readonly isTraced: boolean
  /** Run one planted bug only. */
  readonly mutant: string | undefined
  /** Run every planted bug and demand that each is caught. */
  readonly isMutantRun: boolean
  /** End at the first failing seed. */
  readonly isFirstFailureFinal: boolean
  /** Ask for every coverage counter above zero. */
  readonly isCoverageDemanded: boolean
}

/** The text is for the user: it says what was wrong with the command line. */
export class UsageError extends Error {}

export const usage = `Usage: npm run simulate -- [options]
  --seeds N       how many seeds to run (2000)
  --from S        the first seed (1)
  --jobs N        worker threads (2)
  --trace         print every event; meant for one seed
  --mutant NAME   run with a planted bug, until it is caught
  --mutants       run with each planted bug; fails when one survives
  --first         stop at the first failing seed
  --coverage      demand every coverage counter above zero, also of fewer than 2000 seeds`

/** From this many seeds on a coverage counter of zero is a failure. */
const COVERAGE_SEEDS_MIN = 2000

const integer = (name: string, text: string, least: number): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least) {
    throw new UsageError(`--${name} takes a whole number from ${least} up, not '${text}'`)
  }
  return value
}

const options = {
  seeds: { type: 'string', default: '2000' },
  from: { type: 'string', default: '1' },
  jobs: { type: 'string', default: '2' },
  trace: { type: 'boolean', default: false },
  mutant: { type: 'string' },
  mutants: { type: 'boolean', default: false },
  first: { type: 'boolean', default: false },
  coverage: { type: 'boolean', default: false },
} as const

const parse = (
  argv: readonly string[],
): ReturnType<typeof parseArgs<{ options: typeof options }>> => {
  try {
    return parseArgs({ args: [...argv], options })
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

export const parseArguments = (argv: readonly string[]): SimulatorArguments => {
  const { values } = parse(argv)
  const seeds = integer('seeds', values.seeds, 1)
  return {
    seeds,
    from: integer('from', values.from, 0),
    jobs: values.trace ? 1 : integer('jobs', values.jobs, 1),
    isTraced: values.trace,
    mutant: values.mutant,
    isMutantRun: values.mutants,
    isFirstFailureFinal: values.first,
    isCoverageDemanded: values.coverage || seeds >= COVERAGE_SEEDS_MIN,
  }
}
