import type { BrokerOptions, TopicHandle } from '../../src/engine/operations.ts'
import type { ProducerIdentity } from '../../src/engine/operations.ts'
import {
  batchOf,
  caller,
  newWorld,
  openNode,
  overwrite,
  producedBy,
  type Outcome,
  type TestNode,
} from '../support/node.ts'

const storage = { producerExpiryMs: 60_000, producersMax: 1_000 }

const open = (world: TestNode['world'], more: BrokerOptions['storage'] = {}): Promise<TestNode> =>
  openNode(world, { storage: { ...storage, ...more } })

const initProducer = (node: TestNode): Promise<ProducerIdentity> =>
  node.run(node.broker.initProducer(caller))

const send = (
  node: TestNode,
  handle: TopicHandle,
  producer: ProducerIdentity,
  sequence: number,
  values: readonly string[] = [`v${sequence}`],
): Promise<Outcome> =>
  node.run(node.submit(handle, producedBy(producer, sequence, values)) as Promise<Outcome>)

const codeOf = (outcome: Outcome): string => outcome.error?.code ?? 'stored'

describe('a producer id', () => {
  it('is given out once, also over restarts and crashes', async () => {
    const world = newWorld()
    const ids = new Set<number>()
    for (let life = 0; life < 4; life++) {
      const node = await open(world)
      for (let count = 0; count < 3; count++) ids.add((await initProducer(node)).producerId)
      if (life % 2 === 0) world.losePower()
      else await node.close()
    }
    expect(ids.size).toBe(12)
  })

  it('is given to each of many who ask at once', async () => {
    const node = await open(newWorld())
    const all = await node.run(
      Promise.all(Array.from({ length: 2_500 }, () => node.broker.initProducer(caller))),
    )
    expect(new Set(all.map((one) => one.producerId)).size).toBe(2_500)
  })
})

describe('a batch of an idempotent producer', () => {
  it('is stored once, and answered again with the offsets of the first time', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t')
    const producer = await initProducer(node)
    await node.append(handle, ['other'])
    const first = await send(node, handle, producer, 0, ['a', 'b'])
    const again = await send(node, handle, producer, 0, ['a', 'b'])
    expect(first).toMatchObject({ baseOffset: 1, nextOffset: 3, isDuplicate: false })
    expect(again).toMatchObject({ baseOffset: 1, nextOffset: 3, isDuplicate: true })
    expect(again.durability).toBe('persisted')
    expect(await node.values(handle)).toEqual(['other', 'a', 'b'])
  })

  it('is not answered as a duplicate before the original is durable', async () => {
    const world = newWorld()
    const node = await open(world)
    const handle = await node.create('t')
    const producer = await initProducer(node)
    const bytes = producedBy(producer, 0, ['a'])
    const original = node.submit(handle, bytes) as Promise<Outcome>
    const duplicate = node.submit(handle, bytes) as Promise<Outcome>
    expect(node.broker.describeTopic(caller, 't').partitions[0]?.highWatermark).toBe(0)
    const outcomes = await node.run(Promise.all([original, duplicate]))
    expect(outcomes.map((one) => [one.isDuplicate, one.baseOffset])).toEqual([
      [false, 0],
      [true, 0],
    ])
    expect(node.broker.describeTopic(caller, 't').partitions[0]?.next).toBe(1)
    // The crash story: a duplicate that is told at once says stored of what a crash then takes.
    const early = producedBy(producer, 1, ['b'])
    void node.submit(handle, early)
    let isTold = false
    void (node.submit(handle, early) as Promise<Outcome>).then(() => (isTold = true))
    await node.run(Promise.resolve())
    const isDurable = node.broker.describeTopic(caller, 't').partitions[0]?.highWatermark === 2
    expect(isTold && !isDurable).toBe(false)
    world.losePower()
  })

  it('is recognised among the last five; older ones are known to be old', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t')
    const producer = await initProducer(node)
    for (let sequence = 0; sequence < 7; sequence++) await send(node, handle, producer, sequence)
    const codes: string[] = []
    for (let sequence = 0; sequence < 7; sequence++)
      codes.push(codeOf(await send(node, handle, producer, sequence)))
    const old = 'ERR_DUPLICATE_SEQUENCE'
    expect(codes).toEqual([old, old, 'stored', 'stored', 'stored', 'stored', 'stored'])
    expect(await node.values(handle)).toHaveLength(7)
  })

  it('is refused when one before it is missing, when its epoch is old, when nobody knows it', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t')
    const producer = await initProducer(node)
    await send(node, handle, producer, 0)
    expect(codeOf(await send(node, handle, producer, 2))).toBe('ERR_OUT_OF_SEQUENCE')
    const next = { ...producer, epoch: 1 }
    expect(codeOf(await send(node, handle, next, 1))).toBe('ERR_OUT_OF_SEQUENCE')
    expect(codeOf(await send(node, handle, next, 0))).toBe('stored')
    expect(codeOf(await send(node, handle, producer, 1))).toBe('ERR_PRODUCER_FENCED')
    const other = await initProducer(node)
    expect(codeOf(await send(node, handle, other, 3))).toBe('ERR_UNKNOWN_PRODUCER')
    const invented = { producerId: 10 ** 9, epoch: 0 }
    expect(codeOf(await send(node, handle, invented, 0))).toBe('ERR_UNKNOWN_PRODUCER')
  })

  it('may follow the last sequence that there is', async () => {
    const node = await open(newWorld())
    // A log that is not synced takes any first sequence.
    const handle = await node.create('m', { durability: 'memory' })
    const producer = await initProducer(node)
    expect(codeOf(await send(node, handle, producer, 2 ** 31 - 2, ['a', 'b', 'c']))).toBe('stored')
    expect(codeOf(await send(node, handle, producer, 1))).toBe('stored')
    expect(codeOf(await send(node, handle, producer, 3))).toBe('ERR_OUT_OF_SEQUENCE')
    expect((await send(node, handle, producer, 2 ** 31 - 2, ['a', 'b', 'c'])).isDuplicate).toBe(
      true,
    )
  })

  it('has a sequence of its own in every partition', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', {}, 2)
    const producer = await initProducer(node)
    for (const partition of [0, 1]) {
      const bytes = producedBy(producer, 0, ['x'])
      const outcome = await node.run(node.submit(handle, bytes, { partition }) as Promise<Outcome>)
      expect(outcome.isDuplicate).toBe(false)
    }
  })

  it('carries the append time of the first time', async () => {
    const world = newWorld()
    const node = await open(world)
    const handle = await node.create('t', { timestampType: 'append' })
    const producer = await initProducer(node)
    const first = await send(node, handle, producer, 0)
    await world.scheduler.runFor(5_000)
    const again = await send(node, handle, producer, 0)
    expect(again.appendTimestamp).toBe(first.appendTimestamp)
  })
})

