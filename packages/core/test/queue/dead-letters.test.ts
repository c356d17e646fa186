import { MessagingNode, message } from '../support/messaging.ts'
import { caller, newWorld } from '../support/node.ts'

const start = async (settings = {}) => {
  const node = await MessagingNode.open(newWorld())
  await node.declare('dead')
  await node.declare('q', { deadLetterExchange: '', deadLetterKey: 'dead', ...settings })
  return node
}

const move = (node: MessagingNode, queue: string, routingKey: string) =>
  node.run(node.messaging.moveMessages(caller, { queue, exchange: '', routingKey }))

describe('dead letters', () => {
  it('go back to where they died when somebody moves them', async () => {
    const node = await start({ messageTtlMs: 100 })
    const peer = node.peer()
    for (const text of ['a', 'b', 'c']) peer.session.publish(message(text), false)
    await node.pass(500)
    expect([node.ready('q'), node.ready('dead')]).toEqual([0, 3])
    await node.run(
      node.messaging.alterQueue(caller, { queue: 'q', settings: { messageTtlMs: null } }),
    )
    expect(await move(node, 'dead', 'q')).toEqual({ messageCount: 3 })
    expect([node.ready('q'), node.ready('dead')]).toEqual([3, 0])
  })

  it('stay when they are moved to nobody, or to a queue that is full', async () => {
    const node = await start()
    await node.declare('full', { lengthMax: 1, overflow: 'reject' })
    const peer = node.peer()
    for (const text of ['a', 'b']) peer.session.publish(message(text), false)
    await node.pass()
    expect(await move(node, 'q', 'nowhere')).toEqual({ messageCount: 0 })
    expect(node.ready('q')).toBe(2)
    expect(await move(node, 'q', 'full')).toEqual({ messageCount: 1 })
    expect([node.ready('q'), node.ready('full')]).toEqual([1, 1])
    const got = await node.run(peer.get())
    expect(got!.delivery).toMatchObject({ isRedelivered: false, deliveryCount: 0 })
  })

  it('are not purged with the queue where they were rejected', async () => {
    const node = await start()
    const peer = node.peer()
    for (const text of ['a', 'b', 'c']) peer.session.publish(message(text), false)
    await node.pass()
    peer.consume('q', { inFlightCountMax: 2 })
    await node.pass()
    peer.session.settle(peer.received, 'reject')
    const purging = node.messaging.purgeQueue(caller, { queue: 'q' })
    expect(await node.run(purging)).toEqual({ messageCount: 1 })
    await node.pass()
    expect([node.ready('q'), node.ready('dead')]).toEqual([0, 2])
  })

  it('end where they would go round for ever', async () => {
    const node = await start()
    await node.declare('circle', {
      deadLetterExchange: '',
      deadLetterKey: 'circle',
      messageTtlMs: 100,
    })
    const peer = node.peer()
    peer.session.publish(message('a', { routingKey: 'circle' }), false)
    await node.pass(1_000)
    expect(node.ready('circle')).toBe(0)
    expect(node.messaging.describeQueue(caller, 'circle').inFlightCount).toBe(0)
  })

  it('are not made of what a full queue refuses without an exchange for them', async () => {
    const node = await start({
      deadLetterExchange: undefined,
      deadLetterKey: undefined,
      lengthMax: 1,
      overflow: 'reject-dead-letter',
    })
    const bind = (queue: string) =>
      node.messaging.bind(caller, {
        exchange: 'amq.fanout',
        targetKind: 'queue',
        target: queue,
        routingKey: '',
      })
    await node.run(bind('q'))
    const peer = node.peer()
    for (const text of ['a', 'b'])
      peer.session.publish(message(text, { exchange: 'amq.fanout', routingKey: 'dead' }), true)
    await node.pass()
    expect(node.ready('dead')).toBe(0)
    expect(peer.confirms.at(-1)).toMatchObject({ code: 'ERR_MESSAGE_REFUSED' })
  })

  it('are there twice at worst, and never lost, when the broker dies between the two queues', async () => {
    for (let ms = 0; ms < 8; ms++) {
      const world = newWorld(ms)
      const node = await MessagingNode.open(world)
      await node.declare('dead')
      await node.declare('q', { deadLetterExchange: '', deadLetterKey: 'dead' })
      const peer = node.peer()
      peer.consume()
      peer.session.publish(message('a'), true)
      await node.pass()
      peer.session.settle(peer.received, 'reject')
      await node.pass(ms)
      world.losePower()
      const again = await MessagingNode.open(world)
      expect(again.ready('q') + again.ready('dead')).toBeGreaterThanOrEqual(1)
    }
  })

  it('wait for room at a full disk, and arrive', async () => {
    const node = await start()
    const peer = node.peer()
    peer.consume()
    peer.session.publish(message('a'), false)
    await node.pass()
    node.node.world.disk.inject({ kind: 'write', code: 'ENOSPC', nth: 1, times: 3 })
    peer.session.settle(peer.received, 'reject')
    await node.pass(5_000)
    expect(node.ready('dead')).toBe(1)
    expect(node.messaging.describeQueue(caller, 'q')).toMatchObject({
      readyCount: 0,
      inFlightCount: 0,
    })
  })
})
