import { History } from '@millrace/testing'
import type { AppendInput, InvariantViolation, LogContent, ObservedBatch } from '@millrace/testing'

const input = (sequence: number, more: Partial<AppendInput> = {}): AppendInput => ({
  log: 't/0',
  producer: 1,
  sequence,
  recordCount: 2,
  hash: 100 + sequence,
  durability: 'persisted',
  ...more,
})

const batch = (
  sequence: number,
  baseOffset: number,
  more: Partial<ObservedBatch> = {},
): ObservedBatch => ({
  baseOffset,
  nextOffset: baseOffset + 2,
  producer: 1,
  sequence,
  hash: 100 + sequence,
  recordCount: 2,
  ...more,
})

const content = (
  batches: readonly ObservedBatch[],
  more: Partial<LogContent> = {},
): LogContent => ({
  batches,
  earliestOffset: 0,
  highWatermark: 100,
  excused: [],
  ...more,
})

const invariantOf = (call: () => void): string => {
  try {
    call()
    return 'none'
  } catch (error) {
    return (error as InvariantViolation).invariant
  }
}

const withTwo = (): History => {
  const history = new History()
  history.acknowledge(history.invoke(input(0)), 0, 2)
  history.acknowledge(history.invoke(input(1)), 2, 4)
  return history
}

