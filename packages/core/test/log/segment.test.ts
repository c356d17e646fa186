import { Segment, parseSegmentFileName, segmentFileName } from '../../src/log/segment.ts'
import { journalFileName, parseJournalFileName } from '../../src/log/journal-file.ts'

describe('the names of segment files', () => {
  it('sort as their offsets do and are read back', () => {
    const offsets = [0, 1, 9, 10, 4_294_967_296, Number.MAX_SAFE_INTEGER]
    const names = offsets.map((offset) => segmentFileName(offset, 'log'))
    expect([...names].sort()).toEqual(names)
    expect(names[1]).toBe('00000000000000000001.log')
    for (const [index, name] of names.entries())
      expect(parseSegmentFileName(name)).toEqual({ baseOffset: offsets[index], kind: 'log' })
  })

  it.each([
    '1.log',
    '000000000000000000001.log',
    '0000000000000000000x.log',
    '00000000000000000001.log.tmp',
    ' 00000000000000000001.log',
    '00000000000000000001.LOG',
    '00000000000000000001.',
    '99999999999999999999.log',
    '..',
    '',
  ])('%j is nobody of ours', (name) => {
    expect(parseSegmentFileName(name)).toBeUndefined()
  })

  it('are read strictly for journal files too, however many there were', () => {
    expect(parseJournalFileName(journalFileName(1))).toBe(1)
    expect(parseJournalFileName(journalFileName(1_000_000))).toBe(1_000_000)
    for (const name of ['1.journal', '000001.journal.tmp', '00001.journal', 'x00001.journal'])
      expect(parseJournalFileName(name)).toBeUndefined()
  })
})

describe('a segment', () => {
  const segment = (): Segment =>
    new Segment({ baseOffset: 5, directory: '/d', sizeBytes: 0, startedAtMs: 0, isCreated: false })

  it('names its files', () => {
    expect(segment().path).toBe('/d/00000000000000000005.log')
    expect(segment().pathOf('timeindex')).toBe('/d/00000000000000000005.timeindex')
  })

  it('indexes batches only when it knows all before them', () => {
    const one = segment()
    const batch = (baseOffset: number) => ({
      baseOffset,
      nextOffset: baseOffset + 1,
      maxTimestamp: 1,
    })
    one.noteBatch(batch(5), 100, 50)
    expect(one.indexedBytes).toBe(0)
    one.noteBatch(batch(5), 0, 100)
    one.noteBatch(batch(6), 100, 50)
    expect(one.indexedBytes).toBe(150)
    one.dropIndex()
    expect(one.indexedBytes).toBe(0)
    expect(one.isIndexLoaded).toBe(false)
  })
})
