/** Batches of several logs that are stored all or none. */
import { batchRecordCount } from '@millrace/codec'
import type { SimulatedWorld } from '@millrace/testing'
import type { Log } from '../../src/log/log.ts'
import { AtomicUnit } from '../../src/log/stored-batch.ts'
import { batchOf, newWorld } from '../support/node.ts'
import { StoreBench, settings } from '../support/store.ts'

const open = async (world: SimulatedWorld, changed = {}) => {
  const bench = await StoreBench.open(world, changed)
  const logs = [1, 2, 3].map(
    (id) => bench.store.logs.get(id) ?? bench.store.logs.create(settings, { isVolatile: false }),
  )
  return { bench, logs }
}

interface Told {
  stored: number
  refused: number
}

/** The same batch to every log, its bytes once. */
const submit = (bench: StoreBench, logs: readonly Log[], text: string, isShared = true): Told => {
  const told = { stored: 0, refused: 0 }
  const unit = new AtomicUnit()
  logs.forEach((log, index) => {
    const bytes = batchOf([isShared ? text : `${text}${index}`])
    const accepted = { bytes, recordCount: batchRecordCount(bytes), maxTimestamp: 0 }
    const ticket = { stored: () => void told.stored++, refused: () => void told.refused++ }
    const isRepeat = isShared && index > 0
    bench.store.append(log, accepted, true, ticket, { unit, isRepeat })
  })
  return told
}

describe('a unit of the journal', () => {
  it('has its bytes in the journal once, and comes back in every log', async () => {
    const world = newWorld()
    const { bench, logs } = await open(world)
    const before = bench.store.journal.bytesSinceCheckpoint
    const told = submit(bench, logs, 'x'.repeat(8_000))
    await world.scheduler.runFor(20)
    expect(told).toEqual({ stored: 3, refused: 0 })
    expect(bench.store.journal.bytesSinceCheckpoint - before).toBeLessThan(12_000)
    world.losePower()
    const again = await open(world)
    for (const log of again.logs) expect(await again.bench.values(log)).toEqual(['x'.repeat(8_000)])
  })

  it('is in one group however large it is, so that no crash leaves a part of it', async () => {
    for (let us = 0; us < 12; us++) {
      const world = newWorld(us)
      const { bench, logs } = await open(world, { groupBytesMax: 4_096 })
      await bench.append(logs[0]!, ['first'])
      for (let count = 0; count < 4; count++)
        submit(bench, logs, `${count}`.padEnd(6_000, '.'), count % 2 === 0)
      await world.scheduler.runFor(us / 4)
      world.losePower()
      const again = await open(world)
      const counts = []
      for (const log of again.logs) counts.push((await again.bench.values(log)).length)
      expect(counts[0]).toBe(counts[1]! + 1)
      expect(counts[2]).toBe(counts[1])
    }
  })

  it('is written to the journal also behind direct appends to one of its logs', async () => {
    const world = newWorld()
    const { bench, logs } = await open(world, { directAppendBytes: 1_000 })
    bench.submit(logs[1]!, ['d'.repeat(5_000)])
    const told = submit(bench, logs, 'unit')
    bench.submit(logs[1]!, ['e'.repeat(5_000)])
    await world.scheduler.runFor(50)
    expect(told).toEqual({ stored: 3, refused: 0 })
    world.losePower()
    const again = await open(world)
    const lengths = []
    for (const log of again.logs)
      lengths.push((await again.bench.values(log)).map((value) => value.length))
    expect(lengths).toEqual([[4], [5_000, 4, 5_000], [4]])
  })

  it.each([1, 2, 3, 4])('is refused whole when there is no room (write %d)', async (nth) => {
    const world = newWorld()
    const { bench, logs } = await open(world, { directAppendBytes: 1_000 })
    await bench.append(logs[0]!, ['first'])
    world.disk.inject({ kind: 'write', code: 'ENOSPC', nth, times: 1 })
    bench.submit(logs[1]!, ['d'.repeat(5_000)])
    const tolds = ['a', 'b', 'c'].map((text) => submit(bench, logs, text))
    await world.scheduler.runFor(3_000)
    for (const told of tolds) expect([0, 3]).toContain(told.stored)
    for (const told of tolds) expect(told.stored + told.refused).toBe(3)
    const stored = tolds.filter((told) => told.stored === 3).length
    world.losePower()
    const again = await open(world)
    expect(await again.bench.values(again.logs[2]!)).toHaveLength(stored)
    expect(await again.bench.values(again.logs[0]!)).toHaveLength(stored + 1)
  })
})
