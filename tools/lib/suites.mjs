/**
 * What `npm run check` and `npm test` run, each suite with its name, whether it counts tests, and a
 * `run` that resolves with its counts. Each has a time after which it is ended and has failed: a test
 * that hangs must not hang the whole.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { buildTypes, runNode, runPrettier, runTarget } from './command.mjs'
import { countsIn, none, settle, sum } from './counts.mjs'
import { holds, inRoot, workspacePackages } from './workspace.mjs'

const resultsOf = (directory) => inRoot(directory, 'test-results', 'jest.json')

const testProjects = () =>
  workspacePackages()
    .map(({ directory }) => directory)
    .filter((directory) => holds(inRoot(directory, 'test'), '.ts'))
    .map((directory) => `${directory}/tsconfig.test.json`)

const types = {
  name: 'types',
  hasTests: false,
  run: async () =>
    settle(await buildTypes(['tsconfig.json', ...testProjects()], { minutesMax: 5 })),
}

const format = {
  name: 'format',
  hasTests: false,
  run: async () =>
    settle(await runPrettier(['--check', '--log-level=warn', '.'], { minutesMax: 3 })),
}

const lint = {
  name: 'lint',
  hasTests: false,
  run: async () => settle(await runNode(['tools/lint.mjs'], { minutesMax: 5 })),
}

const unit = {
  name: 'unit',
  hasTests: true,
  run: async () => {
    const directories = workspacePackages()
      .filter(({ manifest }) => manifest.scripts?.test)
      .map(({ directory }) => directory)
    for (const directory of directories) rmSync(resultsOf(directory), { force: true })
    const { code } = await runTarget('test', { minutesMax: 10 })
    return settle({ code, counts: sum(directories.map(resultsOf).map(countsIn)) })
  },
}

const countsOfTap = (file) => {
  const text = readFileSync(file, 'utf8')
  const number = (name) => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
  return {
    passed: number('pass'),
    failed: number('fail') + number('cancelled'),
    skipped: number('skipped') + number('todo'),
  }
}

/** The tests of the tools themselves and the smoke test of the built packages, outside Jest. */
const tooling = {
  name: 'tooling',
  hasTests: true,
  run: async () => {
    const files = readdirSync(inRoot('tools', 'test')).filter((name) => name.endsWith('.test.mjs'))
    const directory = inRoot('tools', 'test-results')
    const tap = join(directory, 'tooling.tap')
    mkdirSync(directory, { recursive: true })
    rmSync(tap, { force: true })
    const reporters = [
      ['--test-reporter=spec', '--test-reporter-destination=stdout'],
      ['--test-reporter=tap', `--test-reporter-destination=${tap}`],
    ].flat()
    const paths = files.map((name) => join('tools', 'test', name))
    const { code } = await runNode(['--test', ...reporters, ...paths], { minutesMax: 5 })
    return settle({ code, counts: countsOfTap(tap) })
  },
}

export const checkSuites = [types, format, lint, unit, tooling]

/** The full counts take their time. */
const minutes = (minutesMax, isDeep) => ({ minutesMax: isDeep ? minutesMax * 60 : minutesMax })

export const simulate = (seeds, isDeep) => ({
  name: 'simulate',
  hasTests: true,
  run: async () =>
    settle(await runNode(['tools/simulate.mjs', '--seeds', String(seeds)], minutes(10, isDeep))),
})

export const mutants = (seeds, isDeep) => ({
  name: 'mutants',
  hasTests: true,
  run: async () =>
    settle(
      await runNode(
        ['tools/simulate.mjs', '--mutants', '--seeds', String(seeds)],
        minutes(15, isDeep),
      ),
    ),
})

export const endToEnd = (isDeep) => ({
  name: isDeep ? 'e2e (deep)' : 'e2e',
  hasTests: true,
  run: async () =>
    settle(await runNode(['tools/e2e.mjs', ...(isDeep ? ['--deep'] : [])], minutes(20, isDeep))),
})

/** For a suite that only makes others possible: it counts as a failure or not at all. */
export const preparation = (name, prepare) => ({
  name,
  hasTests: false,
  run: async () => ({ ...none, failed: (await prepare()) ? 0 : 1 }),
})
