/**
 * `npm run e2e`: clients written by others, and the documents, against the real broker, built.
 * `--deep` runs the full counts; further arguments go to Jest.
 */
import { rmSync } from 'node:fs'
import { buildTypes, runJest } from './lib/command.mjs'
import { countsIn, settle } from './lib/counts.mjs'
import { inRoot } from './lib/workspace.mjs'

const [isDeep, parameters] = [
  process.argv.includes('--deep'),
  process.argv.slice(2).filter((argument) => argument !== '--deep'),
]
const results = inRoot('apps', 'e2e', 'test-results', 'jest.json')

/** What a failed test left open must not hide, behind a hang, which test it was. */
const endAnyhow = process.env.CI === 'true' ? ['--forceExit'] : []

const runTests = async () => {
  rmSync(results, { force: true })
  const env = isDeep ? { MILLRACE_E2E_DEPTH: 'deep' } : {}
  const { code } = await runJest('apps/e2e', ['--runInBand', ...endAnyhow, ...parameters], env)
  return settle({ code, counts: countsIn(results) })
}

const built = await buildTypes()
const counts = built.code === 0 ? await runTests() : { passed: 0, failed: 1, skipped: 0 }
console.log(`RESULT ${JSON.stringify(counts)}`)
process.exitCode = counts.failed === 0 ? 0 : 1
