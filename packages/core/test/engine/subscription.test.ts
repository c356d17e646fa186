import type { BrokerError } from '@millrace/codec'
import type { PartitionSubscription, TopicHandle } from '../../src/engine/operations.ts'
import {
  batchOf,
  caller,
  newWorld,
  openNode,
  recordsOf,
  segmentFiles,
  type TestNode,
} from '../support/node.ts'

class Sink {
  readonly values: string[] = []
  readonly sizes: number[] = []
  readonly ends: BrokerError[] = []
  readonly subscription: PartitionSubscription

  constructor(node: TestNode, handle: TopicHandle, creditBytes: number, offset = 0) {
    const operation = { handle, partition: 0, offset, bytesPerDeliveryMax: 4_096, creditBytes }
    this.subscription = node.session.subscribe(operation, {
      deliver: (_partition, result) => {
        this.values.push(...recordsOf(result.lease?.parts ?? [], offset).map(({ value }) => value))
        this.sizes.push(result.lease?.byteLength ?? 0)
        result.lease?.release()
      },
      end: (_partition, error) => void this.ends.push(error),
    })
  }
}

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `${from + index}`.padEnd(500, '.'))

describe('a subscription', () => {
  it('delivers what is there, then what comes, each record once and in order', async () => {
    const node = await openNode(newWorld(), { storage: { unflushedBytesMax: 8_000 } })
    const handle = await node.create('t', { segmentBytes: 4_096 })
    for (const value of numbers(0, 60)) await node.append(handle, [value])
    const sink = new Sink(node, handle, 1 << 30)
    for (const value of numbers(60, 90)) await node.append(handle, [value])
    await node.world.scheduler.runFor(100)
    expect(sink.values).toEqual(numbers(0, 90))
    expect(node.broker.status().storage.segmentReads).toBeGreaterThan(0)
  })

  it('stops when its credit is spent and goes on when there is more', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    for (const value of numbers(0, 20)) await node.append(handle, [value])
    const sink = new Sink(node, handle, 1)
    await node.world.scheduler.runFor(100)
    expect(sink.sizes).toHaveLength(1)
    sink.subscription.addCredit(sink.sizes[0] ?? 0)
    await node.world.scheduler.runFor(100)
    expect(sink.sizes).toHaveLength(2)
    sink.subscription.addCredit(1 << 30)
    await node.world.scheduler.runFor(100)
    expect(sink.values).toEqual(numbers(0, 20))
  })

  it('without credit delivers nothing', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    await node.append(handle, ['a'])
    const sink = new Sink(node, handle, 0)
    await node.world.scheduler.runFor(100)
    expect(sink.values).toEqual([])
  })

  it('that is cancelled is silent, also from within a delivery', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    const sink = new Sink(node, handle, 1 << 30)
    await node.append(handle, ['a'])
    await node.world.scheduler.runFor(10)
    sink.subscription.cancel()
    await node.append(handle, ['b'])
    await node.world.scheduler.runFor(100)
    expect(sink.values).toEqual(['a'])
    expect(sink.ends).toEqual([])
  })

  it('ends by name: topic deleted, offset out of range', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    const outside = new Sink(node, handle, 100, 5)
    const inside = new Sink(node, handle, 100)
    await node.world.scheduler.runFor(10)
    expect(outside.ends.map((error) => error.code)).toEqual(['ERR_OFFSET_OUT_OF_RANGE'])
    await node.run(node.broker.deleteTopic(caller, { topic: 't' }))
    await node.world.scheduler.runFor(10)
    expect(inside.ends.map((error) => error.code)).toEqual(['ERR_TOPIC_DELETED'])
  })

  it('ends at damage, once, and another one behind it goes on', async () => {
    const world = newWorld(3)
    const first = await openNode(world)
    const handle = await first.create('t')
    for (const value of numbers(0, 20)) await first.append(handle, [value])
    await first.close()
    const path = segmentFiles(world).find((one) => one.includes('/logs/1/')) ?? ''
    world.disk.flipBit(path, 8 * (10 * batchOf(numbers(0, 1)).length + 200))
    const node = await openNode(world)
    const again = await node.open('t')
    const sink = new Sink(node, again, 1 << 30)
    const events = world.scheduler.eventCount
    await world.scheduler.runFor(1_000)
    expect(sink.values).toEqual(numbers(0, 10))
    expect(sink.ends.map((error) => error.code)).toEqual(['ERR_DATA_CORRUPT'])
    expect(world.scheduler.eventCount - events).toBeLessThan(500)
    const [partition] = node.broker.describeTopic(caller, 't').partitions
    expect(partition?.quarantined).toEqual([{ from: 10, to: 11 }])
    const behind = new Sink(node, again, 1 << 30, 11)
    await world.scheduler.runFor(100)
    expect(behind.values).toEqual(numbers(11, 20))
  })

  it('leaves a quiet world when it has delivered everything', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    await node.append(handle, ['a'])
    const sinks = Array.from({ length: 20 }, () => new Sink(node, handle, 1 << 30))
    await node.world.scheduler.runFor(3_000)
    const events = node.world.scheduler.eventCount
    await node.world.scheduler.runFor(10_000)
    expect(node.world.scheduler.eventCount - events).toBe(0)
    expect(sinks.every((sink) => sink.values.length === 1)).toBe(true)
    node.session.close()
  })
})
