/** The command line of the bench. */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'

export interface BenchArguments {
  /** Names of questions; all when empty. */
  readonly only: readonly string[]
  /** Also the questions that take long. */
  readonly isDeep: boolean
  /** Small counts: shows that the bench works, measures nothing. */
  readonly isQuick: boolean
  readonly isJson: boolean
  readonly isListing: boolean
  readonly isHelp: boolean
  /** How often each contender of a question runs; `undefined` for the default. */
  readonly repeats: number | undefined
  /** Data directories and files of the bench are made in here and removed. */
  readonly directory: string
  /** CPU profiles of every process go here. */
  readonly profileDirectory: string | undefined
}

/** The text is for the user: it says what was wrong with the command line. */
export class UsageError extends Error {}

export const usage = `Usage: npm run bench -- [options]
  --only NAME      one question; may be given again (--list names them)
  --deep           also the questions that take long; with --only they need it not
  --quick          small counts: a check that the bench works, not a measurement
  --json           one JSON document instead of text
  --repeats N      how often each contender runs (5; with --quick 1)
  --directory D    where data is written: the disk that is measured (${tmpdir()})
  --profile D      write CPU profiles of every process to D, and print what cost most
  --list           names of the questions
  --help           this text`

const options = {
  only: { type: 'string', multiple: true, default: [] as string[] },
  deep: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  repeats: { type: 'string' },
  directory: { type: 'string' },
  profile: { type: 'string' },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
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

const parseRepeats = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new UsageError(`--repeats takes a whole number from 1 up, not '${text}'`)
}

/** `known` are the names that `--only` takes. */
export const parseArguments = (
  argv: readonly string[],
  known: readonly string[],
): BenchArguments => {
  const { values } = parse(argv)
  for (const name of values.only) {
    if (known.includes(name)) continue
    throw new UsageError(`--only takes one of ${known.join(', ')}, not '${name}'`)
  }
  return {
    only: values.only,
    isDeep: values.deep,
    isQuick: values.quick,
    isJson: values.json,
    isListing: values.list,
    isHelp: values.help,
    repeats: parseRepeats(values.repeats),
    directory: values.directory ?? tmpdir(),
    profileDirectory: values.profile,
  }
}
