import { BrokerError } from '@millrace/codec'
import { DedupWindow } from '../../src/queue/dedup-window.ts'
import { DEDUP_IDS_MAX } from '../../src/queue/limits.ts'
import type { OpenBatch, StoredWaiter } from '../../src/queue/open-batch.ts'

const batch = () => ({ waiters: [] as StoredWaiter[] }) as unknown as OpenBatch

describe('a window of message ids', () => {
  it('knows an id for its time, and no longer', () => {
    const window = new DedupWindow()
    expect(window.isRepeat('a', 0, 100)).toBe(false)
    expect(window.isRepeat('a', 99, 100)).toBe(true)
    expect(window.isRepeat('a', 100, 100)).toBe(false)
    expect(window.isRepeat('a', 150, 100)).toBe(true)
  })

  it('knows where an original is until it is stored', () => {
    const window = new DedupWindow()
    const one = batch()
    window.isRepeat('a', 0, 100)
    window.stores('a', one)
    expect(window.batchOf('a')).toBe(one)
    for (const waiter of one.waiters) waiter.stored()
    expect(window.batchOf('a')).toBeUndefined()
    expect(window.isRepeat('a', 1, 100)).toBe(true)
  })

  it('forgets what was refused', () => {
    const window = new DedupWindow()
    const one = batch()
    window.isRepeat('a', 0, 100)
    window.stores('a', one)
    for (const waiter of one.waiters) waiter.refused(new BrokerError('ERR_STORAGE_FULL', ['x']))
    expect(window.isRepeat('a', 1, 100)).toBe(false)
  })

  it('gives up the oldest when there are too many', () => {
    const window = new DedupWindow()
    for (let id = 0; id < DEDUP_IDS_MAX; id++) window.isRepeat(`${id}`, 0, 100)
    expect(window.isRepeat('1', 0, 100)).toBe(true)
    window.isRepeat('one more', 0, 100)
    window.isRepeat('another', 0, 100)
    expect(window.isRepeat('0', 0, 100)).toBe(false)
  })
})
