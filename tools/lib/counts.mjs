/** Counts of tests: `{ passed, failed, skipped }`, and the rules that make a run a failure. */
import { existsSync } from 'node:fs'
import { readJson } from './workspace.mjs'

export const none = { passed: 0, failed: 0, skipped: 0 }

export const sum = (all) =>
  all.reduce(
    (total, counts) => ({
      passed: total.passed + counts.passed,
      failed: total.failed + counts.failed,
      skipped: total.skipped + counts.skipped,
    }),
    none,
  )

/** The counts in a result file; a runner that left none has failed before it could count. */
export const countsIn = (file) =>
  existsSync(file) ? { ...none, ...readJson(file) } : { ...none, failed: 1 }

/** A program that failed without counting a failure is one. */
export const settle = ({ code, counts }) => {
  const known = { ...none, ...counts }
  return code !== 0 && known.failed === 0 ? { ...known, failed: 1 } : known
}

/** A suite of tests that ran none has failed, and under CI so has each test that was skipped. */
export const judge = (counts, { isCi, hasTests }) => {
  const empty = hasTests && counts.passed + counts.failed === 0 ? 1 : 0
  const skipped = isCi ? counts.skipped : 0
  return { ...counts, failed: counts.failed + empty + skipped }
}
