/** The runner says the truth in its last line and in its exit code. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { judge, settle, sum } from '../lib/counts.mjs'
import { inRoot } from '../lib/workspace.mjs'

const counts = (passed, failed = 0, skipped = 0) => ({ passed, failed, skipped })

const runSuites = (suites, env = { CI: '' }) => {
  const module = JSON.stringify(inRoot('tools', 'lib', 'run-suites.mjs'))
  const code = `
    import { runSuites } from ${module}
    await runSuites([${suites.join(', ')}])`
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  return { status, last: stdout.trimEnd().split('\n').at(-1), stdout }
}

const suite = (result, more = 'hasTests: true') =>
  `{ name: 'suite', ${more}, run: async () => (${JSON.stringify(result)}) }`

describe('the closing line', () => {
  it('adds up the tests of every suite and exits 0', () => {
    const { status, last } = runSuites([suite(counts(2)), suite(counts(3))])
    assert.deepEqual([status, last], [0, '5 passed, 0 failed'])
  })

  it('exits 1 when a test failed', () => {
    const { status, last } = runSuites([suite(counts(2, 1)), suite(counts(3))])
    assert.deepEqual([status, last], [1, '5 passed, 1 failed'])
  })

  it('fails a suite that ran no test', () => {
    const { status, last } = runSuites([suite(counts(0))])
    assert.deepEqual([status, last], [1, '0 passed, 1 failed'])
  })

  it('fails a suite that throws', () => {
    const { status, last } = runSuites([
      "{ name: 'suite', hasTests: true, run: async () => { throw new Error('no') } }",
    ])
    assert.deepEqual([status, last], [1, '0 passed, 1 failed'])
  })

  it('fails skipped tests under CI and only there', () => {
    const skipping = [suite(counts(1, 0, 2))]
    assert.equal(runSuites(skipping).status, 0)
    const { status, last } = runSuites(skipping, { CI: 'true' })
    assert.deepEqual([status, last], [1, '1 passed, 2 failed'])
  })

  it('stops after a failure of what the rest needs', () => {
    const { status, last } = runSuites([suite(counts(0, 1), 'isRequired: true'), suite(counts(3))])
    assert.deepEqual([status, last], [1, '0 passed, 1 failed'])
  })

  it('names each suite with its duration', () => {
    assert.match(runSuites([suite(counts(2))]).stdout, /suite: passed in \d+\.\d s/)
  })
})

describe('a program that is run', () => {
  const runner = JSON.stringify(inRoot('tools', 'lib', 'command.mjs'))

  const script = (options, body) => `
    import { runNode } from ${runner}
    const result = await runNode(['-e', ${JSON.stringify(body)}], ${options})
    console.log('code', result.code, JSON.stringify(result.counts))`

  it('gives its code and the counts of its last RESULT line', () => {
    const body = `console.log('RESULT {"passed":1}\\nmore\\nRESULT {"passed":2,"failed":1}')
      process.exitCode = 3`
    const { stdout } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', script('{}', body)],
      { encoding: 'utf8' },
    )
    assert.match(stdout, /code 3 {"passed":2,"failed":1}\n$/)
  })

  it('is ended with all that it started when its time is over', async () => {
    const body = `
      const child = require('node:child_process').spawn('sleep', ['600'])
      console.log('sleeper', child.pid)`
    const { stdout } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', script('{ minutesMax: 0.01 }', body)],
      { encoding: 'utf8', timeout: 60_000 },
    )
    assert.match(stdout, /not done in 0\.01 min/)
    const sleeper = Number(/sleeper (\d+)/.exec(stdout)[1])
    // Gone, or dead and not yet collected.
    const state = spawnSync('ps', ['-o', 'stat=', '-p', sleeper], { encoding: 'utf8' }).stdout
    assert.match(state.trim(), /^(Z.*)?$/)
  })
})

describe('counting', () => {
  it('takes a failing exit code for a failure that was not counted', () => {
    assert.deepEqual(settle({ code: 1, counts: counts(4) }), counts(4, 1))
    assert.deepEqual(settle({ code: 1, counts: counts(4, 2) }), counts(4, 2))
    assert.deepEqual(settle({ code: 1, counts: undefined }), counts(0, 1))
    assert.deepEqual(settle({ code: 0, counts: undefined }), counts(0))
  })

  it('adds nothing to a suite without tests', () => {
    assert.deepEqual(judge(counts(0), { isCi: true, hasTests: false }), counts(0))
    assert.deepEqual(sum([]), counts(0))
  })
})
