import { LogReader } from '../../src/log/log-reader.ts'
import { MessagingNode, message, type World } from '../support/messaging.ts'
import { caller, newWorld } from '../support/node.ts'

const restart = async (world: World): Promise<MessagingNode> => {
  world.losePower()
  return MessagingNode.open(world)
}

const drain = async (node: MessagingNode, queue = 'q'): Promise<string[]> => {
  const peer = node.peer()
  peer.consume(queue)
  await node.pass(300)
  return peer.texts
}

describe('a durable queue after a power loss', () => {
  it('has what was confirmed, in order, and not what was acked', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare()
    const peer = node.peer()
    peer.consume('q', { inFlightCountMax: 3 })
    for (let index = 0; index < 10; index++) peer.session.publish(message(`m${index}`), true)
    await node.pass()
    expect(peer.confirms.at(-1)).toMatchObject({ to: 10 })
    peer.session.settle([peer.received[0]!, peer.received[2]!], 'ack')
    await node.run(peer.session.flushSettlements())
    const again = await restart(world)
    expect(again.ready()).toBe(8)
    expect(await drain(again)).toEqual(['m1', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8', 'm9'])
  })

  it('is not read before somebody consumes', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare()
    const peer = node.peer()
    for (let index = 0; index < 10; index++) peer.session.publish(message(`m${index}`), true)
    await node.pass()
    const again = await restart(world)
    const reading = jest.spyOn(LogReader.prototype, 'read')
    again.peer().session.publish(message('more'), true)
    await again.pass(100)
    expect(reading).not.toHaveBeenCalled()
    expect(await drain(again)).toHaveLength(11)
    expect(reading).toHaveBeenCalled()
    reading.mockRestore()
  })

  it('says of what was delivered before that it was, and how often it came back', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare()
    const peer = node.peer()
    peer.consume('q', { inFlightCountMax: 1 })
    for (const text of ['a', 'b']) peer.session.publish(message(text), true)
    await node.pass()
    peer.session.settle([peer.received[0]!], 'requeue')
    await node.pass()
    await node.run(peer.session.flushSettlements())
    const again = await restart(world)
    const other = again.peer()
    other.consume()
    await again.pass(100)
    expect(other.received[0]).toMatchObject({ isRedelivered: true, deliveryCount: 1 })
  })

  it('does not call redelivered what nobody has consumed', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare()
    const peer = node.peer()
    peer.session.publish(message('a'), true)
    await node.pass()
    const again = await restart(world)
    const other = again.peer()
    other.consume()
    await again.pass(100)
    expect(other.received[0]).toMatchObject({ isRedelivered: false, deliveryCount: 0 })
  })

  it('keeps settings, bindings and exchanges that are durable, and no others', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    const { messaging } = node
    await node.declare('kept', { lengthMax: 7 })
    await node.declare('gone', { isDurable: false })
    await node.run(
      messaging.declareExchange(caller, {
        exchange: 'x',
        settings: { type: 'topic', isDurable: true },
      }),
    )
    for (const target of ['kept', 'gone'])
      await node.run(
        messaging.bind(caller, { exchange: 'x', targetKind: 'queue', target, routingKey: '#' }),
      )
    const again = await restart(world)
    expect(again.messaging.listQueues(caller).map(({ queue }) => queue)).toEqual(['kept'])
    expect(again.messaging.describeQueue(caller, 'kept').settings.lengthMax).toBe(7)
    const peer = again.peer()
    expect(peer.session.publish(message('a', { exchange: 'x', routingKey: 'k' }), true)).toBe(1)
  })

  it('stays deleted', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare()
    const peer = node.peer()
    peer.session.publish(message('a'), true)
    await node.pass()
    await node.run(node.messaging.deleteQueue(caller, { queue: 'q' }))
    const again = await restart(world)
    expect(again.messaging.listQueues(caller)).toEqual([])
    await again.declare()
    expect(await drain(again)).toEqual([])
  })

  it('has a message in all of its queues or in none', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    for (const queue of ['a', 'b', 'c']) {
      await node.declare(queue)
      await node.run(
        node.messaging.bind(caller, {
          exchange: 'amq.fanout',
          targetKind: 'queue',
          target: queue,
          routingKey: '',
        }),
      )
    }
    const peer = node.peer()
    for (let index = 0; index < 50; index++) {
      peer.session.publish(message(`m${index}`, { exchange: 'amq.fanout' }), true)
      if (index % 7 === 0) await node.pass(1)
    }
    await node.pass(3)
    const again = await restart(world)
    const texts = [await drain(again, 'a'), await drain(again, 'b'), await drain(again, 'c')]
    expect(texts[1]).toEqual(texts[0])
    expect(texts[2]).toEqual(texts[0])
    expect(texts[0]?.length).toBeGreaterThanOrEqual(peer.confirms.at(-1)?.to ?? 0)
  })

  it('has all of a transaction or nothing of it', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare()
    await node.declare('out')
    const peer = node.peer()
    peer.consume()
    peer.session.publish(message('job'), true)
    await node.pass()
    let isDone = false
    void peer.session
      .commit(
        [message('done', { routingKey: 'out' })],
        [{ deliveries: [peer.received[0]!], outcome: 'ack' }],
      )
      .then(() => (isDone = true))
    await node.pass(1)
    const again = await restart(world)
    const [left, done] = [again.ready('q'), again.ready('out')]
    expect(left + done).toBe(1)
    if (isDone) expect(done).toBe(1)
  })

  it('reads again a backlog that is larger than what it keeps in memory', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare()
    const peer = node.peer()
    const filler = 'x'.repeat(1_000)
    for (let index = 0; index < 1_000; index++) {
      while (peer.session.publish(message(`${index} ${filler}`), true) < 0) await node.pass(1)
    }
    await node.pass(100)
    const again = await restart(world)
    const other = again.peer()
    other.consume('q', { inFlightCountMax: 10 })
    const seen: string[] = []
    for (let round = 0; round < 400 && seen.length < 1_000; round++) {
      await again.pass(5)
      const fresh = other.received.splice(0)
      seen.push(...other.texts.splice(0).map((text) => text.split(' ')[0]!))
      other.session.settle(fresh, 'ack')
    }
    expect(seen).toEqual(Array.from({ length: 1_000 }, (_, index) => String(index)))
    expect(again.ready()).toBe(0)
  })
})
