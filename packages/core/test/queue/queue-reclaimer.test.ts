import type { SimulatedWorld } from '@millrace/testing'
import { MessagingNode, message, type Peer } from '../support/messaging.ts'
import { caller, newWorld, openNode } from '../support/node.ts'

const storage = {
  queueSegmentBytes: 32 * 1024,
  retentionCheckMs: 1_000,
  checkpointBytes: 1_048_576,
}

const open = async (world: SimulatedWorld): Promise<MessagingNode> =>
  new MessagingNode(await openNode(world, { storage }))

const bytesOfLogs = (world: SimulatedWorld): number =>
  world.disk
    .files('/data/logs')
    .filter((path) => path.endsWith('.log'))
    .reduce((sum, path) => sum + world.disk.contentOf(path).length, 0)

const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `m${from + index}`)

/** Two hundred messages over many segments, all of them settled but for a few. */
const pinned = async (stuck: readonly number[]) => {
  const world = newWorld()
  const node = await open(world)
  await node.declare()
  const peer = node.peer()
  for (const name of names(0, 200)) {
    while (peer.session.publish(message(name.padEnd(2_000, '.')), true) < 0) await node.pass(1)
    await node.pass(1)
  }
  peer.consume()
  await node.pass(500)
  const acked = peer.received.filter((_, index) => !stuck.includes(index))
  peer.session.settle(acked, 'ack')
  return { world, node, peer, stuck: stuck.map((index) => peer.received[index]!) }
}

const textsOf = (peer: Peer): string[] => peer.texts.map((text) => text.replace(/\.+$/, ''))

describe('disk of a queue', () => {
  it('returns as messages are settled, and one stuck message does not pin the rest', async () => {
    const { world, node, peer, stuck } = await pinned([3])
    const before = bytesOfLogs(world)
    expect(before).toBeGreaterThan(300_000)
    await node.pass(10_000)
    expect(bytesOfLogs(world)).toBeLessThan(80_000)
    peer.session.settle(stuck, 'requeue')
    await node.pass(100)
    expect(textsOf(peer).at(-1)).toBe('m3')
    expect(peer.received.at(-1)).toMatchObject({ offset: 3, deliveryCount: 1 })
  })

  it('returns with the front of the log when nothing is left of it', async () => {
    const { world, node } = await pinned([])
    await node.pass(5_000)
    expect(bytesOfLogs(world)).toBeLessThan(80_000)
    expect(node.ready()).toBe(0)
  })

  it('is counted right after a restart, and gives what is left in order', async () => {
    const { world, node } = await pinned([3, 90, 91, 160])
    await node.pass(10_000)
    world.losePower()
    const again = await open(world)
    expect(again.ready()).toBe(4)
    const other = again.peer()
    other.consume()
    await again.pass(200)
    expect(textsOf(other)).toEqual(['m3', 'm90', 'm91', 'm160'])
    expect(again.ready()).toBe(0)
    other.session.settle(other.received, 'ack')
    for (const name of names(200, 203)) other.session.publish(message(name), true)
    await again.pass(200)
    expect(textsOf(other).slice(4)).toEqual(names(200, 203))
  })

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])(
    'loses nothing when the power goes in between (%d)',
    async (step) => {
      const { world, node } = await pinned([3, 150])
      const before = bytesOfLogs(world)
      for (let ms = 0; ms < 20_000 && bytesOfLogs(world) > (before * (10 - step)) / 12; ms++)
        await node.pass(1)
      await node.pass(step % 3)
      world.losePower()
      const again = await open(world)
      const other = again.peer()
      other.consume()
      await again.pass(300)
      const texts = textsOf(other)
      expect(texts).toEqual(expect.arrayContaining(['m3', 'm150']))
      expect(texts).toHaveLength(new Set(texts).size)
      expect(again.ready()).toBe(0)
    },
  )

  it('stays for a replay when the wall clock is set back meanwhile', async () => {
    const world = newWorld()
    const node = await open(world)
    await node.declare('q', { retentionMs: 3_600_000 })
    world.clock.jump(-7_200_000)
    const peer = node.peer()
    for (const name of names(0, 100))
      while (peer.session.publish(message(name.padEnd(2_000, '.')), true) < 0) await node.pass(1)
    peer.consume('q', { isAutoSettled: true })
    await node.pass(10_000)
    expect(peer.received).toHaveLength(100)
    const replaying = node.messaging.replayQueue(caller, { queue: 'q', sinceMs: 0 })
    expect((await node.run(replaying)).messageCount).toBe(100)
  })

  it('stays for a replay as long as retention says', async () => {
    const world = newWorld()
    const node = await open(world)
    await node.declare('q', { retentionMs: 3_600_000 })
    const peer = node.peer()
    for (const name of names(0, 100))
      while (peer.session.publish(message(name.padEnd(2_000, '.')), true) < 0) await node.pass(1)
    peer.consume()
    await node.pass(500)
    peer.session.settle(peer.received.splice(1), 'ack')
    const before = bytesOfLogs(world)
    await node.pass(10_000)
    expect(bytesOfLogs(world)).toBeGreaterThanOrEqual(before)
  })
})
