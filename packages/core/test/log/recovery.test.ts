/** Crash stories, one by one: what stands in the journal, and what must be made of it. */
import { writeFileInto, journalOf, type JournalText } from '../support/journal-text.ts'
import { newWorld, segmentFiles } from '../support/node.ts'
import { StoreBench, settings } from '../support/store.ts'

const open = async (texts: readonly JournalText[], seed = 1): Promise<StoreBench> => {
  const world = newWorld(seed)
  for (const [index, text] of texts.entries())
    await writeFileInto(world, index + 1, journalOf(text))
  return StoreBench.open(world)
}

const valuesOf = async (bench: StoreBench, id = 1): Promise<string[]> => {
  const log = bench.store.logs.get(id)
  if (log === undefined) throw new Error(`log ${id} is gone`)
  return bench.values(log)
}

const create = { kind: 'create', logId: 1 } as const
const append = (baseOffset: number, value: string, logId = 1) =>
  ({ kind: 'append', logId, baseOffset, value }) as const

describe('a torn tail', () => {
  it('is the first group that cannot be read, when nothing claims it', async () => {
    const bench = await open([
      {
        firstGroup: 1,
        groups: [
          { durable: 0, entries: [create, append(0, 'a')] },
          { durable: 1, entries: [append(1, 'b')], damage: 'header' },
        ],
      },
    ])
    expect(await valuesOf(bench)).toEqual(['a'])
    expect(bench.report).toMatchObject({ corruptGroups: 0, quarantinedRanges: 0 })
  })

  it('takes what follows it too: groups are durable in order', async () => {
    const bench = await open([
      {
        firstGroup: 1,
        groups: [
          { durable: 0, entries: [create, append(0, 'a')] },
          { durable: 1, entries: [append(1, 'b')], damage: 'payload' },
          { durable: 1, entries: [append(2, 'c')] },
        ],
      },
    ])
    expect(await valuesOf(bench)).toEqual(['a'])
    expect(bench.report).toMatchObject({ tornGroups: 2, corruptGroups: 0 })
  })

  it('gives its group number away once only: the next file begins with it', async () => {
    const bench = await open([
      {
        firstGroup: 1,
        groups: [
          { durable: 0, entries: [create, append(0, 'a')] },
          { durable: 1, entries: [append(1, 'torn')], damage: 'payload' },
          { durable: 1, entries: [append(2, 'whole, and after the torn one')] },
        ],
      },
      { firstGroup: 2, groups: [{ durable: 1, entries: [append(1, 'b')] }] },
    ])
    expect(await valuesOf(bench)).toEqual(['a', 'b'])
    expect(bench.report).toMatchObject({ corruptGroups: 0 })
  })
})

