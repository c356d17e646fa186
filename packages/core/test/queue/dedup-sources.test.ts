/** What a window of message ids says to each way by which a message gets into its queue. */
import type { MessageSource } from '../../src/engine/messaging.ts'
import { MessagingNode, message, type World } from '../support/messaging.ts'
import { caller, newWorld } from '../support/node.ts'

const WINDOW_MS = 60_000

const withId = (messageId: string, changed: Partial<MessageSource> = {}): MessageSource =>
  message(messageId, { messageId, ...changed })

const publish = async (node: MessagingNode, ...messages: readonly MessageSource[]) => {
  const peer = node.peer()
  for (const each of messages) peer.session.publish(each, true)
  await node.pass(50)
  return peer.confirms.map(({ code }) => code)
}

const start = async (settings = {}): Promise<{ world: World; node: MessagingNode }> => {
  const world = newWorld()
  const node = await MessagingNode.open(world)
  await node.declare('q', { dedupWindowMs: WINDOW_MS, ...settings })
  return { world, node }
}

const restart = async (world: World): Promise<MessagingNode> => {
  world.losePower()
  return MessagingNode.open(world)
}

const commit = (node: MessagingNode, ...messages: readonly MessageSource[]): Promise<unknown> =>
  node.run(node.peer().session.commit(messages, []))

describe('a full queue', () => {
  it('confirms a repeat: its original is there', async () => {
    const { node } = await start({ lengthMax: 1, overflow: 'reject' })
    expect(await publish(node, withId('a'))).toEqual([undefined])
    expect(await publish(node, withId('a'))).toEqual([undefined])
    expect(await publish(node, withId('b'))).toEqual(['ERR_MESSAGE_REFUSED'])
    await node.run(node.messaging.purgeQueue(caller, { queue: 'q' }))
    expect(await publish(node, withId('b'))).toEqual([undefined])
    expect(node.ready()).toBe(1)
  })
})

describe.each([true, false])('a transaction (durable queue: %s)', (isDurable) => {
  it('stores what the window knows, and the window knows what it stored', async () => {
    const { node } = await start({ isDurable })
    await publish(node, withId('a'))
    await commit(node, withId('a'), withId('b'))
    expect(node.ready()).toBe(3)
    await publish(node, withId('a'), withId('b'))
    expect(node.ready()).toBe(3)
  })
})

describe('a transaction, after a restart', () => {
  it('has left its ids', async () => {
    const { world, node } = await start()
    await commit(node, withId('a'))
    const again = await restart(world)
    await publish(again, withId('a'))
    expect(again.ready()).toBe(1)
  })
})

describe('a message that comes back', () => {
  const retrying = { deadLetterExchange: '', deadLetterKey: 'later' }
  const later = { deadLetterExchange: '', deadLetterKey: 'q', messageTtlMs: 100 }

  it.each([true, false])('by dead-lettering is no repeat (durable: %s)', async (isDurable) => {
    const { node } = await start({ ...retrying, isDurable })
    await node.declare('later', { ...later, isDurable })
    await publish(node, withId('a'))
    const peer = node.peer()
    const { delivery } = (await node.run(peer.get()))!
    peer.session.settle([delivery], 'reject')
    await node.pass(1_000)
    expect([node.ready('q'), node.ready('later')]).toEqual([1, 0])
    expect(await publish(node, withId('a'))).toEqual([undefined])
    expect(node.ready()).toBe(1)
  })

  it('and finds no room leaves what was known as it was', async () => {
    const { world, node } = await start()
    await node.declare('aside')
    await publish(node, withId('a'), withId('a', { routingKey: 'aside' }))
    const peer = node.peer()
    // Once before: the move's own write is the next one, not its ledger's.
    const { delivery } = (await node.run(peer.get('aside')))!
    peer.session.settle([delivery], 'requeue')
    await node.pass(100)
    world.disk.inject({ kind: 'write', code: 'ENOSPC', nth: 1, times: 1 })
    const moving = node.messaging.moveMessages(caller, {
      queue: 'aside',
      exchange: '',
      routingKey: 'q',
    })
    expect(await node.run(moving)).toEqual({ messageCount: 0 })
    await node.pass(2_000)
    expect(await publish(node, withId('a'))).toEqual([undefined])
    expect([node.ready('q'), node.ready('aside')]).toEqual([1, 1])
  })

  it('by a move is none, and is known anew after a restart', async () => {
    const { world, node } = await start()
    await node.declare('aside')
    await publish(node, withId('a'))
    const move = (queue: string, routingKey: string) =>
      node.run(node.messaging.moveMessages(caller, { queue, exchange: '', routingKey }))
    await node.pass(WINDOW_MS - 1_000)
    expect(await move('q', 'aside')).toEqual({ messageCount: 1 })
    expect(await move('aside', 'q')).toEqual({ messageCount: 1 })
    expect([node.ready('q'), node.ready('aside')]).toEqual([1, 0])
    const again = await restart(world)
    await again.pass(2_000)
    await publish(again, withId('a'))
    expect(again.ready()).toBe(1)
  })
})
