import { MessagingNode, message, type Peer, type World } from '../support/messaging.ts'
import { caller, newWorld, openNode } from '../support/node.ts'

const ackAll = async (node: MessagingNode, peer: Peer): Promise<void> => {
  peer.session.settle(peer.received.splice(0), 'ack')
  await node.run(peer.session.flushSettlements())
}

/** Segments are written early, checkpoints are not taken. */
const storage = { checkpointBytes: 1_048_576, unflushedBytesMax: 16_384 }

const reopen = async (world: World): Promise<MessagingNode> => {
  world.kill()
  return new MessagingNode(await openNode(world, { storage }))
}

describe('a ledger that is first used after a restart', () => {
  it('is read again when it is in a file already and in no checkpoint', async () => {
    const world = newWorld()
    const first = await MessagingNode.open(world)
    await first.declare()
    for (const text of ['a', 'b']) first.peer().session.publish(message(text), true)
    await first.pass()

    const second = await reopen(world)
    const peer = second.peer()
    peer.consume('q', { inFlightCountMax: 1 })
    await second.pass()
    await ackAll(second, peer)
    for (let index = 0; index < 8; index++)
      second.peer().session.publish(message('x'.repeat(1_000)), true)
    await second.pass(100)

    const third = await reopen(world)
    expect(third.node.broker.status().storage.recovery.quarantinedRanges).toBe(0)
    expect(third.ready()).toBe(9)
  })
})

describe('a storage that has failed', () => {
  it('does not say that a queue is purged, or that anything is settled', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare()
    const peer = node.peer()
    peer.consume('q', { inFlightCountMax: 1 })
    for (const text of ['a', 'b']) peer.session.publish(message(text), true)
    await node.pass()
    world.disk.inject({ kind: 'sync', nth: 1, code: 'EIO' })
    peer.session.publish(message('c'), true)
    await node.pass()
    peer.session.settle(peer.received.splice(0), 'ack')
    await expect(node.run(peer.session.flushSettlements())).rejects.toMatchObject({
      code: 'ERR_STORAGE_FAILED',
    })
  })
})

describe('a message that lives for nothing', () => {
  it('waits for the ledger, which must know first, without keeping the queue busy', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare()
    const peer = node.peer()
    const { scheduler } = world
    peer.session.publish(message('now', { ttlMs: 0 }), true)
    await scheduler.runUntil(() => node.ready() === 1)
    peer.consume()
    const until = scheduler.eventCount + 5_000
    await scheduler.runUntil(() => peer.texts.length > 0 || scheduler.eventCount > until)
    expect(scheduler.eventCount).toBeLessThan(until)
  })
})

describe('a deletion that a closing broker did not get to', () => {
  it('is refused, and the queue is there afterwards', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare()
    const first = node.messaging.declareQueue(caller, { queue: 'other', settings: {} })
    const deletion = node.messaging.deleteQueue(caller, { queue: 'q' })
    const refusal = expect(deletion).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    const closing = node.node.broker.close()
    await node.run(first)
    await refusal
    await node.run(closing)
    const again = await reopen(world)
    expect(again.ready()).toBe(0)
  })
})