describe('History', () => {
  it('accepts a log that holds what was acknowledged', () => {
    const history = withTwo()
    history.checkContent('t/0', content([batch(0, 0), batch(1, 2)]))
  })

  it.each<[string, string, (history: History) => void]>([
    ['a lost acknowledged append', 'I1', (h) => h.checkContent('t/0', content([batch(0, 0)]))],
    ['a batch nobody sent', 'I2', (h) => h.observe('t/0', batch(9, 4), 100)],
    ['other content', 'I2', (h) => h.observe('t/0', batch(0, 0, { hash: 1 }), 100)],
    [
      'another count of records',
      'I2',
      (h) => h.observe('t/0', batch(0, 0, { nextOffset: 3 }), 100),
    ],
    ['an append of another log', 'I2', (h) => h.observe('t/1', batch(0, 0), 100)],
    ['an append at two offsets', 'I5', (h) => h.observe('t/0', batch(0, 6), 100)],
    [
      'an append twice in one read',
      'I6',
      (h) => h.checkContent('t/0', content([batch(0, 0), batch(0, 0)])),
    ],
    ['a read above the high watermark', 'HW', (h) => h.observe('t/0', batch(0, 0), 1)],
    ['an offset that names two appends', 'I4', (h) => h.acknowledge(h.invoke(input(2)), 3, 5)],
    [
      'a second answer',
      'I13',
      (h) => {
        const append = h.invoke(input(2))
        h.acknowledge(append, 4, 6)
        h.acknowledge(append, 4, 6)
      },
    ],
    [
      'a refused append that is read',
      'I2',
      (h) => {
        h.refuse(h.invoke(input(2)))
        h.observe('t/0', batch(2, 4), 100)
      },
    ],
    [
      'a persisted high watermark that falls',
      'HW',
      (h) => {
        h.seeHighWatermark('t/0', 4, 'persisted')
        h.seeHighWatermark('t/0', 3, 'persisted')
      },
    ],
  ])('finds %s', (_, invariant, call) => {
    expect(invariantOf(() => call(withTwo()))).toBe(invariant)
  })

  it('finds appends of one producer out of order', () => {
    const history = new History()
    history.acknowledge(history.invoke(input(0)), 2, 4)
    history.acknowledge(history.invoke(input(1)), 0, 2)
    expect(
      invariantOf(() => history.checkContent('t/0', content([batch(1, 0), batch(0, 2)]))),
    ).toBe('I3')
  })

  it('lets an append of unknown outcome be there or not, but always at one offset', () => {
    const history = withTwo()
    history.lose(history.invoke(input(2)))
    history.checkContent('t/0', content([batch(0, 0), batch(1, 2)]))
    history.checkContent('t/0', content([batch(0, 0), batch(1, 2), batch(2, 4)]))
    expect(invariantOf(() => history.observe('t/0', batch(2, 6), 100))).toBe('I5')
  })

  it('turns what was under way at a crash into unknown', () => {
    const history = new History()
    const append = history.invoke(input(0))
    history.crash()
    expect(append.state).toBe('unknown')
  })

  it('keeps the names of offsets across crashes', () => {
    const history = withTwo()
    history.crash()
    expect(invariantOf(() => history.acknowledge(history.invoke(input(2)), 2, 4))).toBe('I4')
  })

  it('excuses what lies in a range that was damaged, and nothing else', () => {
    const history = withTwo()
    history.checkContent('t/0', content([batch(1, 2)], { excused: [{ from: 0, to: 1 }] }))
    expect(
      invariantOf(() =>
        withTwo().checkContent('t/0', content([batch(1, 2)], { excused: [{ from: 2, to: 9 }] })),
      ),
    ).toBe('I1')
  })

  it('lets a memory log lose its appends in a crash, not without one', () => {
    const history = new History()
    history.acknowledge(history.invoke(input(0, { durability: 'memory' })), 0, 2)
    expect(invariantOf(() => history.checkContent('t/0', content([])))).toBe('I1')
    history.crash()
    history.checkContent('t/0', content([]))
    expect(invariantOf(() => history.acknowledge(history.invoke(input(1)), 0, 2))).toBe('I4')
  })

  it('lets an append go whose offset was not promised, and its offset name another', () => {
    const history = new History()
    const weak = input(0, { durability: 'memory', isOffsetPromised: false })
    history.acknowledge(history.invoke(weak), 0, 2)
    history.checkContent('t/0', content([]))
    history.acknowledge(history.invoke(input(1)), 0, 2)
    expect(invariantOf(() => history.observe('t/0', batch(0, 0), 100))).toBe('I4')
  })

  it('holds an offset that was read, whatever was promised', () => {
    const history = new History()
    const weak = input(0, { durability: 'memory', isOffsetPromised: false })
    history.acknowledge(history.invoke(weak), 0, 2)
    history.observe('t/0', batch(0, 0), 100)
    history.crash()
    expect(invariantOf(() => history.acknowledge(history.invoke(input(1)), 0, 2))).toBe('I4')
  })

  it('excuses a lost append for good', () => {
    const history = withTwo()
    history.checkContent('t/0', content([batch(1, 2)], { excused: [{ from: 0, to: 1 }] }))
    history.checkContent('t/0', content([batch(1, 2)]))
  })

  it('expects nothing of a log that was forgotten', () => {
    const history = withTwo()
    const late = history.invoke(input(2))
    history.forget('t/0')
    history.checkContent('t/0', content([]))
    history.observe('t/0', batch(7, 0), 100)
    history.checkContent('t/0', content([batch(7, 0)]))
    history.acknowledge(late, 0, 2)
  })

  it('lets an append be sent again, once refused, lost or unanswered, and be there once', () => {
    const history = new History()
    const refused = history.invoke(input(0))
    history.refuse(refused)
    history.resend(refused)
    history.acknowledge(refused, 0, 2)
    const lost = history.invoke(input(1))
    history.crash()
    history.resend(lost)
    expect(lost.state).toBe('pending')
    history.acknowledge(lost, 2, 4)
    history.resend(lost)
    expect(lost.state).toBe('acknowledged')
    const twice = content([batch(0, 0), batch(1, 2), batch(1, 4)])
    expect(invariantOf(() => history.checkContent('t/0', twice))).toBe('I5')
  })

  it('lets go of what may be removed, and never sees it again', () => {
    const history = withTwo()
    const mayBeRemoved = (): boolean => true
    history.checkContent('t/0', content([batch(1, 2)], { earliestOffset: 2, mayBeRemoved }))
    expect(invariantOf(() => history.observe('t/0', batch(0, 0), 100))).toBe('RET')
    history.forgiveRemovals()
    history.observe('t/0', batch(0, 0), 100)
    const kept = content([batch(1, 2)], { earliestOffset: 2, mayBeRemoved: () => false })
    expect(invariantOf(() => withTwo().checkContent('t/0', kept))).toBe('I1')
  })

  it('knows where a log begins, and that it never begins earlier', () => {
    const history = withTwo()
    history.seeEarliest('t/0', 2)
    expect(invariantOf(() => history.seeEarliest('t/0', 1))).toBe('RET')
  })

  it('takes a part of a batch for it where its records have keys, and nothing else', () => {
    const history = new History()
    const records = [7, 8].map((hash) => ({ key: 1, hash, isTombstone: false }))
    history.acknowledge(history.invoke(input(0, { records })), 0, 2)
    const part = (offset: number, hash: number): ObservedBatch =>
      batch(0, 0, { hash: 1, recordCount: 1, records: [{ offset, hash }] })
    history.observe('t/0', part(1, 8), 100)
    for (const wrong of [part(0, 8), part(1, 7), part(2, 8)])
      expect(invariantOf(() => history.observe('t/0', wrong, 100))).toBe('I2')
    const covered = batch(0, 0, { hash: 1, recordCount: 0, producer: 0xffff_ffff })
    history.checkContent('t/0', content([covered], { isCompacted: true }))
    expect(invariantOf(() => history.checkContent('t/0', content([covered])))).toBe('I1')
  })
})
