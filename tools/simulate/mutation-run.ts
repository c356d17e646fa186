/** Runs the simulator against engines with a planted bug and says which seed has caught which. */
import { spawn } from 'node:child_process'
import { type SimulatorArguments, UsageError } from './arguments.ts'
import { type MutatedCopy, checkPatches, createMutatedCopy } from './mutation.ts'
import { mutants } from './mutants/index.ts'
import type { Mutant } from './mutants/mutant.ts'
import { runSeed } from './seed-report.ts'

interface Outcome {
  readonly mutant: Mutant
  /** The seed that caught it, and the rule it broke. */
  readonly seed: number | undefined
  readonly text: string
  readonly seconds: number
}

const FAILED_LINE = /^FAILED (.*)$/m

const spawnSimulator = (
  copy: MutatedCopy,
  mutant: Mutant,
  given: SimulatorArguments,
  isPrinted: boolean,
): Promise<string> =>
  new Promise((resolve, reject) => {
    const numbers = ['--seeds', given.seeds, '--from', given.from, '--jobs', given.jobs].map(String)
    const trace = given.isTraced ? ['--trace'] : []
    const child = spawn(process.execPath, [copy.main, ...numbers, ...trace, '--first'], {
      env: { ...process.env, MILLRACE_MUTANT: mutant.name },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (isPrinted) process.stdout.write(chunk)
    })
    child.on('error', reject)
    child.on('close', () => resolve(text))
  })

interface Catch {
  readonly seed: number
  readonly text: string
}

/** The first seed from `from` on that the planted bug fails and the engine as it is does not. */
const findCatch = async (
  copy: MutatedCopy,
  mutant: Mutant,
  given: SimulatorArguments,
  isPrinted: boolean,
): Promise<Catch | undefined> => {
  const end = given.from + given.seeds
  for (let from = given.from; from < end;) {
    const range = { ...given, from, seeds: end - from }
    const text = await spawnSimulator(copy, mutant, range, isPrinted)
    const failures = JSON.parse(FAILED_LINE.exec(text)?.[1] ?? '[]') as Catch[]
    const [first] = failures.sort((left, right) => left.seed - right.seed)
    if (first === undefined) return undefined
    const sound = await runSeed(first.seed)
    if (sound.failure === undefined) return first
    console.log(`seed ${first.seed} fails without the mutant too: it proves nothing`)
    from = first.seed + 1
  }
  return undefined
}

const run = async (
  mutant: Mutant,
  given: SimulatorArguments,
  isPrinted: boolean,
): Promise<Outcome> => {
  const beganAt = performance.now()
  const copy = await createMutatedCopy(mutant)
  try {
    const caught = await findCatch(copy, mutant, given, isPrinted)
    const seconds = (performance.now() - beganAt) / 1000
    return { mutant, seed: caught?.seed, text: caught?.text.split('\n')[0] ?? '', seconds }
  } finally {
    await copy.remove()
  }
}

const print = ({ mutant, seed, text, seconds }: Outcome): void => {
  const caught = seed === undefined ? 'SURVIVED' : `seed ${seed}`
  console.log(
    `${mutant.name.padEnd(32)} ${caught.padEnd(10)} ${seconds.toFixed(1).padStart(6)} s  ${text}`,
  )
}

/** Every planted bug must be caught. */
export const runMutants = async (given: SimulatorArguments): Promise<number> => {
  await checkPatches(mutants)
  let survivors = 0
  for (const mutant of mutants) {
    const outcome = await run(mutant, given, false)
    if (outcome.seed === undefined) survivors++
    print(outcome)
  }
  const passed = mutants.length - survivors
  console.log(`${passed} of ${mutants.length} planted bugs were caught within ${given.seeds} seeds`)
  console.log(`RESULT ${JSON.stringify({ passed, failed: survivors, skipped: 0 })}`)
  return survivors === 0 ? 0 : 1
}

/** One planted bug, with everything that the simulator says. Fails when it survives. */
export const runMutant = async (name: string, given: SimulatorArguments): Promise<number> => {
  const mutant = mutants.find((each) => each.name === name)
  if (mutant === undefined) {
    throw new UsageError(
      `there is no mutant '${name}'; there are ${mutants.map((each) => each.name).join(', ')}`,
    )
  }
  const outcome = await run(mutant, given, true)
  print(outcome)
  return outcome.seed === undefined ? 1 : 0
}