describe('a damaged group that another calls durable', () => {
  const damaged = (damage: 'header' | 'payload'): JournalText => ({
    firstGroup: 1,
    groups: [
      {
        durable: 0,
        entries: [create, { ...create, logId: 2 }, append(0, 'a'), append(0, 'other', 2)],
      },
      { durable: 1, entries: [append(1, 'b')], damage },
      { durable: 2, entries: [append(2, 'c')] },
    ],
  })

  it('is a gap in the log that was written to later, and the rest goes on', async () => {
    const bench = await open([damaged('header')])
    const log = bench.store.logs.get(1)
    expect(log?.gaps).toEqual([{ from: 1, to: 2 }])
    expect(log?.nextOffset).toBe(3)
    expect(bench.report).toMatchObject({ corruptGroups: 1 })
    await expect(bench.run(bench.store.reader.read(log as never, 1, 100))).rejects.toMatchObject({
      code: 'ERR_DATA_CORRUPT',
    })
    expect(await bench.values(log as never, 2)).toEqual(['c'])
  })

  it('makes every log without a later batch skip offsets: one may have been given out', async () => {
    const bench = await open([damaged('header')])
    const other = bench.store.logs.get(2)
    expect(other?.nextOffset).toBeGreaterThan(1_000_000)
    expect(other?.gaps[0]?.from).toBe(1)
  })

  it('gives no id of a log out that it may have given away', async () => {
    const bench = await open([damaged('header')])
    const log = bench.store.logs.create(settings, { isVolatile: false })
    expect(log.id).toBeGreaterThan(1_000_000)
  })

  it('loses only the entries whose payload is damaged', async () => {
    const bench = await open([damaged('payload')])
    expect(bench.store.logs.get(1)?.gaps).toEqual([{ from: 1, to: 2 }])
    expect(bench.store.logs.get(2)?.nextOffset).toBe(1)
  })

  it('is known when it is the last one and an empty group claims it', async () => {
    const bench = await open([
      {
        firstGroup: 1,
        groups: [
          { durable: 0, entries: [create, append(0, 'a')] },
          { durable: 1, entries: [append(1, 'b')], damage: 'header' },
          { durable: 2, entries: [] },
        ],
      },
    ])
    expect(bench.report.corruptGroups).toBe(1)
    expect(bench.store.logs.get(1)?.nextOffset).toBeGreaterThan(1_000_000)
  })

  it('that held the creation of a log does not take the log', async () => {
    const bench = await open([
      {
        firstGroup: 1,
        groups: [
          { durable: 0, entries: [create], damage: 'header' },
          { durable: 1, entries: [append(0, 'a')] },
          { durable: 2, entries: [] },
        ],
      },
    ])
    expect(await valuesOf(bench)).toEqual(['a'])
  })

  it('leaves its journal file for a person, not for another use', async () => {
    const bench = await open([damaged('header')])
    const log = bench.store.logs.get(1)
    if (log === undefined) throw new Error('the log is gone')
    for (let count = 0; count < 3; count++) {
      await bench.append(log, ['x'])
      await bench.run(bench.store.checkpoint())
    }
    const kept = bench.world.disk.files('/data').filter((path) => path.includes('/quarantine/'))
    expect(kept).toHaveLength(1)
  })
})

describe('a group of another time', () => {
  it('of an earlier use of the file is not believed: its checksum has another seed', async () => {
    const bench = await open([
      {
        firstGroup: 1,
        groups: [
          { durable: 0, entries: [create, append(0, 'a')] },
          { durable: 1, entries: [append(1, 'of an earlier use')], incarnation: 99 },
        ],
      },
    ])
    expect(await valuesOf(bench)).toEqual(['a'])
    expect(bench.report.corruptGroups).toBe(0)
  })

  it('with a lower number than its place allows is not believed', async () => {
    const bench = await open([
      {
        firstGroup: 5,
        groups: [
          { durable: 4, entries: [create, append(0, 'a')] },
          { durable: 4, entries: [append(1, 'again')], sequence: 5 },
        ],
      },
    ])
    expect(bench.store.logs.get(1)?.nextOffset).toBe(1)
  })
})

describe('the end of a log', () => {
  it('is final: what stands before its tombstone is not brought back', async () => {
    const bench = await open([
      {
        firstGroup: 1,
        groups: [
          { durable: 0, entries: [create, append(0, 'a')] },
          { durable: 1, entries: [{ kind: 'tombstone', logId: 1 }] },
          { durable: 2, entries: [] },
        ],
      },
    ])
    expect(bench.store.logs.get(1)).toBeUndefined()
    expect(bench.store.logs.create(settings, { isVolatile: false }).id).toBe(2)
  })
})

describe('a journal file', () => {
  it('whose header is unreadable is kept out and kept, never taken for a free one', async () => {
    const world = newWorld(1)
    const bytes = journalOf({ firstGroup: 1, groups: [{ durable: 0, entries: [create] }] })
    bytes.fill(0, 0, 8_192)
    await writeFileInto(world, 1, bytes)
    const bench = await StoreBench.open(world)
    const log = bench.store.logs.create(settings, { isVolatile: false })
    for (let count = 0; count < 2; count++) {
      await bench.append(log, ['x'])
      await bench.run(bench.store.checkpoint())
    }
    expect(world.disk.files('/data').filter((path) => path.includes('/quarantine/'))).toHaveLength(
      1,
    )
  })

  it('that a dead process left without syncing its name is not used before that is done', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const world = newWorld(seed)
      const first = await StoreBench.open(world)
      const file = await first.run(
        first.environment.disk.open('/data/journal/000050.journal', 'create'),
      )
      await first.run(file.write([new Uint8Array(64 * 1_024)], 0))
      world.kill()
      const second = await StoreBench.open(world)
      const log = second.store.logs.create(settings, { isVolatile: false })
      await second.append(log, ['acknowledged'])
      world.losePower()
      expect(await valuesOf(await StoreBench.open(world), log.id)).toEqual(['acknowledged'])
    }
  })

  it('that was never finished is removed, and a finished one without groups is used', async () => {
    const world = newWorld(1)
    await writeFileInto(world, 1, new Uint8Array(100))
    await writeFileInto(world, 2, new Uint8Array(64 * 1_024))
    const bench = await StoreBench.open(world)
    await bench.append(bench.store.logs.create(settings, { isVolatile: false }), ['x'])
    const names = world.disk.files('/data/journal').map((path) => path.slice(-14))
    expect(names).toEqual(['000002.journal'])
  })
})

