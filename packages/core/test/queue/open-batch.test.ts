import { LedgerSchedule } from '../../src/queue/ledger-schedule.ts'
import { BATCH_BYTES_MAX, BATCH_RECORDS_MAX } from '../../src/queue/limits.ts'
import { BatchGatherer, type BatchTarget } from '../../src/queue/open-batch.ts'
import type { Log } from '../../src/log/log.ts'
import { message } from '../support/messaging.ts'
import { newWorld } from '../support/node.ts'
import { StoreBench, settings } from '../support/store.ts'

/** A log that notes what it is told. */
class Target implements BatchTarget {
  readonly log: Log
  readonly isWantingNext = false
  openBatch: BatchTarget['openBatch']
  readonly appends: string[] = []
  arrivedCount = 0
  arrivedBytes = 0
  refusedCount = 0

  constructor(log: Log) {
    this.log = log
  }

  willAppend(): void {
    return undefined
  }

  appended(baseOffset: number, count: number): void {
    this.appends.push(`${baseOffset}+${count}`)
  }

  arrived(count: number, bytes: number): void {
    this.arrivedCount += count
    this.arrivedBytes += bytes
  }

  refused(_baseOffset: number, count: number): void {
    this.refusedCount += count
  }

  wake(): void {
    return undefined
  }
}

const open = async () => {
  const world = newWorld()
  const bench = await StoreBench.open(world)
  const { store, environment } = bench
  const large = { ...settings, segmentBytes: 1 << 28 }
  const make = (): Target => new Target(store.logs.create(large, { isVolatile: false }))
  const gatherer = new BatchGatherer(environment, store, new LedgerSchedule(environment))
  const add = (targets: readonly Target[], text: string) =>
    gatherer.add(targets, message(text), false, 1)
  return {
    world,
    bench,
    gatherer,
    add,
    one: make(),
    two: make(),
    pass: () => world.scheduler.runFor(50),
  }
}

describe('messages of one turn', () => {
  it('share a batch while they go to the same logs, and a confirm', async () => {
    const { add, one, pass } = await open()
    const batches = new Set(['a', 'b', 'c'].map((text) => add([one], text)))
    expect(batches.size).toBe(1)
    expect(one.appends).toEqual([])
    let stored = 0
    for (const batch of batches) batch.awaitedBy({ stored: () => stored++, refused: () => 0 })
    await pass()
    expect([one.appends, one.arrivedCount, one.arrivedBytes, stored]).toEqual([['0+3'], 3, 3, 1])
  })

  it('keep their order in each log when they go to different ones', async () => {
    const { add, one, two, bench, pass } = await open()
    add([one], 'a')
    add([one, two], 'b')
    add([two], 'c')
    add([one, two], 'd')
    add([two, one], 'e')
    add([one], 'f')
    await pass()
    expect(await bench.values(one.log)).toEqual(['a', 'b', 'd', 'e', 'f'])
    expect(await bench.values(two.log)).toEqual(['b', 'c', 'd', 'e'])
  })

  it('fill a batch up to its limits and begin another', async () => {
    const { add, one, pass } = await open()
    for (let count = 0; count <= BATCH_RECORDS_MAX; count++) add([one], 'x')
    expect(one.appends).toEqual([`0+${BATCH_RECORDS_MAX}`])
    await pass()
    expect(one.appends[1]).toBe(`${BATCH_RECORDS_MAX}+1`)
    const text = 'x'.repeat(30_000)
    for (let count = 0; count * text.length < BATCH_BYTES_MAX; count++) add([one], text)
    expect(one.appends).toHaveLength(3)
  })

  it('do not share a batch with a large one', async () => {
    const { add, one, two, bench, pass } = await open()
    add([one, two], 'small')
    add([one, two], 'l'.repeat(32_768))
    expect(one.appends).toEqual(['0+1', '1+1'])
    add([one], 'after')
    await pass()
    expect((await bench.values(one.log)).map((text) => text.length)).toEqual([5, 32_768, 5])
    expect(two.appends).toEqual(['0+1', '1+1'])
  })

  it('are refused in all of their logs, and told once', async () => {
    const { add, one, two, world, pass } = await open()
    await pass()
    world.disk.inject({ kind: 'write', code: 'ENOSPC', nth: 1, times: 1 })
    const batch = add([one, two], 'a')
    const told: string[] = []
    batch.awaitedBy({
      stored: () => told.push('stored'),
      refused: ({ code }) => told.push(code),
    })
    await pass()
    expect([one.refusedCount, two.refusedCount, told]).toEqual([1, 1, ['ERR_STORAGE_FULL']])
  })

  it('leave nothing when one of them cannot be written down', async () => {
    const { gatherer, add, one, bench, pass } = await open()
    add([one], 'a')
    const bad = message('b', { routingKey: 'r'.repeat(256) })
    expect(() => gatherer.add([one], bad, false, 1)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
    add([one], 'c')
    await pass()
    expect(await bench.values(one.log)).toEqual(['a', 'c'])
  })
})
