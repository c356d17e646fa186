/**
 * `npm run bench`: asks the questions, one after the other. A missed target is a result and not a
 * failure: exit 0 when every question was answered, 1 when one could not be, 2 on usage.
 */
import { mkdirSync } from 'node:fs'
import { type BenchArguments, UsageError, parseArguments, usage } from './arguments.ts'
import { Bench } from './bench.ts'
import { describeMachine } from './machine.ts'
import { summarizeProfiles } from './profile-summary.ts'
import { type Question, type Section, judge } from './question.ts'
import { questions } from './questions/questions.ts'
import { type BenchReport, type Failure, machineLines, sectionLines, tableLines } from './report.ts'

const COSTS_SHOWN = 25
/** 128 and the number of the signal, as shells have it. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const

const ask = async (bench: Bench, question: Question): Promise<Section> => {
  const beganAt = performance.now()
  const syncBefore = await bench.probeSync()
  try {
    const answer = await question.answer(bench)
    await bench.closeAll()
    const syncAfter = await bench.probeSync()
    const seconds = (performance.now() - beganAt) / 1000
    return { name: question.name, title: question.title, ...answer, syncBefore, syncAfter, seconds }
  } finally {
    await bench.closeAll()
  }
}

const withVerdicts = (report: BenchReport): unknown => ({
  ...report,
  sections: report.sections.map((section) => ({
    ...section,
    rows: section.rows.map((row) => ({
      ...row,
      ...(report.isQuick ? {} : { verdict: judge(row) }),
    })),
  })),
})

/** A quick run asks everything: it is there to show that everything works. */
const isAsked = ({ name, isDeep = false }: Question, given: BenchArguments): boolean =>
  given.only.length > 0 ? given.only.includes(name) : !isDeep || given.isDeep || given.isQuick

const askAll = async (
  bench: Bench,
  given: BenchArguments,
  say: (lines: readonly string[]) => void,
): Promise<BenchReport> => {
  const beganAt = performance.now()
  const machine = await describeMachine(given.directory)
  say(machineLines(machine))
  if (given.isQuick) say(['', 'A quick run: it shows that the bench works. Quote no number of it.'])
  const sections: Section[] = []
  const failures: Failure[] = []
  for (const question of questions) {
    if (!isAsked(question, given)) continue
    try {
      const section = await ask(bench, question)
      sections.push(section)
      say(sectionLines(section, given.isQuick))
    } catch (error) {
      const [reason = ''] = (error as Error).message.split('\n')
      failures.push({ name: question.name, reason })
      say(['', `${question.name} failed: ${String((error as Error).stack)}`])
    }
  }
  const seconds = (performance.now() - beganAt) / 1000
  return { machine, isQuick: given.isQuick, sections, failures, seconds }
}

const run = async (given: BenchArguments): Promise<number> => {
  const { profileDirectory, isJson } = given
  if (profileDirectory !== undefined) mkdirSync(profileDirectory, { recursive: true })
  const say = (lines: readonly string[]): void => {
    if (!isJson) for (const line of lines) console.log(line)
  }
  const bench = await Bench.open(given)
  // Brokers, workers and gigabytes do not outlive an interrupted bench.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void bench.close().finally(() => process.exit(exitCodes[signal])))
  }
  try {
    const report = await askAll(bench, given, say)
    say(tableLines(report))
    if (isJson) console.log(JSON.stringify(withVerdicts(report), null, 2))
    return report.failures.length === 0 ? 0 : 1
  } finally {
    await bench.close()
    if (profileDirectory !== undefined) say(summarizeProfiles(profileDirectory, COSTS_SHOWN))
  }
}

const main = async (): Promise<void> => {
  const names = questions.map(({ name }) => name)
  try {
    const given = parseArguments(process.argv.slice(2), names)
    if (given.isHelp) console.log(usage)
    else if (given.isListing)
      for (const { name, title } of questions) console.log(`${name}: ${title}`)
    else process.exitCode = await run(given)
  } catch (error) {
    const isUsage = error instanceof UsageError
    console.error(isUsage ? `${error.message}\n${usage}` : error)
    process.exitCode = isUsage ? 2 : 1
  }
}

void main()