describe('what nothing durable names', () => {
  it('is removed: an append died before its group', async () => {
    const world = newWorld(1)
    const bench = await StoreBench.open(world)
    const log = bench.store.logs.create(settings, { isVolatile: false })
    await bench.append(log, ['a'])
    await bench.run(bench.store.checkpoint())
    const stray = `${log.directory}/00000000000000000077.log`
    const file = await bench.run(bench.environment.disk.open(stray, 'create'))
    await bench.run(file.write([new Uint8Array(100)], 0))
    world.kill()
    await StoreBench.open(world)
    expect(segmentFiles(world)).not.toContain(stray)
  })

  it('is put aside when groups are lost that may have named it', async () => {
    const world = newWorld(1)
    await writeFileInto(
      world,
      1,
      journalOf({
        firstGroup: 1,
        groups: [
          { durable: 0, entries: [create, append(0, 'a')] },
          { durable: 1, entries: [append(1, 'b')], damage: 'header' },
          { durable: 2, entries: [] },
        ],
      }),
    )
    const { disk } = world.boot()
    const { scheduler } = world
    for (const path of ['/data/logs', '/data/logs/1'])
      await scheduler.runUntil(disk.makeDirectory(path))
    const file = await scheduler.runUntil(
      disk.open('/data/logs/1/00000000000000000001.log', 'create'),
    )
    await scheduler.runUntil(file.write([new Uint8Array(100).fill(1)], 0))
    await StoreBench.open(world)
    expect(
      world.disk.files('/data').filter((path) => path.includes('/quarantine/log-1-1')),
    ).toHaveLength(1)
  })
})

it('gives no offset of an unsynced log out again when its ceiling is lost', async () => {
  const world = newWorld(1)
  const first = await StoreBench.open(world)
  const log = first.store.logs.create(settings, { isVolatile: true })
  await first.append(log, ['a', 'b'])
  const other = first.store.logs.create(settings, { isVolatile: false })
  await first.append(other, ['c'])
  await world.scheduler.runFor(100)
  world.losePower()
  const path = world.disk.files('/data/journal')[0] ?? ''
  const bytes = world.disk.contentOf(path)
  for (let at = 8_192; at < bytes.length; at += 512) {
    const kinds = Array.from(
      { length: bytes[at + 27] ?? 0 },
      (_, index) => bytes[at + 48 + 64 * index],
    )
    if (kinds.includes(5)) world.disk.flipBit(path, 8 * (at + 20))
  }
  const second = await StoreBench.open(world)
  const again = second.store.logs.get(log.id)
  // Its creation may be lost with it: then nobody can append to it.
  if (again !== undefined) expect((await second.append(again, ['d'])).baseOffset).toBeGreaterThan(1)
  expect(second.report.corruptGroups).toBe(1)
})

it('opens a new epoch in every log at every start', async () => {
  const world = newWorld(1)
  const first = await StoreBench.open(world)
  const log = first.store.logs.create(settings, { isVolatile: false })
  await first.append(log, ['a'])
  world.kill()
  const second = await StoreBench.open(world)
  const again = second.store.logs.get(log.id)
  if (again === undefined) throw new Error('the log is gone')
  const batch = await second.append(again, ['b'])
  expect(batch.epoch).toBe(2)
})
