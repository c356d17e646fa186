import { MessagingNode, message, textOf } from '../support/messaging.ts'
import { caller, newWorld, openNode } from '../support/node.ts'

const start = async (settings = {}) => {
  const node = await MessagingNode.open(newWorld())
  await node.declare('q', settings)
  return node
}

/** A queue whose messages are in files only. */
const restarted = async (texts: readonly string[]) => {
  const world = newWorld()
  const node = await MessagingNode.open(world)
  await node.declare()
  const peer = node.peer()
  for (const text of texts) peer.session.publish(message(text), true)
  await node.pass(100)
  await node.node.close()
  return MessagingNode.open(world)
}

describe('a get', () => {
  it('takes nothing for a session that ended while it was read', async () => {
    const node = await restarted(['a', 'b'])
    const peer = node.peer()
    const got = peer.get('q', true)
    peer.session.close()
    expect(await node.run(got)).toBeUndefined()
    expect(node.ready()).toBe(2)
    const delivery = (await node.run(node.peer().get()))!.delivery
    expect(textOf(delivery.message)).toBe('a')
    expect(delivery.deliveryCount).toBe(0)
  })

  it('answers with the content of a message that it has settled', async () => {
    const node = await restarted(['a', 'b'])
    const peer = node.peer()
    const [one, two] = [await node.run(peer.get('q', true)), await node.run(peer.get('q', true))]
    expect([textOf(one!.delivery.message), textOf(two!.delivery.message)]).toEqual(['a', 'b'])
    expect(await node.run(peer.get())).toBeUndefined()
  })

  it('does not hold on to all that was read with its message', async () => {
    const node = await restarted(Array.from({ length: 200 }, (_, index) => `${index}`))
    const got = await node.run(node.peer().get())
    expect(got!.delivery.message.payload.buffer.byteLength).toBeLessThan(1_000)
  })

  it('is answered when the queue goes meanwhile', async () => {
    const node = await restarted(['a'])
    const got = node.peer().get()
    const deleted = node.messaging.deleteQueue(caller, { queue: 'q' })
    await node.run(deleted)
    expect(['a', undefined]).toContain(
      (await node.run(got))?.delivery.message.payload.length === 1 ? 'a' : undefined,
    )
  })

  it('gives one message of a key at a time', async () => {
    const node = await start({ isKeyOrdered: true })
    const peer = node.peer()
    const key = (text: string) => ({ key: new TextEncoder().encode(text) })
    for (const text of ['a1', 'a2', 'b1']) peer.session.publish(message(text, key(text[0]!)), false)
    await node.pass()
    const first = await node.run(peer.get())
    const second = await node.run(peer.get())
    expect(textOf(second!.delivery.message)).toBe('b1')
    expect(await node.run(peer.get())).toBeUndefined()
    peer.session.settle([first!.delivery], 'ack')
    expect(textOf((await node.run(peer.get()))!.delivery.message)).toBe('a2')
  })
})

describe('a commit', () => {
  const withOne = async () => {
    const node = await start()
    await node.declare('out')
    const peer = node.peer()
    peer.consume()
    peer.session.publish(message('job'), false)
    await node.pass()
    return { node, peer, delivery: peer.received[0]! }
  }
  const done = [message('done', { routingKey: 'out' })]

  it('locks what it settles until its outcome', async () => {
    const { node, peer, delivery } = await withOne()
    const settlements = [{ deliveries: [delivery], outcome: 'ack' as const }]
    const commit = node.run(peer.session.commit(done, settlements))
    expect(() => peer.session.settle([delivery], 'requeue')).toThrow(
      expect.objectContaining({ code: 'ERR_UNKNOWN_DELIVERY' }),
    )
    await expect(peer.session.commit([], settlements)).rejects.toMatchObject({
      code: 'ERR_UNKNOWN_DELIVERY',
    })
    await commit
    expect([node.ready('q'), node.ready('out')]).toEqual([0, 1])
  })

  it('refuses a delivery that is named twice', async () => {
    const { peer, delivery } = await withOne()
    const settlements = [{ deliveries: [delivery, delivery], outcome: 'ack' as const }]
    await expect(peer.session.commit([], settlements)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
    peer.session.settle([delivery], 'ack')
  })

  it('settles for a session that ended meanwhile', async () => {
    const { node, peer, delivery } = await withOne()
    const commit = peer.session.commit(done, [{ deliveries: [delivery], outcome: 'ack' }])
    peer.session.close()
    await node.run(commit)
    expect([node.ready('q'), node.ready('out')]).toEqual([0, 1])
  })

  it('gives back what a session had that ended before the refusal', async () => {
    const { node, peer, delivery } = await withOne()
    const { disk } = node.node.world
    disk.inject({ kind: 'write', code: 'ENOSPC', nth: 1, times: 1 })
    const commit = peer.session.commit(done, [{ deliveries: [delivery], outcome: 'ack' }])
    peer.session.close()
    await expect(node.run(commit)).rejects.toMatchObject({ code: 'ERR_STORAGE_FULL' })
    expect([node.ready('q'), node.ready('out')]).toEqual([1, 0])
  })

  it('is refused whole when a queue has no room for all of it', async () => {
    const node = await start({ lengthMax: 2, overflow: 'reject' })
    const peer = node.peer()
    const three = [message('a'), message('b'), message('c')]
    await expect(peer.session.commit(three, [])).rejects.toMatchObject({
      code: 'ERR_MESSAGE_REFUSED',
    })
    expect(node.ready()).toBe(0)
    await node.run(peer.session.commit(three.slice(1), []))
    expect(node.ready()).toBe(2)
  })

  it('takes as many operations and bytes as its limits say, and no more', async () => {
    const node = await start()
    const peer = node.peer()
    const payload = new Uint8Array(4 * 1_048_576)
    const four = Array.from({ length: 4 }, () => ({ ...message(''), payload }))
    const more = [...four, message('x')]
    await expect(peer.session.commit(more, [])).rejects.toMatchObject({
      code: 'ERR_LIMIT_EXCEEDED',
    })
    const tiny = { ...message(''), properties: new Uint8Array(0) }
    const tooMany = Array.from({ length: 100_001 }, () => tiny)
    await expect(peer.session.commit(tooMany, [])).rejects.toMatchObject({
      code: 'ERR_LIMIT_EXCEEDED',
    })
    const one = { ...tiny, payload: new Uint8Array(1_048_576) }
    const full = Array.from({ length: 16 }, () => one)
    expect(await node.run(peer.session.commit(full, []))).toHaveLength(16)
    expect(node.ready()).toBe(16)
  })
})

describe('a session', () => {
  it('is told of a delivery that takes too long, whatever lies before it', async () => {
    const world = newWorld()
    const node = new MessagingNode(await openNode(world))
    await node.declare('free')
    await node.declare('q', { deliveryTimeoutMs: 1_000 })
    const failures: string[] = []
    const session = node.messaging.openSession({
      ...caller,
      inFlightCountMax: 10,
      inFlightBytesMax: 1_000_000,
      onConfirms: () => undefined,
      onWritable: () => undefined,
      onFailure: (error) => failures.push(error.code),
    })
    const request = { owner: undefined, isAutoSettled: false }
    for (const queue of ['free', 'q']) {
      session.publish(message(queue, { routingKey: queue }), false)
      await node.pass()
      await node.run(session.get({ queue, ...request }))
    }
    await node.pass(25_000)
    expect(failures[0]).toBe('ERR_DELIVERY_TIMEOUT')
  })
})