describe('what is known of producers', () => {
  const sendMany = async (
    node: TestNode,
    handle: TopicHandle,
    producer: ProducerIdentity,
    from: number,
    to: number,
  ): Promise<void> => {
    for (let sequence = from; sequence < to; sequence++)
      await send(node, handle, producer, sequence, ['x'.repeat(3_000)])
  }

  it.each([
    ['a clean stop', true],
    ['a power loss', false],
  ])('survives %s, behind checkpoints and without', async (_name, isClean) => {
    const world = newWorld()
    let node = await open(world)
    const handle = await node.create('t', { segmentBytes: 65_536 })
    const producer = await initProducer(node)
    let next = 0
    let checkpoints = 0
    for (let life = 0; life < 5; life++) {
      await sendMany(node, handle, producer, next, next + 1 + life * 15)
      next += 1 + life * 15
      checkpoints += node.broker.status().storage.checkpoints
      if (isClean) await node.close()
      else world.losePower()
      node = await open(world)
      const reopened = await node.open('t')
      const again = await send(node, reopened, producer, next - 1, ['x'.repeat(3_000)])
      expect(again).toMatchObject({ isDuplicate: true, baseOffset: next - 1 })
      expect(codeOf(await send(node, reopened, producer, next + 1))).toBe('ERR_OUT_OF_SEQUENCE')
    }
    expect(checkpoints).toBeGreaterThan(0)
  })

  it('comes back from a direct append that only the segment has', async () => {
    const world = newWorld()
    let node = await open(world)
    const handle = await node.create('t', { segmentBytes: 1_048_576 })
    const producer = await initProducer(node)
    await send(node, handle, producer, 0, ['y'.repeat(40_000)])
    expect(node.broker.status().storage.directAppends).toBe(1)
    world.losePower()
    node = await open(world)
    const again = await send(node, await node.open('t'), producer, 0, ['y'.repeat(40_000)])
    expect(again).toMatchObject({ isDuplicate: true, baseOffset: 0 })
  })

  it.each([
    ['missing', undefined],
    ['damaged', new Uint8Array(100).fill(7)],
  ])('is rebuilt from the segments when the snapshot is %s', async (_name, content) => {
    const world = newWorld()
    let node = await open(world)
    const handle = await node.create('t', { segmentBytes: 16_384 })
    const producer = await initProducer(node)
    await sendMany(node, handle, producer, 0, 20)
    await node.close()
    const path = '/data/producers.snapshot'
    if (content === undefined) {
      const { disk } = world.boot()
      await world.scheduler.runUntil(disk.remove(path))
    } else await overwrite(world, path, content)
    node = await open(world)
    const reopened = await node.open('t')
    for (const sequence of [15, 19]) {
      const again = await send(node, reopened, producer, sequence, ['x'.repeat(3_000)])
      expect(again).toMatchObject({ isDuplicate: true, baseOffset: sequence })
    }
    expect(codeOf(await send(node, reopened, producer, 20))).toBe('stored')
  })

  it('is rebuilt from intact batches only, and believes no offset that cannot be', async () => {
    const world = newWorld()
    let node = await open(world)
    const handle = await node.create('t')
    const producer = await initProducer(node)
    for (let sequence = 0; sequence < 4; sequence++) await send(node, handle, producer, sequence)
    await node.close()
    const [segment] = world.disk.files('/data/logs/1').filter((path) => path.endsWith('.log'))
    const batchBytes = world.disk.contentOf(segment ?? '').length / 4
    // The sign of the third one's base offset, and a byte of the fourth's record.
    world.disk.flipBit(segment ?? '', 8 * 2 * batchBytes)
    world.disk.flipBit(segment ?? '', 8 * (4 * batchBytes - 2))
    await overwrite(world, '/data/producers.snapshot', new Uint8Array(3))
    node = await open(world)
    const reopened = await node.open('t')
    expect(codeOf(await send(node, reopened, producer, 3))).toBe('ERR_OUT_OF_SEQUENCE')
    expect(await send(node, reopened, producer, 1)).toMatchObject({ isDuplicate: true })
    await node.close()
    node = await open(world)
    expect(await send(node, await node.open('t'), producer, 1)).toMatchObject({ isDuplicate: true })
  })

  it('goes back with batches that the disk had no room for', async () => {
    const world = newWorld()
    const node = await open(world)
    const handle = await node.create('t')
    const producer = await initProducer(node)
    for (let sequence = 0; sequence < 6; sequence++) await send(node, handle, producer, sequence)
    world.disk.inject({ kind: 'write', code: 'ENOSPC', nth: 1 })
    const refused = await node.run(
      Promise.all(
        [6, 7, 8, 9, 10, 11, 12].map(
          (sequence) =>
            node.submit(
              handle,
              producedBy(producer, sequence, [`v${sequence}`]),
            ) as Promise<Outcome>,
        ),
      ),
    )
    expect(new Set(refused.map(codeOf))).toEqual(new Set(['ERR_STORAGE_FULL']))
    await world.scheduler.runFor(5_000)
    expect(codeOf(await send(node, handle, producer, 7))).toBe('ERR_OUT_OF_SEQUENCE')
    expect(await send(node, handle, producer, 5)).toMatchObject({ isDuplicate: true })
    expect(await send(node, handle, producer, 6)).toMatchObject({ isDuplicate: false })
  })

  it('is forgotten when idle too long, counted from the restart, and never doubled then', async () => {
    const world = newWorld()
    let node = await open(world)
    const handle = await node.create('t')
    const producer = await initProducer(node)
    await send(node, handle, producer, 0)
    await world.scheduler.runFor(59_000)
    await node.close()
    node = await open(world)
    const reopened = await node.open('t')
    await world.scheduler.runFor(59_000)
    expect((await send(node, reopened, producer, 0)).isDuplicate).toBe(true)
    await world.scheduler.runFor(61_000)
    expect(codeOf(await send(node, reopened, producer, 1))).toBe('ERR_UNKNOWN_PRODUCER')
  })

  it('is bounded: who was idle longest is forgotten first', async () => {
    const node = await open(newWorld(), { producersMax: 3 })
    const handle = await node.create('t')
    const producers: ProducerIdentity[] = []
    for (let count = 0; count < 4; count++) producers.push(await initProducer(node))
    for (const producer of producers.slice(0, 3)) await send(node, handle, producer, 0)
    await send(node, handle, producers[0] as ProducerIdentity, 1)
    await send(node, handle, producers[3] as ProducerIdentity, 0)
    const codes: string[] = []
    for (const [index, producer] of producers.entries())
      codes.push(codeOf(await send(node, handle, producer, index === 0 ? 2 : 1)))
    expect(codes).toEqual(['stored', 'ERR_UNKNOWN_PRODUCER', 'stored', 'stored'])
  })

  it('is not asked for a producer without an id', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t')
    const bytes = batchOf(['x'])
    for (let count = 0; count < 3; count++)
      await node.run(node.submit(handle, bytes) as Promise<Outcome>)
    expect(await node.values(handle)).toEqual(['x', 'x', 'x'])
  })
})
