/** The bench still runs: every question, with small counts. What it measures so is worth nothing. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { UsageError, parseArguments } from '../dist/bench/arguments.js'
import { judge } from '../dist/bench/question.js'
import { latenciesOf, median, ratiosOf, spreadOf } from '../dist/bench/statistics.js'
import { costsOf } from '../dist/bench/profile-summary.js'
import { inRoot } from '../lib/workspace.mjs'

const main = inRoot('tools', 'dist', 'bench', 'main.js')
const runBench = async (...parameters) =>
  (await promisify(execFile)(process.execPath, [main, ...parameters])).stdout

const QUICK_MS_MAX = 180_000

describe('the bench, quick', () => {
  it('answers every question with rows, and judges none', { timeout: QUICK_MS_MAX }, async () => {
    const names = (await runBench('--list'))
      .trim()
      .split('\n')
      .map((line) => line.split(':')[0])
    const report = JSON.parse(await runBench('--quick', '--json'))
    assert.deepEqual(report.failures, [])
    assert.deepEqual(
      report.sections.map(({ name }) => name),
      names,
    )
    assert.equal(report.isQuick, true)
    for (const { name, rows, syncBefore, syncAfter } of report.sections) {
      assert.ok(rows.length > 0, name)
      assert.ok(syncBefore.count > 0 && syncAfter.count > 0, name)
      for (const { label, measured, target, verdict } of rows) {
        assert.ok(Number.isFinite(measured.median) && measured.median >= 0, label)
        assert.ok(target.value > 0, label)
        assert.equal(verdict, undefined, label)
      }
    }
  })
})

describe('the command line of the bench', () => {
  const known = ['produce', 'start']

  it('asks everything when nothing is said', () => {
    const given = parseArguments([], known)
    assert.deepEqual([given.only, given.isQuick, given.repeats], [[], false, undefined])
  })

  it('takes questions by name', () => {
    assert.deepEqual(parseArguments(['--only', 'start', '--only', 'produce'], known).only, [
      'start',
      'produce',
    ])
  })

  for (const argv of [['--only', 'nothing'], ['--repeats', '0'], ['--what'], ['more']]) {
    it(`refuses ${argv.join(' ')}`, () => {
      assert.throws(() => parseArguments(argv, known), UsageError)
    })
  }
})

describe('a verdict', () => {
  const rowOf = (bound, value, ...runs) => ({ target: { bound, value }, measured: spreadOf(runs) })

  it('goes by the median of the runs', () => {
    assert.deepEqual(judge(rowOf('at least', 0.5, 0.1, 0.6, 0.7)), { kind: 'met' })
    assert.deepEqual(judge(rowOf('at most', 3, 2.9, 3, 90)), { kind: 'met' })
  })

  it('says by how much a target is missed, of the target', () => {
    assert.deepEqual(judge(rowOf('at least', 0.5, 0.25)), { kind: 'missed', byPercent: 50 })
    assert.deepEqual(judge(rowOf('at most', 100, 150)), { kind: 'missed', byPercent: 50 })
  })
})

describe('statistics', () => {
  it('takes the middle of an odd and of an even number of runs', () => {
    assert.equal(median([3, 1, 2]), 2)
    assert.equal(median([4, 1, 2, 3]), 2.5)
  })

  it('compares run by run', () => {
    assert.deepEqual(ratiosOf([1, 6], [2, 3]), [0.5, 2])
  })

  it('takes for p99 the value that 99 of 100 samples do not exceed', () => {
    const { p50, p99, max } = latenciesOf(Array.from({ length: 100 }, (_, index) => 100 - index))
    assert.deepEqual([p50, p99, max], [50, 99, 100])
  })
})

describe('a profile', () => {
  it('is summed up by function, without idle time', () => {
    const frame = (functionName) => ({ functionName, url: '', lineNumber: 0 })
    const nodes = ['work', '(idle)', 'other'].map((name, id) => ({ id, callFrame: frame(name) }))
    const costs = costsOf({ nodes, samples: [0, 1, 2, 0], timeDeltas: [10, 1000, 10, 20] })
    assert.deepEqual(costs, [
      { name: 'work', share: 0.75 },
      { name: 'other', share: 0.25 },
    ])
  })
})
