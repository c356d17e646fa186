import type { TopicHandle } from '../../src/engine/operations.ts'
import {
  batchOf,
  caller,
  newWorld,
  openNode,
  type Outcome,
  type TestNode,
} from '../support/node.ts'

const open = (world: TestNode['world']): Promise<TestNode> =>
  openNode(world, { storage: { compactionBytesPerSecond: 1 << 30 } })

const fill = async (node: TestNode, handle: TopicHandle, count: number, mark: string) => {
  for (let index = 0; index < count; index++)
    await node.append(handle, [`${mark}${index}${'x'.repeat(500)}`, `${mark}${index}b`])
}

const truncate = (node: TestNode, from: number) =>
  node.run(node.broker.truncateTopic(caller, { topic: 't', partition: 0, from }))

const offsetsOf = async (node: TestNode, handle: TopicHandle): Promise<number[]> => {
  const { records, damaged } = await node.readAll(handle)
  expect(damaged).toEqual([])
  return records.map(({ offset }) => offset)
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index)

describe('truncation', () => {
  it.each([0, 1, 7, 30, 39, 40])(
    'removes records from %d on, and the partition goes on behind them',
    async (from) => {
      const world = newWorld()
      let node = await open(world)
      let handle = await node.create('t', { segmentBytes: 4_096 })
      await fill(node, handle, 20, 'old')
      expect(await truncate(node, from)).toEqual({ next: 40 })
      expect(await offsetsOf(node, handle)).toEqual(range(0, from))
      await fill(node, handle, 3, 'new')
      const left = [...range(0, from), ...range(40, 46)]
      expect(await offsetsOf(node, handle)).toEqual(left)
      world.losePower()
      node = await open(world)
      handle = await node.open('t')
      expect(await offsetsOf(node, handle)).toEqual(left)
      expect(node.broker.status().storage.recovery.quarantinedRanges).toBe(0)
      // An epoch of its own tells what came before it from what came after.
      expect(node.broker.describeTopic(caller, 't').partitions[0]?.epoch).toBeGreaterThan(2)
    },
  )

  it('is done also when what was under way is refused for want of room', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', { segmentBytes: 1 << 20 })
    await fill(node, handle, 10, 'old')
    const matches = (path: string): boolean => path.endsWith('.journal')
    node.world.disk.inject({ kind: 'write', code: 'ENOSPC', nth: 1, matches })
    const under = node.submit(handle, batchOf(['under way'])) as Promise<Outcome>
    const request = { topic: 't', partition: 0, from: 5 }
    const truncation = node.broker.truncateTopic(caller, request)
    await node.run(Promise.resolve())
    // It begins a segment behind the truncation, and takes that back with it when it is refused.
    const after = node.submit(handle, batchOf(['after'])) as Promise<Outcome>
    const refused = (await node.run(Promise.all([under, after]))).map(({ error }) => error?.code)
    expect(refused).toEqual(['ERR_STORAGE_FULL', 'ERR_STORAGE_FULL'])
    const { next } = await node.run(truncation, 10_000)
    expect(await offsetsOf(node, handle)).toEqual(range(0, 5))
    await node.world.scheduler.runFor(2_000)
    expect((await node.append(handle, ['later'])).baseOffset).toBe(next)
  })

  it('takes nothing of what is appended while it runs', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', { segmentBytes: 4_096 })
    await fill(node, handle, 20, 'old')
    const under = node.submit(handle, batchOf(['under way'])) as Promise<Outcome>
    const truncation = node.broker.truncateTopic(caller, { topic: 't', partition: 0, from: 10 })
    await node.run(Promise.resolve())
    await node.world.scheduler.runFor(1)
    const later = node.submit(handle, batchOf(['later'])) as Promise<Outcome>
    const [{ next }, outcome] = await node.run(Promise.all([truncation, later, under]))
    expect(next).toBe(41)
    expect(outcome).toMatchObject({ baseOffset: 41 })
    expect(await offsetsOf(node, handle)).toEqual([...range(0, 10), 41])
  })

  it('leaves segments alone that were filled while it ran and are not written yet', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', { segmentBytes: 4_096 })
    await fill(node, handle, 20, 'old')
    const truncation = node.broker.truncateTopic(caller, { topic: 't', partition: 0, from: 10 })
    const later: Promise<Outcome>[] = []
    let isDone = false
    const end = truncation.finally(() => (isDone = true))
    while (!isDone) {
      const bytes = batchOf(['x'.repeat(900)])
      const outcome = node.submit(handle, bytes)
      if (outcome !== undefined) later.push(outcome)
      await node.world.scheduler.runFor(0.05)
    }
    const { next } = await node.run(end)
    const outcomes = await node.run(Promise.all(later))
    const offsets = outcomes.map(({ baseOffset }) => baseOffset).filter((offset) => offset >= next)
    expect(offsets.length).toBeGreaterThan(8)
    expect(await offsetsOf(node, handle)).toEqual([...range(0, 10), ...offsets])
  })

  it('is refused outside of what is there', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t')
    await fill(node, handle, 2, 'old')
    for (const from of [-1, 5, 1.5])
      await expect(truncate(node, from)).rejects.toMatchObject({ code: 'ERR_OFFSET_OUT_OF_RANGE' })
    await node.create('m', { durability: 'memory' })
    await expect(
      node.run(node.broker.truncateTopic(caller, { topic: 'm', partition: 0, from: 0 })),
    ).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED_FEATURE' })
  })

  it('ends the broker when a sync fails under it, as any failed sync does', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', { segmentBytes: 4_096 })
    await fill(node, handle, 20, 'old')
    node.world.disk.inject({ kind: 'sync', code: 'EIO', nth: 4 })
    await expect(truncate(node, 3)).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    expect(node.fatal).toHaveLength(1)
  })

  it('says so when the disk is full, or the broker closes under it', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', { segmentBytes: 4_096 })
    await fill(node, handle, 20, 'old')
    node.world.disk.inject({ kind: 'write', code: 'ENOSPC', nth: 3 })
    await expect(truncate(node, 3)).rejects.toMatchObject({ code: 'ERR_STORAGE_FULL' })
    const paced = await openNode(newWorld(), { storage: { compactionBytesPerSecond: 100 } })
    await fill(paced, await paced.create('t', { segmentBytes: 4_096 }), 20, 'old')
    const call = { topic: 't', partition: 0, from: 3 }
    const truncating = paced.broker.truncateTopic(caller, call).catch((error: unknown) => error)
    await paced.world.scheduler.runFor(100)
    await paced.close()
    expect(await paced.run(truncating)).toMatchObject({ code: 'ERR_CLOSED' })
    expect(paced.fatal).toEqual([])
  })
})
