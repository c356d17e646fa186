import { TrafficCounters } from '../../src/engine/traffic.ts'
import { LatencyWindow } from '../../src/log/latency-window.ts'
import { batchOf, caller, newWorld, openNode } from '../support/node.ts'

it('counts what a protocol and a topic take in and give out', async () => {
  const node = await openNode(newWorld())
  const handle = await node.create('t', {}, 2)
  const traffic = new TrafficCounters()
  let completed = 0
  const session = node.broker.openSession({
    principal: caller.principal,
    namespace: '/',
    inFlightCountMax: 100,
    inFlightBytesMax: 1 << 20,
    traffic,
    onCompletions: (_completions, count) => void (completed += count),
    onWritable: () => undefined,
  })
  const bytes = batchOf(['a', 'b', 'c'])
  const append = { handle, isOwned: false, durability: 'topic' } as const
  session.append({ ...append, sequence: 1, partition: 0, bytes })
  session.append({ ...append, sequence: 2, partition: 7, bytes })
  await node.world.scheduler.runUntil(() => completed === 2)
  const read = { handle, partition: 0, bytesMax: 1 << 20, bytesMin: 0, waitMsMax: 0 }
  let reads = 0
  for (const offset of [1, 3])
    session.fetch({ ...read, offset }, ({ lease }) => {
      lease?.release()
      reads++
    })
  await node.world.scheduler.runUntil(() => reads === 2)
  const moved = { recordsIn: 3, bytesIn: bytes.length, recordsOut: 2, bytesOut: bytes.length }
  expect({ ...traffic }).toEqual({ appendRequests: 2, ...moved })
  const [topic] = [...node.broker.inspectTopics()]
  expect({ ...topic?.traffic }).toEqual({ appendRequests: 0, ...moved })
  expect(topic?.partitions.map(({ next }) => next)).toEqual([3, 0])
})

it('counts what a subscription is given', async () => {
  const node = await openNode(newWorld())
  const handle = await node.create('t')
  const traffic = new TrafficCounters()
  const session = node.broker.openSession({
    principal: caller.principal,
    namespace: '/',
    inFlightCountMax: 100,
    inFlightBytesMax: 1 << 20,
    traffic,
    onCompletions: () => undefined,
    onWritable: () => undefined,
  })
  const operation = { handle, partition: 0, offset: 0, bytesPerDeliveryMax: 1 << 16 }
  session.subscribe(
    { ...operation, creditBytes: 1 << 20 },
    { deliver: (_partition, { lease }) => lease?.release(), end: () => undefined },
  )
  await node.run(node.submit(handle, batchOf(['a', 'b'])) as Promise<unknown>)
  await node.world.scheduler.runUntil(() => traffic.recordsOut === 2)
  expect(traffic.bytesOut).toBe(batchOf(['a', 'b']).length)
})

it('puts a duration into the bucket whose bound it does not exceed', () => {
  const window = new LatencyWindow()
  for (const ms of [0.1, 0.11, 10_000, 10_001]) window.add(ms)
  const { boundsMs, counts, totalMs } = window.buckets
  const countOf = (boundMs: number): number | undefined => counts[boundsMs.indexOf(boundMs)]
  expect([countOf(0.1), countOf(0.25), countOf(10_000), counts[boundsMs.length]]).toEqual([
    1, 1, 1, 1,
  ])
  expect(counts.reduce((sum, count) => sum + count)).toBe(4)
  expect(totalMs).toBeCloseTo(20_001.21)
})
