import { utf8Encode } from '@millrace/codec'
import { MessagingNode, message } from '../support/messaging.ts'
import { caller, newWorld } from '../support/node.ts'

const bindTopic = (node: MessagingNode, routingKey: string, target = 't'): Promise<void> =>
  node.run(
    node.messaging.bind(caller, {
      exchange: 'amq.topic',
      targetKind: 'topic',
      target,
      routingKey,
    }),
  )

describe('a topic bound to an exchange', () => {
  it('stores what matches, under the routing key, and confirms it when it is stored', async () => {
    const node = await MessagingNode.open(newWorld())
    const handle = await node.node.create('t')
    await bindTopic(node, 'devices.#')
    const peer = node.peer()
    const source = { exchange: 'amq.topic', routingKey: 'devices.a.temperature' }
    expect(peer.session.publish(message('21', source), true)).toBe(1)
    expect(peer.session.publish(message('x', { ...source, routingKey: 'other' }), true)).toBe(0)
    await node.pass()
    expect(await node.node.values(handle)).toEqual(['21'])
    expect(peer.confirms.at(-1)).toEqual(expect.objectContaining({ to: 2, code: undefined }))
  })

  it('is forgotten by its bindings when it is deleted', async () => {
    const node = await MessagingNode.open(newWorld())
    await node.node.create('t')
    await bindTopic(node, '#')
    await node.run(node.node.broker.deleteTopic(caller, { topic: 't' }))
    await node.pass()
    expect(node.messaging.listBindings(caller, { exchange: 'amq.topic' })).toEqual([])
  })
})

describe('a queue over a topic', () => {
  const start = async (world = newWorld()) => {
    const node = await MessagingNode.open(world)
    const handle = await node.node.create('t', {}, 2)
    await node.node.append(handle, ['before'])
    await node.declare('q', { topic: 't' })
    return { node, handle, world }
  }

  it('hands over what comes from now on, each record to one consumer', async () => {
    const { node, handle } = await start()
    const [one, two] = [node.peer(), node.peer()]
    one.consume('q', { inFlightCountMax: 1 })
    two.consume('q', { inFlightCountMax: 1 })
    await node.node.append(handle, ['a', 'b'])
    await node.pass(100)
    expect([...one.texts, ...two.texts].sort()).toEqual(['a', 'b'])
    expect(await node.node.values(handle)).toEqual(['before', 'a', 'b'])
  })

  it('goes on after a power loss where it was', async () => {
    const { node, handle, world } = await start()
    await node.node.append(handle, ['a', 'b', 'c'])
    const peer = node.peer()
    peer.consume()
    await node.pass(100)
    peer.session.settle([peer.received[0]!], 'ack')
    await node.run(peer.session.flushSettlements())
    world.losePower()
    const again = await MessagingNode.open(world)
    const other = again.peer()
    other.consume()
    await again.pass(200)
    expect(other.texts).toEqual(['b', 'c'])
    expect(other.received.every(({ isRedelivered }) => isRedelivered)).toBe(true)
  })

  it('goes with its topic', async () => {
    const { node } = await start()
    const peer = node.peer()
    peer.consume()
    await node.run(node.node.broker.deleteTopic(caller, { topic: 't' }))
    await node.pass(100)
    expect(peer.ended).toEqual(['ERR_QUEUE_DELETED'])
  })

  it('refuses settings that are the topic’s', async () => {
    const { node } = await start()
    const declared = node.run(
      node.messaging.declareQueue(caller, { queue: 'x', settings: { topic: 't', lengthMax: 1 } }),
    )
    await expect(declared).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })
})

describe('a stream', () => {
  it('is the topic of its name, written to by queue name and by bindings', async () => {
    const node = await MessagingNode.open(newWorld())
    await node.declare('s', { isStream: true })
    const peer = node.peer()
    expect(peer.session.publish(message('a', { routingKey: 's' }), true)).toBe(1)
    await node.pass()
    const handle = await node.run(node.node.broker.openTopic(caller, 's', { create: false }))
    expect(await node.node.values(handle)).toEqual(['a'])
    expect(node.ready('s')).toBe(1)
    expect(() => peer.consume('s')).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED_FEATURE' }),
    )
    await node.run(node.messaging.deleteQueue(caller, { queue: 's' }))
    expect(node.node.broker.listTopics(caller)).toEqual([])
  })
})

describe('an operator', () => {
  it('looks at messages without taking them, moves them, and purges', async () => {
    const node = await MessagingNode.open(newWorld())
    await node.declare('q')
    await node.declare('other')
    const peer = node.peer()
    for (const text of ['a', 'b', 'c']) peer.session.publish(message(text), false)
    await node.pass()
    const seen = await node.run(node.messaging.peekQueue(caller, { queue: 'q', count: 2 }))
    expect(seen.map(({ message: { payload } }) => payload)).toEqual(['a', 'b'].map(utf8Encode))
    const moved = node.messaging.moveMessages(caller, {
      queue: 'q',
      exchange: '',
      routingKey: 'other',
      count: 2,
    })
    expect(await node.run(moved)).toEqual({ messageCount: 2 })
    expect([node.ready('q'), node.ready('other')]).toEqual([1, 2])
    expect(await node.run(node.messaging.purgeQueue(caller, { queue: 'other' }))).toEqual({
      messageCount: 2,
    })
    expect(node.ready('other')).toBe(0)
  })

  it('replays what was settled and is still there', async () => {
    const node = await MessagingNode.open(newWorld())
    await node.declare('q', { retentionMs: 3_600_000 })
    const peer = node.peer()
    peer.consume()
    for (const text of ['a', 'b']) peer.session.publish(message(text), false)
    await node.pass()
    peer.session.settle(peer.received, 'ack')
    await node.pass(100)
    const replayed = node.messaging.replayQueue(caller, { queue: 'q', sinceMs: 0 })
    expect(await node.run(replayed)).toEqual({ messageCount: 2 })
    await node.pass(100)
    expect(peer.texts).toEqual(['a', 'b', 'a', 'b'])
  })
})
