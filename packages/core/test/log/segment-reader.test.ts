import { writeBatchPrefix } from '@millrace/codec'
import type { Log } from '../../src/log/log.ts'
import { batchOf, newWorld } from '../support/node.ts'
import { StoreBench, settings } from '../support/store.ts'

const VALUES = Array.from({ length: 30 }, (_, index) => `${index}`.padStart(300, '.'))
const BATCH = batchOf([VALUES[0] as string]).length

/** Thirty batches of one record, flushed, synced, and read from files only. */
const filled = async (
  segmentBytes = 1 << 20,
  seed = 1,
): Promise<{ bench: StoreBench; log: Log }> => {
  const bench = await StoreBench.open(newWorld(seed))
  const log = bench.store.logs.create({ ...settings, segmentBytes }, { isVolatile: false })
  for (const value of VALUES) await bench.append(log, [value])
  await bench.run(bench.store.checkpoint())
  bench.forgetTail()
  return { bench, log }
}

const pathOf = (log: Log, index = 0): string => log.segments[index]?.path ?? ''

const damagedAt = async (bench: StoreBench, log: Log, offset: number) => {
  try {
    const slice = await bench.run(bench.store.reader.read(log, offset, 1_000))
    slice.release()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code
  }
}

/** What a reader gets who goes on behind every gap, and the gaps. */
const readAround = async (bench: StoreBench, log: Log): Promise<string[]> => {
  const values: string[] = []
  for (let offset = 0; offset < log.highWatermark;) {
    if ((await damagedAt(bench, log, offset)) === 'ERR_DATA_CORRUPT') {
      offset = log.gapAt(offset)?.to ?? Infinity
      continue
    }
    const slice = await bench.run(bench.store.reader.read(log, offset, 2_000))
    for (const part of slice.parts) {
      const records = part.length / BATCH
      for (let at = 0; at < records; at++) values.push(VALUES[offset + at] ?? 'unknown')
    }
    offset = slice.nextOffset
    slice.release()
  }
  return values
}

describe('reading from segments', () => {
  it('finds every offset, across segments', async () => {
    const { bench, log } = await filled(4_096)
    expect(log.segments.length).toBeGreaterThan(2)
    for (let offset = 0; offset < 30; offset++) {
      const [first] = await bench.records(log, offset)
      expect(first).toEqual({ offset, value: VALUES[offset] })
    }
  })

  it.each([
    ['its length', 8],
    ['its magic', 16],
    ['its checksum', 17],
    ['its base offset', 0],
    ['its records', 200],
  ])('loses one batch, by name, when a bit of %s flips', async (_what, at) => {
    const { bench, log } = await filled()
    bench.world.disk.flipBit(pathOf(log), 8 * (7 * BATCH + at) + 6)
    expect(await readAround(bench, log)).toEqual(VALUES.filter((_, index) => index !== 7))
    expect(log.gaps).toEqual([{ from: 7, to: 8 }])
    expect(bench.damage).toHaveLength(1)
    expect(bench.store.offsetsQuarantined).toBe(1)
    for (let offset = 0; offset < 30; offset++)
      expect(await damagedAt(bench, log, offset)).toBe(
        offset === 7 ? 'ERR_DATA_CORRUPT' : undefined,
      )
  })

  it('reads behind damage whatever offset it is asked for first', async () => {
    for (let offset = 8; offset < 30; offset++) {
      const { bench, log } = await filled(1 << 20, offset)
      bench.world.disk.flipBit(pathOf(log), 8 * (7 * BATCH + 100))
      const [first] = await bench.records(log, offset)
      expect(first).toEqual({ offset, value: VALUES[offset] })
    }
  })

  it('names the range that a zeroed page took, and no other', async () => {
    const { bench, log } = await filled()
    bench.world.disk.zeroPage(pathOf(log), 1)
    const from = Math.floor(4_096 / BATCH)
    const to = Math.ceil(8_192 / BATCH)
    expect(await readAround(bench, log)).toEqual([...VALUES.slice(0, from), ...VALUES.slice(to)])
    expect(log.gaps).toEqual([{ from, to }])
  })

  it('names what is missing when a segment is gone, at the end, in the middle, at the start', async () => {
    for (const index of [0, 1, 2]) {
      const { bench, log } = await filled(4_096)
      const base = log.segments[index]?.baseOffset ?? 0
      const next = log.segments[index + 1]?.baseOffset ?? log.highWatermark
      await bench.run(bench.parts.files.forget(pathOf(log, index)))
      await bench.run(bench.environment.disk.remove(pathOf(log, index)))
      expect(await readAround(bench, log)).toEqual([
        ...VALUES.slice(0, base),
        ...VALUES.slice(next),
      ])
      expect(log.gaps).toEqual([{ from: base, to: next }])
    }
  })

  it('believes nothing behind the end of a sealed segment, whole and in order as it may be', async () => {
    const world = newWorld(2)
    const first = await StoreBench.open(world)
    const log = first.store.logs.create({ ...settings, segmentBytes: 4_096 }, { isVolatile: false })
    for (const value of VALUES) await first.append(log, [value])
    await first.run(first.store.checkpoint())
    // An append that was refused once stands whole where the sealed file should end.
    const next = log.segments[1]?.baseOffset ?? 0
    const forged = batchOf(['refused once'])
    writeBatchPrefix(forged, 0, next, forged.length, 1)
    const path = pathOf(log)
    const file = await first.run(first.environment.disk.open(path, 'write'))
    await first.run(file.write([forged], log.segments[0]?.sizeBytes ?? 0))
    await first.run(file.sync())
    world.kill()
    const second = await StoreBench.open(world)
    const again = second.store.logs.get(log.id)
    if (again === undefined) throw new Error('the log is gone')
    expect(await second.values(again)).toEqual(VALUES)
    expect(await second.values(again, next - 1)).toEqual(VALUES.slice(next - 1))
    expect(again.gaps).toEqual([])
  })

  it('believes no damaged base offset of the last batch either', async () => {
    const { bench, log } = await filled()
    await bench.append(log, ['a', 'b', 'c', 'd'])
    await bench.run(bench.store.checkpoint())
    bench.forgetTail()
    // From 30 to 31.
    bench.world.disk.flipBit(pathOf(log), 8 * (30 * BATCH + 7))
    expect(await damagedAt(bench, log, 30)).toBe('ERR_DATA_CORRUPT')
    expect(log.gaps).toEqual([{ from: 30, to: 34 }])
    await bench.append(log, ['behind'])
    expect(await bench.values(log, 34)).toEqual(['behind'])
  })

  it('does not take a batch with a damaged base offset for the one behind its own gap', async () => {
    const { bench, log } = await filled()
    bench.world.disk.flipBit(pathOf(log), 8 * (12 * BATCH + 7))
    expect(await damagedAt(bench, log, 12)).toBe('ERR_DATA_CORRUPT')
    expect(log.gaps).toEqual([{ from: 12, to: 13 }])
    expect((await bench.records(log, 13))[0]).toEqual({ offset: 13, value: VALUES[13] })
    bench.forgetTail()
    const slice = await bench.run(bench.store.reader.read(log, 10, 100_000))
    expect([slice.byteLength, slice.nextOffset]).toEqual([2 * BATCH, 12])
    slice.release()
    expect((await bench.records(log, 13))[0]).toEqual({ offset: 13, value: VALUES[13] })
  })

  it('gives what is in memory although the file before it is damaged to its end', async () => {
    const { bench, log } = await filled()
    await bench.append(log, ['in memory'])
    bench.world.disk.flipBit(pathOf(log), 8 * (29 * BATCH + 100))
    expect(await damagedAt(bench, log, 29)).toBe('ERR_DATA_CORRUPT')
    expect(log.gaps).toEqual([{ from: 29, to: 30 }])
    expect(await bench.values(log, 30)).toEqual(['in memory'])
  })
})

