/**
 * A Jest reporter that leaves the counts in `test-results/jest.json` of the package, where the runner
 * adds them up; Nx keeps the file with the cached result.
 */
const { mkdirSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')

class JestResults {
  constructor(globalConfig) {
    this.file = join(globalConfig.rootDir, 'test-results', 'jest.json')
  }

  onRunComplete(_contexts, results) {
    const counts = {
      passed: results.numPassedTests,
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
    }
    mkdirSync(join(this.file, '..'), { recursive: true })
    writeFileSync(this.file, `${JSON.stringify(counts)}\n`)
  }
}

module.exports = JestResults
