import { BrokerError } from '@millrace/codec'
import { DedupWindow, idBytes } from '../../src/queue/dedup-window.ts'
import { DEDUP_BYTES_MAX, DEDUP_IDS_MAX } from '../../src/queue/limits.ts'
import type { OpenBatch, StoredWaiter } from '../../src/queue/open-batch.ts'

const batch = () => {
  const waiters: StoredWaiter[] = []
  return {
    waiters,
    awaitedBy: (waiter: StoredWaiter) => waiters.push(waiter),
  } as never as OpenBatch
}

const stored = ({ waiters }: OpenBatch): void => {
  for (const waiter of waiters) waiter.stored()
}

const refused = ({ waiters }: OpenBatch): void => {
  for (const waiter of waiters) waiter.refused(new BrokerError('ERR_STORAGE_FULL', ['x']))
}

describe('a window of message ids', () => {
  it('knows an id for its time, and no longer', () => {
    const window = new DedupWindow()
    expect(window.isRepeat('a', 0, 100)).toBe(false)
    window.enter('a', 0)
    expect(window.isRepeat('a', 99, 100)).toBe(true)
    expect(window.isRepeat('a', 100, 100)).toBe(false)
    window.enter('a', 100)
    expect(window.isRepeat('a', 150, 100)).toBe(true)
  })

  it('knows an id no longer that stands behind a younger one', () => {
    const window = new DedupWindow()
    window.enter('young', 50)
    window.enter('old', 10)
    expect(window.isRepeat('old', 109, 100)).toBe(true)
    expect(window.isRepeat('old', 110, 100)).toBe(false)
    expect(window.isRepeat('young', 110, 100)).toBe(true)
  })

  it('knows where an original is until it is stored', () => {
    const window = new DedupWindow()
    const one = batch()
    window.stores('a', one, 0)
    expect(window.batchOf('a')).toBe(one)
    stored(one)
    expect(window.batchOf('a')).toBeUndefined()
    expect(window.isRepeat('a', 1, 100)).toBe(true)
  })

  it('forgets what was refused', () => {
    const window = new DedupWindow()
    const one = batch()
    window.stores('a', one, 0)
    refused(one)
    expect(window.isRepeat('a', 1, 100)).toBe(false)
  })

  it('leaves an original alone whose window passed before it was stored', () => {
    const window = new DedupWindow()
    const first = batch()
    const second = batch()
    window.stores('a', first, 0)
    window.stores('a', second, 100)
    refused(first)
    expect(window.batchOf('a')).toBe(second)
    expect(window.isRepeat('a', 101, 100)).toBe(true)
  })

  it('knows what it was not asked about when that is stored, whatever came before', () => {
    const window = new DedupWindow()
    const one = batch()
    window.notes('a', one, 0)
    expect(window.isRepeat('a', 1, 100)).toBe(false)
    stored(one)
    expect(window.isRepeat('a', 1, 100)).toBe(true)
    const other = batch()
    window.notes('a', other, 1)
    refused(other)
    expect(window.isRepeat('a', 1, 100)).toBe(true)
  })

  it('gives up the oldest when there are too many', () => {
    const window = new DedupWindow()
    for (let id = 0; id < DEDUP_IDS_MAX; id++) window.enter(`${id}`, 0)
    expect(window.isRepeat('0', 0, 100)).toBe(true)
    window.enter('one more', 0)
    expect(window.count).toBe(DEDUP_IDS_MAX)
    expect(window.isRepeat('0', 0, 100)).toBe(false)
    expect(window.isRepeat('1', 0, 100)).toBe(true)
  })

  it('gives up the oldest when they are too long together', () => {
    const window = new DedupWindow()
    const long = 'x'.repeat(DEDUP_BYTES_MAX / 4 - 1)
    expect(idBytes(`0${long}`) * 4).toBe(DEDUP_BYTES_MAX)
    for (let id = 0; id < 4; id++) window.enter(`${id}${long}`, 0)
    // What comes again takes the place that it had.
    window.enter(`3${long}`, 0)
    expect(window.count).toBe(4)
    window.enter('', 0)
    expect(window.count).toBe(5)
    window.enter('y', 0)
    expect(window.count).toBe(5)
    expect(window.isRepeat(`0${long}`, 0, 100)).toBe(false)
    expect(window.isRepeat(`1${long}`, 0, 100)).toBe(true)
  })
})