describe('indexes', () => {
  const restart = async (bench: StoreBench, log: Log): Promise<{ bench: StoreBench; log: Log }> => {
    const next = await StoreBench.open(bench.world)
    const again = next.store.logs.get(log.id)
    if (again === undefined) throw new Error('the log is gone')
    return { bench: next, log: again }
  }

  it('of sealed segments are files, and are rebuilt when they are bad, short or gone', async () => {
    for (const harm of ['none', 'flip', 'cut', 'gone'] as const) {
      const { bench, log } = await filled(4_096)
      const path = pathOf(log).replace('.log', '.index')
      expect(bench.world.disk.files('/data')).toContain(path)
      if (harm === 'flip') bench.world.disk.flipBit(path, 100)
      if (harm === 'gone') await bench.run(bench.environment.disk.remove(path))
      if (harm === 'cut') {
        const file = await bench.run(bench.environment.disk.open(path, 'write'))
        await bench.run(file.truncate(20))
      }
      bench.world.kill()
      const again = await restart(bench, log)
      const [first] = await again.bench.records(again.log, 3)
      expect(first).toEqual({ offset: 3, value: VALUES[3] })
      // The last segment has no index file yet.
      expect(again.bench.store.indexesRebuilt).toBe(harm === 'none' ? 1 : 2)
    }
  })
})

describe('searching by time', () => {
  const stamped = async (stamps: readonly number[]): Promise<{ bench: StoreBench; log: Log }> => {
    const bench = await StoreBench.open(newWorld(1))
    const log = bench.store.logs.create({ ...settings, segmentBytes: 4_096 }, { isVolatile: false })
    for (const stamp of stamps) {
      const bytes = batchOf(['.'.repeat(500)], stamp)
      const accepted = { bytes, recordCount: 1, maxTimestamp: stamp }
      let isStored = false
      bench.store.append(log, accepted, false, {
        stored: () => (isStored = true),
        refused: () => undefined,
      })
      await bench.world.scheduler.runUntil(() => isStored)
    }
    return { bench, log }
  }

  it('finds the first record that is as late, also when timestamps fall, from files and memory', async () => {
    const stamps = Array.from({ length: 40 }, (_, index) => 1_000 + ((index * 7) % 20) * 10 + index)
    const { bench, log } = await stamped(stamps)
    for (const isInFiles of [false, true]) {
      if (isInFiles) {
        await bench.run(bench.store.checkpoint())
        bench.forgetTail()
      }
      for (let wanted = 990; wanted < 1_260; wanted += 3) {
        const expected = stamps.findIndex((stamp) => stamp >= wanted)
        const found = await bench.run(bench.store.times.find(log, wanted))
        expect(found?.offset ?? -1).toBe(expected)
      }
    }
  })

  it('passes over damage', async () => {
    const { bench, log } = await stamped([10, 20, 30, 40])
    await bench.run(bench.store.checkpoint())
    bench.forgetTail()
    bench.world.disk.flipBit(pathOf(log), 8 * (batchOf(['.'.repeat(500)]).length + 100))
    expect(await bench.run(bench.store.times.find(log, 20))).toEqual({ offset: 2, timestamp: 30 })
  })
})
