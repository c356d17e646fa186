import type { SimulatedWorld } from '@millrace/testing'
import { MessagingNode, message, type Peer } from '../support/messaging.ts'
import { caller, newWorld, openNode } from '../support/node.ts'

const storage = { queueSegmentBytes: 64 * 1024, memoryQueueBytesMax: 100_000 }

const open = async (world: SimulatedWorld): Promise<MessagingNode> =>
  new MessagingNode(await openNode(world, { storage }))

const start = async (settings = {}) => {
  const world = newWorld()
  const node = await open(world)
  await node.declare('q', { isDurable: false, ...settings })
  return { world, node, peer: node.peer() }
}

const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `m${from + index}`)

const publish = async (node: MessagingNode, peer: Peer, texts: readonly string[]) => {
  for (const text of texts)
    while (peer.session.publish(message(text.padEnd(1_000, '.')), true) < 0) await node.pass(1)
}

const textsOf = (peer: Peer): string[] => peer.texts.map((text) => text.replace(/\.+$/, ''))

/** Directories of logs that hold files, but for the metadata's. */
const logsOnDisk = (world: SimulatedWorld): string[] =>
  world.disk.files('/data/logs').filter((path) => !path.startsWith('/data/logs/0/'))

describe('a memory queue whose memory is spent', () => {
  it('keeps the order of what it spills, and counts it', async () => {
    const { world, node, peer } = await start()
    await publish(node, peer, names(0, 400))
    await node.pass(500)
    expect(peer.confirms.at(-1)).toMatchObject({ to: 400, code: undefined })
    expect(node.ready()).toBe(400)
    expect(node.messaging.describeQueue(caller, 'q').readyBytes).toBe(400_000)
    expect(logsOnDisk(world).length).toBeGreaterThan(0)
    const other = node.peer()
    other.consume('q', { inFlightCountMax: 10 })
    for (let round = 0; round < 100; round++) {
      await node.pass(10)
      other.session.settle(other.received.splice(0), 'ack')
      if (round === 5) await publish(node, peer, names(400, 450))
    }
    expect(textsOf(other)).toEqual(names(0, 450))
    expect(node.messaging.describeQueue(caller, 'q')).toMatchObject({
      readyCount: 0,
      readyBytes: 0,
      inFlightCount: 0,
    })
  })

  it('can be looked into from front to end, and keeps what is seen', async () => {
    const { node, peer } = await start()
    await publish(node, peer, names(0, 300))
    await node.pass(500)
    // These are neither in memory's line nor in a file yet.
    await publish(node, peer, names(300, 320))
    const peek = async (count: number): Promise<string[]> => {
      const found = await node.run(node.messaging.peekQueue(caller, { queue: 'q', count }))
      expect(found.map(({ offset }) => offset)).toEqual(found.map((_, index) => index))
      const bytes = found.map(({ message: { payload } }) => Buffer.from(payload).toString())
      return bytes.map((text) => text.replace(/\.+$/, ''))
    }
    expect(await peek(1_000)).toEqual(names(0, 320))
    expect(await peek(250)).toEqual(names(0, 250))
    expect(await peek(310)).toEqual(names(0, 310))
    expect(node.ready()).toBe(320)
  })

  it('gives its files back when it is drained, and spills again later', async () => {
    const { world, node, peer } = await start()
    for (let round = 0; round < 3; round++) {
      await publish(node, peer, names(0, 300))
      await node.pass(500)
      expect(logsOnDisk(world).length).toBeGreaterThan(0)
      const other = node.peer()
      other.consume('q', { isAutoSettled: true })
      await node.pass(1_000)
      expect(textsOf(other)).toEqual(names(0, 300))
      other.session.close()
      await node.pass(1_000)
      expect(logsOnDisk(world)).toEqual([])
    }
  })

  it('takes what comes back to its place before what is spilled', async () => {
    const { node, peer } = await start()
    await publish(node, peer, names(0, 300))
    await node.pass(200)
    peer.consume('q', { inFlightCountMax: 20 })
    await node.pass(50)
    peer.session.close()
    expect(node.ready()).toBe(300)
    const other = node.peer()
    other.consume('q', { isAutoSettled: true })
    await node.pass(1_000)
    expect(textsOf(other)).toEqual(names(0, 300))
  })

  it('purges, and drops from its head, what is spilled', async () => {
    const { world, node, peer } = await start()
    await publish(node, peer, names(0, 300))
    await node.pass(200)
    const settings = { lengthMax: 5 }
    await node.run(node.messaging.alterQueue(caller, { queue: 'q', settings }))
    await node.pass(500)
    expect(node.ready()).toBe(5)
    const got = await node.run(peer.get())
    expect(new TextDecoder().decode(got!.delivery.message.payload)).toContain('m295.')
    const purged = await node.run(node.messaging.purgeQueue(caller, { queue: 'q' }))
    expect(purged).toEqual({ messageCount: 4 })
    await publish(node, peer, ['later'])
    peer.consume()
    await node.pass(500)
    expect(textsOf(peer)).toEqual(['later'])
    await node.pass(1_000)
    expect(logsOnDisk(world)).toEqual([])
  })

  it('writes nothing while its consumer keeps up', async () => {
    const { node, peer } = await start()
    await node.declare('hog', { isDurable: false })
    const before = node.node.broker.status().storage
    for (let index = 0; index < 200; index++)
      peer.session.publish(message('x'.repeat(1_000), { routingKey: 'hog' }), false)
    await node.pass(200)
    const hogged = node.node.broker.status().storage
    // What spills is counted there.
    expect(hogged.bytesAppended).toBeGreaterThan(before.bytesAppended)
    const other = node.peer()
    other.consume('q', { isAutoSettled: true })
    for (const name of names(0, 500)) {
      peer.session.publish(message(name), false)
      await node.pass(1)
    }
    expect(other.texts).toEqual(names(0, 500))
    expect(node.node.broker.status().storage.bytesAppended).toBe(hogged.bytesAppended)
  })

  it.each([5, 20, 60, 150, 400])(
    'leaves nothing after a crash, not even the number of a log (after %d ms)',
    async (ms) => {
      const { world, node, peer } = await start()
      await publish(node, peer, names(0, 300))
      await node.pass(ms)
      world.losePower()
      const again = await open(world)
      await again.pass(3_000)
      expect(logsOnDisk(world)).toEqual([])
      expect(again.messaging.listQueues(caller)).toEqual([])
      await again.node.close()
      const snapshot = world.disk.contentOf('/data/metadata.snapshot')
      expect(new TextDecoder().decode(snapshot)).not.toContain('spill/')
    },
  )

  it('keeps in memory what a full disk does not take', async () => {
    const { world, node, peer } = await start()
    world.disk.inject({ kind: 'write', code: 'ENOSPC', nth: 1, times: 4 })
    for (const name of names(0, 300))
      try {
        peer.session.publish(message(name.padEnd(1_000, '.')), false)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_STORAGE_FULL' })
      }
    await node.pass(5_000)
    expect(node.ready()).toBe(300)
    peer.consume('q', { isAutoSettled: true })
    await node.pass(2_000)
    expect(textsOf(peer)).toEqual(names(0, 300))
  })

  it('goes with its files when it is deleted', async () => {
    const { world, node, peer } = await start()
    await publish(node, peer, names(0, 300))
    await node.pass(200)
    await node.run(node.messaging.deleteQueue(caller, { queue: 'q' }))
    await node.pass(1_000)
    expect(logsOnDisk(world)).toEqual([])
  })
})
