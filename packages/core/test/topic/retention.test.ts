import type { ReadResult, TopicHandle, TopicSettingsPatch } from '../../src/engine/operations.ts'
import {
  batchOf,
  caller,
  newWorld,
  openNode,
  producedBy,
  segmentFiles,
  type Outcome,
  type TestNode,
} from '../support/node.ts'

const CHECK_MS = 1_000
const VALUE = 'x'.repeat(900)

const open = (world: TestNode['world']): Promise<TestNode> =>
  openNode(world, { storage: { retentionCheckMs: CHECK_MS } })

const fill = async (node: TestNode, handle: TopicHandle, count: number): Promise<void> => {
  for (let index = 0; index < count; index++) {
    const bytes = batchOf([VALUE], node.world.clock.now())
    await node.run(node.submit(handle, bytes) as Promise<Outcome>)
  }
}

const partition = (node: TestNode, topic = 't') =>
  node.broker.describeTopic(caller, topic).partitions[0] as {
    earliest: number
    next: number
    bytes: number
  }

const alter = (node: TestNode, settings: TopicSettingsPatch) =>
  node.run(node.broker.alterTopic(caller, { topic: 't', settings }))

const remove = (node: TestNode, before: number, topic = 't') =>
  node.run(node.broker.deleteRecords(caller, { topic, partitions: [{ partition: 0, before }] }))

/** Four records a segment. */
const small = { segmentBytes: 4_096 }

describe('retention', () => {
  it('by size keeps at least so much of the end, in whole segments', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', { ...small, retentionBytes: 8_000 })
    await fill(node, handle, 40)
    await node.world.scheduler.runFor(3 * CHECK_MS)
    const { earliest, next, bytes } = partition(node)
    expect(next).toBe(40)
    expect(earliest).toBe(28)
    expect(bytes).toBeGreaterThanOrEqual(8_000)
    expect(await node.values(handle)).toHaveLength(12)
    const logs = segmentFiles(node.world).filter((path) => path.includes('/logs/1/'))
    expect(logs).toHaveLength(3)
  })

  it('by age removes segments whose latest record is too old, the last one too', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', { ...small, retentionMs: 60_000 })
    await fill(node, handle, 10)
    await node.world.scheduler.runFor(30_000)
    await fill(node, handle, 10)
    await node.world.scheduler.runFor(31_000)
    // The third segment holds records of both times.
    expect(partition(node)).toMatchObject({ earliest: 8, next: 20 })
    await node.world.scheduler.runFor(31_000)
    expect(partition(node)).toMatchObject({ earliest: 20, next: 20, bytes: 0 })
    await fill(node, handle, 1)
    expect((await node.readAll(handle)).records.map(({ offset }) => offset)).toEqual([20])
  })

  it('removes nothing while settings say for ever, and begins when they are changed', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', { ...small, retentionMs: -1 })
    const old = batchOf([VALUE], 1_000)
    for (let count = 0; count < 20; count++)
      await node.run(node.submit(handle, old) as Promise<Outcome>)
    await node.world.scheduler.runFor(300 * CHECK_MS)
    expect(partition(node).earliest).toBe(0)
    await alter(node, { retentionBytes: 5_000 })
    await node.world.scheduler.runFor(2 * CHECK_MS)
    expect(partition(node).earliest).toBe(12)
    await alter(node, { retentionBytes: null, retentionMs: 1_000 })
    await node.world.scheduler.runFor(2 * CHECK_MS)
    expect(partition(node).earliest).toBe(20)
  })

  it('leaves a compacted topic alone, and not one that is both', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', {
      ...small,
      cleanupPolicy: 'compact',
      retentionMs: 1_000,
      retentionBytes: 1_000,
    })
    await fill(node, handle, 12)
    await node.world.scheduler.runFor(10 * CHECK_MS)
    expect(partition(node).earliest).toBe(0)
    await alter(node, { cleanupPolicy: 'compact,delete' })
    await node.world.scheduler.runFor(2 * CHECK_MS)
    expect(partition(node).earliest).toBe(12)
  })

  it('does not believe a clock that jumps, nor a single look after a start', async () => {
    const world = newWorld()
    let node = await open(world)
    const handle = await node.create('t', { ...small, retentionMs: 3_600_000 })
    await fill(node, handle, 12)
    world.clock.jump(10 * 24 * 3_600_000)
    await world.scheduler.runFor(5 * CHECK_MS)
    expect(partition(node).earliest).toBe(0)
    await node.close()
    node = await open(world)
    // The first round after a start judges nothing by age.
    await world.scheduler.runFor(CHECK_MS + 100)
    expect(partition(node).earliest).toBe(0)
    await world.scheduler.runFor(2 * CHECK_MS)
    expect(partition(node).earliest).toBe(12)
  })

  it('does not take for old what it cannot read', async () => {
    const world = newWorld()
    let node = await open(world)
    const handle = await node.create('t', { ...small, retentionMs: 3_600_000 })
    await fill(node, handle, 8)
    await node.close()
    const [segment = ''] = segmentFiles(world).filter((path) => path.includes('/logs/1/'))
    // Each length: nothing of the segment is a batch any more, and the index is to be made anew.
    const batchBytes = batchOf([VALUE], 0).length
    for (let index = 0; index < 4; index++)
      world.disk.flipBit(segment, 8 * (index * batchBytes + 8))
    world.disk.flipBit(segment.replace(/log$/, 'index'), 8)
    node = await open(world)
    await world.scheduler.runFor(10 * CHECK_MS)
    expect(partition(node)).toMatchObject({ earliest: 0, next: 8 })
    expect((await node.readAll(await node.open('t'))).damaged).toEqual([{ from: 0, to: 4 }])
    await world.scheduler.runFor(3_700_000)
    expect(partition(node)).toMatchObject({ earliest: 8, next: 8 })
  })

  it('works on a memory topic', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', { ...small, durability: 'memory', retentionBytes: 8_000 })
    await fill(node, handle, 40)
    await node.world.scheduler.runFor(3 * CHECK_MS)
    expect(partition(node).earliest).toBe(28)
    expect(await node.values(handle)).toHaveLength(12)
  })
})

