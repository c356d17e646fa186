/** The bench still runs: every question, with small counts. What it measures so is worth nothing. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { UsageError, parseArguments } from '../dist/bench/arguments.js'
import { judge } from '../dist/bench/question.js'
import { latenciesOf, median, ratiosOf, spreadOf } from '../dist/bench/statistics.js'
import { sectionLines } from '../dist/bench/report.js'
import { AmqpFrameBuffer } from '../dist/bench/tasks/amqp-frame-buffer.js'
import {
  ackTag,
  deliveryTag,
  isAckMultiple,
  methodFrame,
  methods,
  publishFrames,
  shortText,
  uint64,
  uint8,
  writeAckUpTo,
} from '../dist/bench/tasks/amqp-frames.js'
import { ConfirmWindow } from '../dist/bench/tasks/confirm-window.js'
import { consumeAmqp } from '../dist/bench/tasks/consume-amqp.js'
import { paceAmqp } from '../dist/bench/tasks/pace-amqp.js'
import { produceAmqp } from '../dist/bench/tasks/produce-amqp.js'
import { serveAmqp } from '../dist/bench/tasks/serve-amqp.js'
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

const QUICK_MS_MAX = 600_000

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

  it('leaves out what takes long unless told', () => {
    assert.equal(parseArguments([], known).isDeep, false)
    assert.equal(parseArguments(['--deep'], known).isDeep, true)
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

describe('the load without an AMQP library', () => {
  const cut = (chunks) => {
    const frames = []
    const buffer = new AmqpFrameBuffer((bytes, at) => {
      const end = at + 8 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(at + 3)
      frames.push(Buffer.from(bytes.subarray(at, end)).toString('hex'))
    })
    for (const chunk of chunks) buffer.push(chunk)
    return frames
  }

  it('finds the same frames byte by byte, all at once and cut anywhere', () => {
    const expected = ['0100010000000201 02ce', '03000100000000ce', '0200010000000103ce'].map(
      (one) => one.replace(' ', ''),
    )
    const bytes = Buffer.from(expected.join(''), 'hex')
    assert.deepEqual(cut([bytes]), expected)
    assert.deepEqual(cut([...bytes].map((byte) => Uint8Array.of(byte))), expected)
    for (let at = 1; at < bytes.length; at++) {
      assert.deepEqual(cut([bytes.subarray(0, at), bytes.subarray(at)]), expected, `at ${at}`)
    }
  })

  it('writes a publication of three frames field by field', () => {
    const payload = Uint8Array.of(7, 8)
    const hexOf = (isPersistent) =>
      Buffer.from(publishFrames('ex', 'key', { payload, isPersistent })).toString('hex')
    const place = '0000' + '026578' + '036b6579' + '00'
    const method = `010001${'0000000e'}003c0028${place}ce`
    const body = `03000100000002${'0708'}ce`
    const header = '003c0000' + '0000000000000002'
    assert.equal(hexOf(true), `${method}0200010000000f${header}${'1000'}${'02'}ce${body}`)
    assert.equal(hexOf(false), `${method}0200010000000e${header}${'0000'}ce${body}`)
  })

  it('writes and reads an acknowledgement up to a tag beyond 32 bits', () => {
    const tag = 2 ** 40 + 3
    const ack = new Uint8Array(21)
    writeAckUpTo(ack, 0, tag)
    assert.equal(
      Buffer.from(ack).toString('hex'),
      `0100010000000d003c0050${'0000010000000003'}${'01'}ce`,
    )
    assert.deepEqual([ackTag(ack, 0), isAckMultiple(ack, 0)], [tag, true])
  })

  it("reads a delivery's tag behind the name of its consumer", () => {
    const rest = [uint64(12_345), uint8(0), shortText('exchange'), shortText('key')]
    const frame = methodFrame(methods.basicDeliver, [shortText('a-consumer'), ...rest])
    assert.equal(deliveryTag(frame, 0), 12_345)
  })

  it('counts a confirm once, singly, out of order and up to a tag', () => {
    const confirmed = []
    const window = new ConfirmWindow(10, (tag) => confirmed.push(tag))
    window.sent(8)
    assert.equal(window.room, 2)
    window.confirm(3, false)
    window.confirm(1, false)
    window.confirm(4, true)
    assert.deepEqual(confirmed, [3, 1, 2, 4])
    window.confirm(4, true)
    window.confirm(2, false)
    assert.equal(window.confirmedCount, 4)
    assert.equal(window.room, 6)
    assert.throws(() => window.confirm(9, false))
  })

  it('does not let a window run away from a confirm that is late', () => {
    const window = new ConfirmWindow(2)
    let sent = 0
    // Everything but the first is confirmed at once.
    while (window.room > 0 && sent < 100) {
      window.sent(1)
      sent += 1
      if (sent > 1) window.confirm(sent, false)
    }
    assert.equal(sent, 8)
    window.confirm(1, false)
    assert.equal(window.room, 2)
  })

  const message = { exchange: '', routingKeys: ['q', 'longer'], payloadBytes: 100 }
  const peerFor = async (connectionCount) => {
    let done
    const port = await new Promise((resolve, reject) => {
      done = serveAmqp({ connectionCount }, resolve)
      done.catch(reject)
    })
    return { port, done }
  }
  const consuming = async (parameters) => {
    let done
    await new Promise((resolve, reject) => {
      done = consumeAmqp(parameters, resolve)
      done.catch(reject)
    })
    return done
  }

  it('passes everything through a bare peer, confirmed and acknowledged', async () => {
    const { port, done } = await peerFor(2)
    const messageCount = 20_000
    const consumed = { port, queues: ['q'], messageCount, prefetchCount: 50, isAutoAck: false }
    const reports = []
    const load = { ...message, isPersistent: true, windowCount: 500, reportEveryCount: 5_000 }
    const [produced, { messageCount: count, payloadBytes, ackCount }] = await Promise.all([
      produceAmqp({ port, messageCount, ...load }, (progress) => reports.push(progress)),
      consuming(consumed),
    ])
    assert.equal(produced.messageCount, messageCount)
    assert.deepEqual([count, payloadBytes], [messageCount, messageCount * 100])
    // No acknowledgement is for more than what may be under way.
    assert.ok(ackCount >= messageCount / 50)
    assert.ok(reports.length >= 3 && reports.every((one, at) => one >= (at + 1) * 5_000))
    await done
  })

  it('passes everything through a bare peer, neither confirmed nor acknowledged', async () => {
    const { port, done } = await peerFor(2)
    const messageCount = 50_000
    const consumed = { port, queues: ['q'], messageCount, prefetchCount: 0, isAutoAck: true }
    const load = { ...message, isPersistent: false, windowCount: 0 }
    const [, { messageCount: count, ackCount }] = await Promise.all([
      produceAmqp({ port, messageCount, ...load }, () => undefined),
      consuming(consumed),
    ])
    assert.deepEqual([count, ackCount], [messageCount, 0])
    await done
  })

  for (const messagesPerSecond of [0, 4_000]) {
    it(`measures every confirm but the first, at ${messagesPerSecond} a second`, async () => {
      const { port, done } = await peerFor(1)
      const pace = { messageCount: 200, warmUpCount: 50, messagesPerSecond }
      const { confirmed, late } = await paceAmqp({ port, ...message, isPersistent: true, ...pace })
      assert.deepEqual([confirmed.count, late.count], [150, 150])
      assert.ok(confirmed.p50 > 0 && confirmed.p50 >= late.p50)
      await done
    })
  }
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
