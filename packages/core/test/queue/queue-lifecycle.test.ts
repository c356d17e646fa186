import { MessagingNode, message, type Peer, textOf } from '../support/messaging.ts'
import { caller, newWorld } from '../support/node.ts'

const key = (text: string) => ({ key: new TextEncoder().encode(text) })

describe.each([
  ['durable', true],
  ['in memory', false],
] as const)('a queue that is %s', (_name, isDurable) => {
  const start = async (settings = {}) => {
    const node = await MessagingNode.open(newWorld())
    await node.declare('q', { isDurable, ...settings })
    return node
  }
  const alter = (node: MessagingNode, settings: object) =>
    node.run(node.messaging.alterQueue(caller, { queue: 'q', settings }))
  const publish = (peer: Peer, texts: readonly string[]) => {
    for (const text of texts) peer.session.publish(message(text, key(text[0]!)), false)
  }

  it('keeps the order of a key when its message comes back', async () => {
    const node = await start({ isKeyOrdered: true })
    const peer = node.peer()
    peer.consume()
    publish(peer, ['a1', 'a2', 'a3', 'b1'])
    await node.pass()
    expect(peer.texts).toEqual(['a1', 'b1'])
    peer.session.settle([peer.received[0]!], 'requeue')
    await node.pass(50)
    expect(peer.texts).toEqual(['a1', 'b1', 'a1'])
    peer.session.settle([peer.received[2]!], 'ack')
    await node.pass(50)
    expect(peer.texts).toEqual(['a1', 'b1', 'a1', 'a2'])
    expect(peer.received[3]).toMatchObject({ isRedelivered: false, deliveryCount: 0 })
  })

  it('frees a key when what holds it is purged or expires', async () => {
    const node = await start({ isKeyOrdered: true })
    const peer = node.peer()
    peer.consume()
    publish(peer, ['a1', 'a2', 'a3'])
    await node.pass()
    const { messageCount } = await node.run(node.messaging.purgeQueue(caller, { queue: 'q' }))
    expect(messageCount).toBe(2)
    peer.session.settle(peer.received.splice(0), 'ack')
    publish(peer, ['a4'])
    await node.pass(50)
    expect(peer.texts).toEqual(['a1', 'a4'])
    expect(node.messaging.describeQueue(caller, 'q').inFlightCount).toBe(1)
  })

  it('shows what waits for its key to who looks, and keeps its order', async () => {
    const node = await start({ isKeyOrdered: true })
    const peer = node.peer()
    peer.consume()
    publish(peer, ['a1', 'a2', 'b1', 'a3'])
    await node.pass()
    const found = await node.run(node.messaging.peekQueue(caller, { queue: 'q', count: 9 }))
    expect(found.map(({ message }) => textOf(message))).toEqual(['a2', 'a3'])
    await node.pass()
    for (let count = 2; count <= 4; count++) {
      peer.session.settle(peer.received.splice(0), 'ack')
      await node.pass(50)
    }
    expect(peer.texts).toEqual(['a1', 'b1', 'a2', 'a3'])
  })

  it('delivers what waited for its key when order is not asked for any more', async () => {
    const node = await start({ isKeyOrdered: true })
    const peer = node.peer()
    peer.consume()
    publish(peer, ['a1', 'a2', 'a3'])
    await node.pass()
    await alter(node, { isKeyOrdered: false })
    await node.pass(50)
    expect(peer.texts).toEqual(['a1', 'a2', 'a3'])
    peer.session.settle(peer.received, 'ack')
    expect(node.messaging.describeQueue(caller, 'q')).toMatchObject({
      readyCount: 0,
      inFlightCount: 0,
    })
  })

  it('serves all its consumers when a single active one is not asked for any more', async () => {
    const node = await start({ isSingleActiveConsumer: true })
    const [one, two] = [node.peer(), node.peer()]
    one.consume()
    two.consume()
    publish(one, ['a'])
    await node.pass()
    await alter(node, { isSingleActiveConsumer: false })
    publish(one, ['b', 'c'])
    await node.pass()
    expect(two.texts).toHaveLength(1)
  })

  it('lets messages of every priority expire', async () => {
    const node = await start({ priorityMax: 2 })
    const peer = node.peer()
    peer.session.publish(message('high', { priority: 2 }), false)
    peer.session.publish(message('low', { priority: 0, ttlMs: 500 }), false)
    await node.pass(1_000)
    expect(node.ready()).toBe(1)
    expect(node.messaging.describeQueue(caller, 'q').counters.expired).toBe(1)
  })

  it('drops what is over smaller limits', async () => {
    const node = await start()
    const peer = node.peer()
    publish(peer, ['a', 'b', 'c', 'd'])
    await node.pass()
    await alter(node, { lengthMax: 1 })
    await node.pass()
    expect(node.ready()).toBe(1)
    await alter(node, { lengthMax: null, messageTtlMs: 1 })
    await node.pass(50)
    expect(node.ready()).toBe(0)
  })

  it('refuses bytes over its limit within one turn', async () => {
    const node = await start({ bytesMax: 10, overflow: 'reject' })
    const peer = node.peer()
    for (const text of ['12345', '67890', 'x']) peer.session.publish(message(text), true)
    await node.pass()
    expect(node.messaging.describeQueue(caller, 'q').readyBytes).toBe(10)
    expect(peer.confirms.at(-1)).toEqual({ from: 3, to: 3, code: 'ERR_MESSAGE_REFUSED' })
  })

  it('takes no message back when it is gone', async () => {
    const node = await start({ deadLetterExchange: '', deadLetterKey: 'dead', deliveryLimit: 0 })
    await node.declare('dead', { isDurable })
    const peer = node.peer()
    peer.consume()
    publish(peer, ['a', 'b'])
    await node.pass()
    await node.run(node.messaging.deleteQueue(caller, { queue: 'q' }))
    peer.session.settle([peer.received[0]!], 'requeue')
    peer.session.settle([peer.received[1]!], 'reject')
    await node.pass(50)
    expect(node.ready('dead')).toBe(0)
  })

  it('goes with its last consumer, and stays when there is one again', async () => {
    const node = await start({ isAutoDelete: true })
    const peer = node.peer()
    peer.consume().cancel()
    peer.consume()
    await node.pass(50)
    expect(peer.ended).toEqual([])
    peer.session.close()
    await node.pass(50)
    expect(node.messaging.listQueues(caller)).toEqual([])
  })

  it('goes when nobody has used it for its time', async () => {
    const node = await start({ expiresMs: 1_000 })
    const peer = node.peer()
    const consumer = peer.consume()
    await node.pass(3_000)
    consumer.cancel()
    await node.pass(900)
    expect(await node.run(peer.get())).toBeUndefined()
    await node.pass(900)
    expect(node.messaging.listQueues(caller)).toHaveLength(1)
    await node.pass(1_200)
    expect(node.messaging.listQueues(caller)).toEqual([])
  })

  it('bears a consumer that is cancelled inside a delivery', async () => {
    const node = await start()
    const peer = node.peer()
    const seen: string[] = []
    const consumer = peer.session.consume(
      {
        queue: 'q',
        owner: undefined,
        isAutoSettled: false,
        isExclusive: false,
        priority: 0,
        inFlightCountMax: 0,
        pool: undefined,
      },
      {
        deliver: (delivery) => {
          seen.push(new TextDecoder().decode(delivery.message.payload))
          consumer.cancel()
          if (seen.length === 1) peer.session.settle([delivery], 'requeue')
        },
        end: () => undefined,
      },
    )
    publish(peer, ['a', 'b'])
    await node.pass()
    expect(seen).toEqual(['a'])
    expect(node.messaging.describeQueue(caller, 'q')).toMatchObject({
      readyCount: 2,
      inFlightCount: 0,
      consumerCount: 0,
    })
  })
})

