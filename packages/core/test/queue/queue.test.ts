import { MessagingNode, message, textOf } from '../support/messaging.ts'
import { caller, newWorld } from '../support/node.ts'

const kinds = [
  ['durable', true],
  ['in memory', false],
] as const

describe.each(kinds)('a queue that is %s', (_name, isDurable) => {
  const start = async (settings = {}) => {
    const node = await MessagingNode.open(newWorld())
    await node.declare('q', { isDurable, ...settings })
    return node
  }

  it('hands over what is published, in order, and never inside the call', async () => {
    const node = await start()
    const peer = node.peer()
    peer.consume()
    for (let index = 0; index < 5; index++)
      expect(peer.session.publish(message(`m${index}`), true)).toBe(1)
    expect(peer.texts).toEqual([])
    await node.pass()
    expect(peer.texts).toEqual(['m0', 'm1', 'm2', 'm3', 'm4'])
    expect(peer.confirms).toEqual([{ from: 1, to: 5, code: undefined }])
  })

  it('keeps messages for a consumer that comes later', async () => {
    const node = await start()
    const peer = node.peer()
    for (let index = 0; index < 2_000; index++) peer.session.publish(message(`m${index}`), false)
    await node.pass()
    expect(node.ready()).toBe(2_000)
    peer.consume()
    await node.pass(200)
    expect(peer.texts).toHaveLength(2_000)
    expect(peer.texts[1_999]).toBe('m1999')
    expect(node.ready()).toBe(0)
  })

  it('gives no more than a consumer may have in flight, and more when it settles', async () => {
    const node = await start()
    const peer = node.peer()
    peer.consume('q', { inFlightCountMax: 2 })
    for (const text of ['a', 'b', 'c', 'd']) peer.session.publish(message(text), false)
    await node.pass()
    expect(peer.texts).toEqual(['a', 'b'])
    peer.session.settle([peer.received[0]!], 'ack')
    await node.pass()
    expect(peer.texts).toEqual(['a', 'b', 'c'])
  })

  it('serves its consumers in turn, those of higher priority first', async () => {
    const node = await start()
    const [one, two, high] = [node.peer(), node.peer(), node.peer()]
    one.consume()
    two.consume()
    high.consume('q', { priority: 5, inFlightCountMax: 1 })
    for (const text of ['a', 'b', 'c', 'd', 'e']) one.session.publish(message(text), false)
    await node.pass()
    expect(high.texts).toEqual(['a'])
    expect([one.texts, two.texts]).toEqual([
      ['b', 'd'],
      ['c', 'e'],
    ])
  })

  it('takes a returned message back to its place, marked', async () => {
    const node = await start()
    const peer = node.peer()
    const consumer = peer.consume()
    for (const text of ['a', 'b', 'c']) peer.session.publish(message(text), false)
    await node.pass()
    consumer.cancel()
    peer.session.settle([peer.received[1]!, peer.received[0]!], 'requeue')
    expect(node.ready()).toBe(2)
    const other = node.peer()
    other.consume()
    await node.pass(200)
    expect(other.texts).toEqual(['a', 'b'])
    expect(
      other.received.map(({ isRedelivered, deliveryCount }) => [isRedelivered, deliveryCount]),
    ).toEqual([
      [true, 1],
      [true, 1],
    ])
  })

  it('gets back what a session had in flight when it ends', async () => {
    const node = await start()
    const peer = node.peer()
    peer.consume()
    for (const text of ['a', 'b']) peer.session.publish(message(text), false)
    await node.pass()
    peer.session.close()
    expect(node.ready()).toBe(2)
    const other = node.peer()
    other.consume()
    await node.pass(200)
    expect(other.texts).toEqual(['a', 'b'])
  })

  it('answers one message at a time to who asks', async () => {
    const node = await start()
    const peer = node.peer()
    expect(await node.run(peer.get())).toBeUndefined()
    for (const text of ['a', 'b']) peer.session.publish(message(text), false)
    await node.pass()
    const first = await node.run(peer.get())
    expect(textOf(first!.delivery.message)).toBe('a')
    expect(first!.readyCount).toBe(1)
    const second = await node.run(peer.get('q', true))
    expect(textOf(second!.delivery.message)).toBe('b')
    expect(await node.run(peer.get())).toBeUndefined()
    peer.session.settle([first!.delivery], 'ack')
    expect(() => peer.session.settle([first!.delivery], 'ack')).toThrow(
      expect.objectContaining({ code: 'ERR_UNKNOWN_DELIVERY' }),
    )
  })

  it('drops from its head what is over its length', async () => {
    const node = await start({ lengthMax: 2 })
    const peer = node.peer()
    for (const text of ['a', 'b', 'c', 'd']) peer.session.publish(message(text), true)
    await node.pass(200)
    expect(node.ready()).toBe(2)
    peer.consume()
    await node.pass(200)
    expect(peer.texts).toEqual(['c', 'd'])
    expect(peer.confirms.every(({ code }) => code === undefined)).toBe(true)
  })

  it('refuses what is over its length when it is told to', async () => {
    const node = await start({ lengthMax: 1, overflow: 'reject' })
    const peer = node.peer()
    peer.session.publish(message('a'), true)
    peer.session.publish(message('b'), true)
    await node.pass()
    expect(peer.confirms).toEqual([
      { from: 1, to: 1, code: undefined },
      { from: 2, to: 2, code: 'ERR_MESSAGE_REFUSED' },
    ])
    expect(node.ready()).toBe(1)
  })

  it('hands over messages of higher priority first', async () => {
    const node = await start({ priorityMax: 3 })
    const peer = node.peer()
    for (const [text, priority] of [
      ['a', 0],
      ['b', 3],
      ['c', 1],
      ['d', 9],
    ] as const)
      peer.session.publish(message(text, { priority }), false)
    await node.pass()
    peer.consume()
    await node.pass(200)
    expect(peer.texts).toEqual(['b', 'd', 'c', 'a'])
  })

  it('lets messages expire at its head, whether anybody consumes or not', async () => {
    const node = await start()
    const peer = node.peer()
    peer.session.publish(message('a', { ttlMs: 1_000 }), false)
    peer.session.publish(message('b'), false)
    await node.pass(500)
    expect(node.ready()).toBe(2)
    await node.pass(1_000)
    expect(node.ready()).toBe(1)
  })

  it('lets a message expire that a get has brought to the head', async () => {
    const node = await start()
    const peer = node.peer()
    peer.session.publish(message('stays'), false)
    peer.session.publish(message('goes', { ttlMs: 1 }), false)
    await node.pass(50)
    const got = await node.run(peer.get())
    peer.session.settle([got!.delivery], 'reject')
    await node.pass(100)
    expect(node.ready()).toBe(0)
  })

  it('sends what is rejected to its dead letters, with its history', async () => {
    const node = await start({ deadLetterExchange: '', deadLetterKey: 'dead' })
    await node.declare('dead', { isDurable })
    const peer = node.peer()
    peer.consume()
    peer.session.publish(message('a'), false)
    await node.pass()
    peer.session.settle(peer.received, 'reject')
    const other = node.peer()
    other.consume('dead')
    await node.pass(200)
    expect(other.texts).toEqual(['a'])
    expect(node.ready()).toBe(0)
  })

  it('gives a message that comes back too often to its dead letters', async () => {
    const node = await start({ deadLetterExchange: '', deadLetterKey: 'dead', deliveryLimit: 1 })
    await node.declare('dead', { isDurable })
    const peer = node.peer()
    peer.consume()
    peer.session.publish(message('a'), false)
    await node.pass()
    peer.session.settle([peer.received[0]!], 'requeue')
    await node.pass(200)
    expect(peer.received[1]).toMatchObject({ deliveryCount: 1 })
    peer.session.settle([peer.received[1]!], 'requeue')
    await node.pass(200)
    expect(peer.received).toHaveLength(2)
    expect(node.ready('dead')).toBe(1)
  })

  it('has one active consumer at a time when it is told to', async () => {
    const node = await start({ isSingleActiveConsumer: true })
    const [one, two] = [node.peer(), node.peer()]
    const first = one.consume()
    two.consume()
    for (const text of ['a', 'b']) one.session.publish(message(text), false)
    await node.pass()
    expect([one.texts, two.texts]).toEqual([['a', 'b'], []])
    first.cancel()
    one.session.publish(message('c'), false)
    await node.pass()
    expect(two.texts).toEqual(['c'])
  })

  it('keeps messages of one key in order, one in flight', async () => {
    const node = await start({ isKeyOrdered: true })
    const peer = node.peer()
    peer.consume()
    const key = (text: string) => ({ key: new TextEncoder().encode(text) })
    peer.session.publish(message('a1', key('a')), false)
    peer.session.publish(message('a2', key('a')), false)
    peer.session.publish(message('b1', key('b')), false)
    await node.pass()
    expect(peer.texts).toEqual(['a1', 'b1'])
    peer.session.settle([peer.received[0]!], 'ack')
    await node.pass()
    expect(peer.texts).toEqual(['a1', 'b1', 'a2'])
  })

  it('tells its consumers when it is deleted', async () => {
    const node = await start()
    const peer = node.peer()
    peer.consume()
    await node.run(node.messaging.deleteQueue(caller, { queue: 'q' }))
    expect(peer.ended).toEqual(['ERR_QUEUE_DELETED'])
    expect(() => node.ready()).toThrow(expect.objectContaining({ code: 'ERR_QUEUE_NOT_FOUND' }))
  })

  it('does a transaction whole', async () => {
    const node = await start()
    await node.declare('out', { isDurable })
    const peer = node.peer()
    peer.consume()
    peer.session.publish(message('job'), false)
    await node.pass()
    const counts = node.run(
      peer.session.commit(
        [message('done', { routingKey: 'out' }), message('more', { routingKey: 'out' })],
        [{ deliveries: [peer.received[0]!], outcome: 'ack' }],
      ),
    )
    expect(await counts).toEqual([1, 1])
    expect(node.ready('out')).toBe(2)
    expect(node.messaging.describeQueue(caller, 'q').inFlightCount).toBe(0)
  })
})
