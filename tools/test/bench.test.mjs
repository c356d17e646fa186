/** The bench still runs: every question, with small counts. What it measures so is worth nothing. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { UsageError, parseArguments } from '../dist/bench/arguments.js'
import { judge } from '../dist/bench/question.js'
import { latenciesOf, median, ratiosOf, spreadOf } from '../dist/bench/statistics.js'
import { sectionLines } from '../dist/bench/report.js'
import { FrameSplitter } from '../dist/bench/tasks/frame-splitter.js'
import {
  errorPositionFor,
  produceAnswerFor,
  produceFrameFor,
} from '../dist/bench/tasks/kafka-frames.js'
import { partitionsOf } from '../dist/bench/tasks/produce-partitions.js'
import { costsOf } from '../dist/bench/profile-summary.js'
import { inRoot } from '../lib/workspace.mjs'

const main = inRoot('tools', 'dist', 'bench', 'main.js')
const runBench = async (...parameters) =>
  (await promisify(execFile)(process.execPath, [main, ...parameters])).stdout

const QUICK_MS_MAX = 300_000

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
        assert.ok(target === undefined || target.value > 0, label)
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

describe('a row of the report', () => {
  const latencies = { p50: 1, p99: 1, p999: 1, max: 1, count: 1 }
  const linesOf = (row) =>
    sectionLines({ rows: [row], syncBefore: latencies, syncAfter: latencies, seconds: 1 }, false)

  it('has no verdict without a target', () => {
    const row = { label: 'logins', unit: 'logins/s', measured: spreadOf([12_345]), facts: [] }
    assert.equal(linesOf(row).at(-1), '    12,345 logins/s, target -: -')
  })

  it('says CPU in seconds a GB and in microseconds', () => {
    const target = { bound: 'at most', value: 2.5 }
    const gigabyte = { label: 'in', unit: 's/GB', measured: spreadOf([2]), target, facts: [] }
    assert.equal(linesOf(gigabyte).at(-1), '    2.00 s/GB, target at most 2.50 s/GB: met')
    assert.equal(
      linesOf({ ...gigabyte, unit: 'µs' }).at(-1),
      '    2.0 µs, target at most 2.5 µs: met',
    )
  })
})

describe('the load without a Kafka library', () => {
  const seen = (chunks) => {
    const frames = []
    const splitter = new FrameSplitter((bytes, at) => {
      const end = at + 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(at)
      frames.push(Buffer.from(bytes.subarray(at, end)).toString('hex'))
    })
    for (const chunk of chunks) splitter.push(chunk)
    return frames
  }

  it('finds the same frames byte by byte, all at once and cut anywhere', () => {
    const bytes = Buffer.from('00000002aabb00000000000000' + '03ccddee', 'hex')
    const expected = ['00000002aabb', '00000000', '00000003ccddee']
    assert.deepEqual(seen([bytes]), expected)
    assert.deepEqual(seen([...bytes].map((byte) => Uint8Array.of(byte))), expected)
    for (let cut = 1; cut < bytes.length; cut++) {
      assert.deepEqual(seen([bytes.subarray(0, cut), bytes.subarray(cut)]), expected, `at ${cut}`)
    }
  })

  it('writes a Produce request of version 7 field by field', () => {
    const frame = Buffer.from(produceFrameFor('a-topic', 100))
    assert.equal(frame.readInt32BE(0), frame.length - 4)
    assert.deepEqual([frame.readInt16BE(4), frame.readInt16BE(6)], [0, 7])
    const head = '0005' + Buffer.from('bench').toString('hex') + 'ffff' + 'ffff' + '00007530'
    const topic = '00000001' + '0007' + Buffer.from('a-topic').toString('hex')
    const start = `${head}${topic}0000000100000000`
    assert.equal(frame.toString('hex', 12, 12 + start.length / 2), start)
    const batchAt = 12 + start.length / 2 + 4
    assert.equal(frame.readInt32BE(batchAt - 4), frame.length - batchAt)
    // A batch: base offset, length, epoch, magic 2.
    assert.equal(frame.readInt32BE(batchAt + 8), frame.length - batchAt - 12)
    assert.equal(frame[batchAt + 16], 2)
  })

  it('looks for the error where an answer has it', () => {
    const answer = Buffer.from(produceAnswerFor('a-topic'))
    assert.equal(answer.readInt32BE(0), answer.length - 4)
    assert.equal(answer.readInt32BE(17 + 4), 1, 'one partition')
    // Behind the number of partitions and the index of this one.
    assert.equal(errorPositionFor('a-topic'), 21 + 4 + 4)
    assert.equal(answer.length, errorPositionFor('a-topic') + 2 + 8 + 8 + 8 + 4)
  })
})

describe('partitions shared by several connections', () => {
  it('belong to one each, all of them', () => {
    const width = { partitionCount: 6, connectionCount: 3 }
    const shares = [0, 1, 2].map((index) => partitionsOf(width, index))
    assert.deepEqual(shares, [
      [0, 1],
      [2, 3],
      [4, 5],
    ])
  })
})