describe('deleting records', () => {
  it('ends at an offset, also in the middle of a segment, and is refused beyond the end', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', small)
    await fill(node, handle, 10)
    expect(await remove(node, 6)).toEqual([{ partition: 0, earliest: 6 }])
    expect((await node.readAll(handle)).records.map(({ offset }) => offset)).toEqual([6, 7, 8, 9])
    expect((await node.fetch(handle, 5)).error?.code).toBe('ERR_OFFSET_OUT_OF_RANGE')
    expect(await remove(node, 2)).toEqual([{ partition: 0, earliest: 6 }])
    await expect(remove(node, 11)).rejects.toMatchObject({ code: 'ERR_OFFSET_OUT_OF_RANGE' })
    await expect(remove(node, -2)).rejects.toMatchObject({ code: 'ERR_OFFSET_OUT_OF_RANGE' })
  })

  it.each([
    ['a clean stop', true],
    ['a power loss', false],
  ])('stays done after %s, wherever the checkpoint was', async (_name, isClean) => {
    const world = newWorld()
    let node = await open(world)
    let handle = await node.create('t', small)
    let next = 0
    for (const [more, before] of [
      [10, 6],
      [3, 13],
      [60, 40],
      [1, -1],
      [5, 75],
    ] as const) {
      await fill(node, handle, more)
      next += more
      await remove(node, before)
      if (isClean) await node.close()
      else world.losePower()
      node = await open(world)
      handle = await node.open('t')
      const earliest = before === -1 ? next : before
      expect(partition(node)).toMatchObject({ earliest, next })
      const { records, damaged } = await node.readAll(handle)
      expect(damaged).toEqual([])
      expect(records.map(({ offset }) => offset)).toEqual(
        Array.from({ length: next - earliest }, (_, index) => earliest + index),
      )
    }
    expect(node.broker.status().storage.recovery.quarantinedRanges).toBe(0)
  })

  it('of everything leaves an empty partition that goes on where it was', async () => {
    const world = newWorld()
    const node = await open(world)
    const handle = await node.create('t', small)
    await fill(node, handle, 5)
    await remove(node, -1)
    expect(partition(node)).toMatchObject({ earliest: 5, next: 5, bytes: 0 })
    expect(segmentFiles(world).filter((path) => path.includes('/logs/1/'))).toEqual([])
    await fill(node, handle, 2)
    expect((await node.readAll(handle)).records.map(({ offset }) => offset)).toEqual([5, 6])
  })

  it('is done when it is durable, though the disk has no room to move what is left', async () => {
    const world = newWorld()
    const node = await open(world)
    const handle = await node.create('t', small)
    await fill(node, handle, 6)
    world.disk.capacityBytes = world.disk.usedBytes
    expect(await remove(node, 5)).toEqual([{ partition: 0, earliest: 5 }])
    world.disk.capacityBytes = Number.MAX_SAFE_INTEGER
    await world.scheduler.runFor(3 * CHECK_MS)
    world.losePower()
    const again = await open(world)
    expect(partition(again).earliest).toBe(5)
    expect(segmentFiles(world).filter((path) => path.includes('/logs/1/'))).toHaveLength(1)
  })

  it('leaves the bytes of a lease alone that was taken before', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', small)
    await fill(node, handle, 8)
    const result = await node.fetch(handle, 0)
    const before = result.lease?.parts.map((part) => Buffer.from(part).toString('hex'))
    await remove(node, -1)
    await fill(node, handle, 30)
    const after = result.lease?.parts.map((part) => Buffer.from(part).toString('hex'))
    expect(after).toEqual(before)
    result.lease?.release()
  })

  it('ends a reader that stands below, with the range that is left', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', small)
    await fill(node, handle, 30)
    const limits = { bytesMax: 2_000, bytesMin: 0, waitMsMax: 0 }
    const reads = Array.from(
      { length: 30 },
      (_, offset) =>
        new Promise<ReadResult>((resolve) => {
          node.session.fetch({ handle, partition: 0, offset, ...limits }, resolve)
        }),
    )
    const removal = node.broker.deleteRecords(caller, {
      topic: 't',
      partitions: [{ partition: 0, before: 20 }],
    })
    await node.run(removal)
    const results = await node.run(Promise.all(reads))
    for (const [offset, result] of results.entries()) {
      const code = result.error?.code
      if (code !== undefined) expect([code, offset < 20]).toEqual(['ERR_OFFSET_OUT_OF_RANGE', true])
      result.lease?.release()
    }
    expect(node.broker.describeTopic(caller, 't').partitions[0]?.quarantined).toEqual([])
  })

  it('does not forget who produced', async () => {
    const world = newWorld()
    let node = await open(world)
    let handle = await node.create('t', small)
    const producer = await node.run(node.broker.initProducer(caller))
    const bytes = producedBy(producer, 0, ['a'])
    await node.run(node.submit(handle, bytes) as Promise<Outcome>)
    await remove(node, -1)
    await node.close()
    node = await open(world)
    handle = await node.open('t')
    const again = await node.run(node.submit(handle, bytes) as Promise<Outcome>)
    expect(again).toMatchObject({ isDuplicate: true, baseOffset: 0 })
  })

  it('does not forget who produced a direct append, which the journal only points to', async () => {
    const world = newWorld()
    let node = await open(world)
    let handle = await node.create('t', { segmentBytes: 1_048_576 })
    const producer = await node.run(node.broker.initProducer(caller))
    const bytes = producedBy(producer, 0, ['y'.repeat(40_000)])
    await node.run(node.submit(handle, bytes) as Promise<Outcome>)
    expect(node.broker.status().storage.directAppends).toBe(1)
    await remove(node, -1)
    expect(segmentFiles(world).filter((path) => path.includes('/logs/1/'))).toEqual([])
    for (let crash = 0; crash < 2; crash++) {
      world.losePower()
      node = await open(world)
    }
    handle = await node.open('t')
    const again = await node.run(node.submit(handle, bytes) as Promise<Outcome>)
    expect(again).toMatchObject({ isDuplicate: true, baseOffset: 0 })
  })
})
