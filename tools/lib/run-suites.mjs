/** Runs suites one after the other and closes with a table and the line `N passed, N failed`. */
import { judge, none, sum } from './counts.mjs'

const isCi = process.env.CI === 'true'

const duration = (ms) =>
  ms < 60_000
    ? `${(ms / 1000).toFixed(1)} s`
    : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`

const attempt = async (suite) => {
  try {
    return await suite.run()
  } catch (error) {
    console.error(error)
    return { ...none, failed: 1 }
  }
}

const runOne = async (suite) => {
  console.log(`\n── ${suite.name}`)
  const began = performance.now()
  const counts = judge(await attempt(suite), { isCi, hasTests: suite.hasTests })
  const ms = performance.now() - began
  console.log(`── ${suite.name}: ${counts.failed === 0 ? 'passed' : 'FAILED'} in ${duration(ms)}`)
  return { name: suite.name, ms, counts }
}

const row = ({ name, ms, counts }) =>
  [
    counts.failed === 0 ? 'ok    ' : 'FAILED',
    name.padEnd(16),
    duration(ms).padStart(12),
    `${counts.passed} passed`.padStart(14),
    `${counts.failed} failed`.padStart(11),
    counts.skipped > 0 ? `${counts.skipped} skipped` : '',
  ]
    .join(' ')
    .trimEnd()

/** Stops after a suite that the rest needs (`isRequired`); sets the exit code. */
export const runSuites = async (suites) => {
  const began = performance.now()
  const done = []
  for (const suite of suites) {
    const result = await runOne(suite)
    done.push(result)
    if (suite.isRequired && result.counts.failed > 0) break
  }
  const total = sum(done.map((result) => result.counts))
  console.log(`\n${done.map(row).join('\n')}`)
  console.log(`in ${duration(performance.now() - began)}`)
  if (total.skipped > 0 && isCi) console.log('Skipped tests count as failed under CI=true.')
  console.log(`${total.passed} passed, ${total.failed} failed`)
  process.exitCode = total.failed === 0 ? 0 : 1
}
