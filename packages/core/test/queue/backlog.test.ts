import { MessagingNode, message } from '../support/messaging.ts'
import { caller, newWorld, openNode } from '../support/node.ts'

const storage = { queueSegmentBytes: 64 * 1024 }

const fill = async (node: MessagingNode, count: number): Promise<void> => {
  const peer = node.peer()
  for (let index = 0; index < count; index++) {
    const next = message(`${index}`.padEnd(100, '.'))
    while (peer.session.publish(next, true) < 0) await node.pass(1)
  }
  await node.pass(200)
}

/** Reads of segments while a directory with a backlog of so many messages is opened. */
const readsAtOpen = async (count: number): Promise<number> => {
  const world = newWorld()
  const node = new MessagingNode(await openNode(world, { storage }))
  await node.declare()
  await fill(node, count)
  const peer = node.peer()
  peer.consume('q', { inFlightCountMax: 10 })
  await node.pass()
  peer.session.settle(peer.received.slice(0, 5), 'ack')
  await node.node.close()
  const again = new MessagingNode(await openNode(world, { storage }))
  expect(again.ready()).toBe(count - 5)
  return again.node.broker.status().storage.segmentReads
}

describe('a backlog', () => {
  it('is not read at a start, however long it is', async () => {
    const [short, long] = [await readsAtOpen(200), await readsAtOpen(20_000)]
    expect(long).toBeLessThanOrEqual(short + 2)
  })

  it('takes no memory for messages that wait in the log', async () => {
    const node = new MessagingNode(await openNode(newWorld(), { storage }))
    await node.declare()
    const counted = () => node.messaging.describeQueue(caller, 'q').readyCount
    await fill(node, 20_000)
    expect(counted()).toBe(20_000)
    const peer = node.peer()
    peer.consume('q', { inFlightCountMax: 1 })
    await node.pass()
    const seen = new Set<string>()
    for (let count = 0; count < 50; count++) {
      const [delivery] = peer.received.splice(0)
      seen.add(String(delivery?.offset))
      peer.session.settle([delivery!], 'ack')
      await node.pass(2)
    }
    expect([...seen]).toEqual(Array.from({ length: 50 }, (_, index) => String(index)))
    expect(counted()).toBe(20_000 - 51)
    expect(node.node.broker.status().storage.segmentReads).toBeLessThan(50)
  })
})
