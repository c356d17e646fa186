import { batchBaseOffset, batchLeaderEpoch, isBrokerError } from '@millrace/codec'
import { OFFSET_MAX } from '../../src/log/limits.ts'
import { Log } from '../../src/log/log.ts'
import type { StoredBatch } from '../../src/log/stored-batch.ts'
import { batchOf } from '../support/node.ts'

const newLog = (segmentBytes = 1_000, segmentMs = 1_000): Log =>
  new Log(
    {
      id: 1,
      directory: '/l/1',
      isVolatile: false,
      epoch: 4,
      earliestOffset: 0,
      nextOffset: 0,
      ceiling: 0,
      segments: [],
    },
    { segmentBytes, segmentMs },
  )

const accept = (log: Log, count = 1, nowMs = 0, bytes = batchOf(['.'.repeat(200)])): StoredBatch =>
  log.accept({ bytes, slab: undefined, recordCount: count, maxTimestamp: 0 }, nowMs, undefined)

describe('a log', () => {
  it('gives offsets without a gap and writes them, with the epoch, into the batch', () => {
    const log = newLog()
    const batches = [accept(log, 3), accept(log, 2)]
    expect(batches.map((batch) => batch.baseOffset)).toEqual([0, 3])
    expect(log.nextOffset).toBe(5)
    expect(batchBaseOffset(batches[1]?.bytes ?? new Uint8Array())).toBe(3)
    expect(batchLeaderEpoch(batches[1]?.bytes ?? new Uint8Array())).toBe(4)
    expect(log.highWatermark).toBe(0)
  })

  it('rolls when the next batch would pass the size, not before', () => {
    const bytes = batchOf(['.'.repeat(200)])
    const fits = newLog(2 * bytes.length)
    accept(fits)
    accept(fits)
    expect(fits.segments).toHaveLength(1)
    accept(fits)
    expect(fits.segments.map((segment) => segment.baseOffset)).toEqual([0, 2])
    expect(fits.segments[0]?.isSealed).toBe(true)
    const tooSmall = newLog(2 * bytes.length - 1)
    accept(tooSmall)
    accept(tooSmall)
    expect(tooSmall.segments).toHaveLength(2)
  })

  it('rolls by age at the next append, never an empty segment', () => {
    const log = newLog(1 << 20, 1_000)
    accept(log, 1, 0)
    accept(log, 1, 999)
    expect(log.segments).toHaveLength(1)
    accept(log, 1, 1_000)
    expect(log.segments).toHaveLength(2)
  })

  it('does not roll by age when the clock jumps back', () => {
    const log = newLog(1 << 20, 1_000)
    accept(log, 1, 10_000)
    accept(log, 1, 0)
    expect(log.segments).toHaveLength(1)
  })

  it('ends where offsets do', () => {
    const log = newLog()
    log.nextOffset = OFFSET_MAX - 1
    accept(log)
    try {
      accept(log)
      throw new Error('it was accepted')
    } catch (error) {
      expect(isBrokerError(error) && error.code).toBe('ERR_LIMIT_EXCEEDED')
    }
  })

  it('finds the segment of an offset, and the first one behind a gap', () => {
    const log = newLog(1)
    for (let count = 0; count < 5; count++) accept(log, 10)
    expect(log.segmentAt(0)?.baseOffset).toBe(0)
    expect(log.segmentAt(19)?.baseOffset).toBe(10)
    expect(log.segmentAt(20)?.baseOffset).toBe(20)
    expect(log.segmentAt(999)?.baseOffset).toBe(40)
    log.segments.shift()
    expect(log.segmentAt(0)?.baseOffset).toBe(10)
    expect(log.segmentAfter(log.segments[0] as never)?.baseOffset).toBe(20)
  })
})

describe('taking back', () => {
  it('undoes a batch and all after it, newest first, with the segments they began', () => {
    const log = newLog(600)
    const batches = Array.from({ length: 6 }, () => accept(log, 2))
    const bytes = batches[0]?.bytes.length ?? 0
    const taken = log.takeBackFrom(batches[1] as StoredBatch)
    expect(taken.batches.map((batch) => batch.baseOffset)).toEqual([10, 8, 6, 4, 2])
    expect(taken.segments.map((segment) => segment.baseOffset)).toEqual([8, 4])
    expect(taken.batches.every((batch) => batch.isRefused)).toBe(true)
    expect(log.nextOffset).toBe(2)
    expect(log.segments).toHaveLength(1)
    expect(log.activeSegment?.isSealed).toBe(false)
    expect(log.activeSegment?.sizeBytes).toBe(bytes)
    expect(log.unflushedBytes).toBe(bytes)
    expect(accept(log).baseOffset).toBe(2)
  })

  it('knows which of them were flushed', () => {
    const log = newLog(1 << 20)
    const batches = Array.from({ length: 4 }, () => accept(log))
    const bytes = batches[0]?.bytes.length ?? 0
    log.flushedCount = 3
    log.unflushedBytes = bytes
    const segment = log.activeSegment
    if (segment === undefined) throw new Error('no segment')
    segment.flushedBytes = 3 * bytes
    log.takeBackFrom(batches[2] as StoredBatch)
    expect(log.flushedCount).toBe(2)
    expect(log.unflushedBytes).toBe(0)
    expect(segment.flushedBytes).toBe(2 * bytes)
    expect(segment.sizeBytes).toBe(2 * bytes)
  })

  it('keeps the first segment of a log', () => {
    const log = newLog()
    log.takeBackFrom(accept(log))
    expect(log.segments).toHaveLength(1)
    expect(log.nextOffset).toBe(0)
  })
})

describe('gaps', () => {
  it('are found by any offset in them, and not told twice', () => {
    const log = newLog()
    expect(log.addGap({ from: 10, to: 20 })).toBe(true)
    expect(log.addGap({ from: 12, to: 20 })).toBe(false)
    expect(log.addGap({ from: 5, to: 5 })).toBe(false)
    expect(log.gapAt(9)).toBeUndefined()
    expect(log.gapAt(10)).toEqual({ from: 10, to: 20 })
    expect(log.gapAt(19)).toEqual({ from: 10, to: 20 })
    expect(log.gapAt(20)).toBeUndefined()
  })
})

describe('what is flushed ahead of its promise', () => {
  it('is not counted as stored', () => {
    const log = newLog(1 << 20)
    for (let count = 0; count < 4; count++) accept(log)
    log.flushedCount = 3
    log.advance(2)
    expect(log.flushedVisibleCount).toBe(2)
    expect(log.isFlushedAhead).toBe(true)
    log.advance(4)
    expect(log.flushedVisibleCount).toBe(3)
    expect(log.isFlushedAhead).toBe(false)
  })
})