describe('an exclusive queue', () => {
  it('goes with its owner, also when that ends while it is declared', async () => {
    const node = await MessagingNode.open(newWorld())
    const owner = node.messaging.openOwner()
    const declared = node.messaging.declareQueue(caller, {
      queue: 'mine',
      settings: {},
      isExclusive: true,
      owner,
    })
    owner.close()
    await node.run(declared)
    await node.pass()
    expect(node.messaging.listQueues(caller)).toEqual([])
  })

  it('needs an owner', async () => {
    const node = await MessagingNode.open(newWorld())
    const declared = node.messaging.declareQueue(caller, {
      queue: 'mine',
      settings: {},
      isExclusive: true,
    })
    await expect(node.run(declared)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })
})

describe('a queue that knows message ids', () => {
  const start = async () => {
    const node = await MessagingNode.open(newWorld())
    await node.declare('q', { dedupWindowMs: 10_000 })
    return node
  }
  const twice = message('a', { messageId: 'one' })

  it('takes a message once, and again after the window', async () => {
    const node = await start()
    const peer = node.peer()
    peer.session.publish(twice, true)
    peer.session.publish(twice, true)
    await node.pass()
    expect(node.ready()).toBe(1)
    expect(peer.confirms).toEqual([{ from: 1, to: 2, code: undefined }])
    await node.pass(10_001)
    peer.session.publish(twice, true)
    await node.pass()
    expect(node.ready()).toBe(2)
  })

  it('confirms a repeat with its original, and takes it again after a refusal', async () => {
    const node = await start()
    const peer = node.peer()
    node.node.world.disk.inject({ kind: 'write', code: 'ENOSPC', nth: 1, times: 1 })
    peer.session.publish(twice, true)
    peer.session.publish(message('b', { routingKey: 'nowhere' }), true)
    peer.session.publish(twice, true)
    await node.pass(3)
    expect(peer.confirms.map(({ code }) => code)).toEqual([
      'ERR_STORAGE_FULL',
      undefined,
      'ERR_STORAGE_FULL',
    ])
    await node.pass(2_000)
    peer.session.publish(twice, true)
    await node.pass()
    expect(node.ready()).toBe(1)
  })
})
