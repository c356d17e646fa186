import { MessagingNode, message, type Peer, textOf, type World } from '../support/messaging.ts'
import { caller, newWorld } from '../support/node.ts'

const filler = '.'.repeat(3_000)
const big = (text: string) => message(`${text} ${filler}`)
const shortTexts = (peer: Peer): string[] => peer.texts.map((text) => text.split(' ')[0]!)
const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `m${from + index}`)

/** A world whose queue holds so many messages, in files and no longer in memory. */
const backlog = async (count: number): Promise<World> => {
  const world = newWorld()
  const node = await MessagingNode.open(world)
  await node.declare()
  const peer = node.peer()
  for (const name of names(0, count))
    while (peer.session.publish(big(name), true) < 0) await node.pass(1)
  await node.pass(2_000)
  await node.node.close()
  return world
}

const ackAll = async (node: MessagingNode, peer: Peer): Promise<void> => {
  for (let round = 0; round < 30; round++) {
    await node.pass(20)
    peer.session.settle(peer.received.splice(0), 'ack')
  }
}

describe('a stored lane', () => {
  it('reads a message that came back without taking what lies behind it twice', async () => {
    const node = await MessagingNode.open(await backlog(60))
    const peer = node.peer()
    const consumer = peer.consume('q', { inFlightCountMax: 1 })
    await node.pass()
    consumer.cancel()
    peer.session.settle(peer.received.splice(0), 'requeue')
    expect(node.ready()).toBe(60)
    const other = node.peer()
    other.consume('q', { inFlightCountMax: 100 })
    await node.pass(100)
    expect(shortTexts(other)).toEqual(names(0, 60))
    expect(node.ready()).toBe(0)
    await ackAll(node, other)
    expect(node.messaging.describeQueue(caller, 'q')).toMatchObject({
      readyCount: 0,
      inFlightCount: 0,
    })
  })

  it('brings many back to their places with few reads', async () => {
    const node = await MessagingNode.open(await backlog(200))
    const peer = node.peer()
    peer.consume('q', { inFlightCountMax: 150 })
    await node.pass(100)
    const before = node.node.broker.status().storage.segmentReads
    peer.session.close()
    const other = node.peer()
    other.consume('q')
    await node.pass(200)
    expect(shortTexts(other)).toEqual(names(0, 200))
    expect(other.received.filter(({ isRedelivered }) => isRedelivered)).toHaveLength(150)
    expect(node.node.broker.status().storage.segmentReads - before).toBeLessThan(20)
  })

  it('loses the messages of a damaged range and no others, and counts what is left', async () => {
    const world = await backlog(100)
    const path = world.disk
      .files('/data')
      .filter((file) => file.endsWith('.log'))
      .sort((left, right) => world.disk.contentOf(right).length - world.disk.contentOf(left).length)
      .at(0)!
    const at = Math.floor(world.disk.contentOf(path).length / 2)
    world.disk.flipBit(path, at * 8)
    const node = await MessagingNode.open(world)
    expect(node.ready()).toBe(100)
    const peer = node.peer()
    const consumer = peer.consume('q', { inFlightCountMax: 10 })
    await node.pass()
    consumer.cancel()
    peer.session.settle(peer.received.splice(0), 'requeue')
    const other = node.peer()
    other.consume('q')
    await node.pass(300)
    const seen = shortTexts(other)
    expect(seen.length).toBeLessThan(100)
    expect(seen.length).toBeGreaterThan(60)
    expect(seen.slice(0, 10)).toEqual(names(0, 10))
    expect(seen.at(-1)).toBe('m99')
    expect(node.ready()).toBe(0)
    await ackAll(node, other)
    await node.run(other.session.flushSettlements())
    world.losePower()
    expect((await MessagingNode.open(world)).ready()).toBe(0)
  })

  it('purges what is ready and leaves what is in flight', async () => {
    const node = await MessagingNode.open(await backlog(50))
    const peer = node.peer()
    peer.consume('q', { inFlightCountMax: 5 })
    await node.pass()
    const purged = await node.run(node.messaging.purgeQueue(caller, { queue: 'q' }))
    expect(purged.messageCount).toBe(45)
    expect(node.ready()).toBe(0)
    peer.session.settle(peer.received, 'requeue')
    expect(node.ready()).toBe(5)
    const later = node.peer()
    later.session.publish(message('later'), false)
    later.consume()
    await node.pass(50)
    expect([...shortTexts(peer), ...shortTexts(later)]).toEqual(
      expect.arrayContaining(['m4', 'later']),
    )
  })

  it('does not drop one by one the offsets that a loss has skipped', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare('q')
    await node.declare('other')
    const peer = node.peer()
    for (const text of ['m0', 'm1', 'm2']) peer.session.publish(message(text), false)
    for (const text of ['to be lost', 'known']) {
      await node.pass()
      peer.session.publish(message(text, { routingKey: 'other' }), false)
    }
    await node.pass()
    world.kill()
    const journal = '/data/journal/000001.journal'
    const at = Buffer.from(world.disk.file(journal).content.snapshot()).indexOf('to be lost')
    world.disk.flipBit(journal, 8 * (at - (at % 512)))
    const second = await MessagingNode.open(world)
    second.peer().session.publish(message('m3'), false)
    await second.pass()
    await second.node.close()
    // What its ledger says of them is damaged too.
    const ledger = world.disk.files().find((path) => /logs\/2\/.*\.log$/.test(path))
    world.disk.flipBit(ledger!, 8 * 70)
    const third = await MessagingNode.open(world)
    expect(third.ready()).toBeGreaterThan(1_000_000)
    const settings = { lengthMax: 1 }
    await third.run(third.messaging.alterQueue(caller, { queue: 'q', settings }))
    await third.pass(50)
    expect(third.ready()).toBe(1)
    const got = await third.run(third.peer().get())
    expect(textOf(got!.delivery.message)).toBe('m3')
  })

  it('tries a read again that the disk has failed, and not at once', async () => {
    const world = await backlog(60)
    const node = await MessagingNode.open(world)
    const failing = world.disk.inject({ kind: 'read', nth: 1, times: 1_000, code: 'EIO' })
    const peer = node.peer()
    peer.consume('q', { inFlightCountMax: 100 })
    await node.pass(5_100)
    expect(peer.received).toHaveLength(0)
    // Once at the beginning, and every second; for the queue and for its index.
    expect(failing.firedCount).toBeGreaterThanOrEqual(6)
    expect(failing.firedCount).toBeLessThanOrEqual(12)
    expect(await node.run(node.peer().get())).toBeUndefined()
    failing.cancel()
    await node.pass(1_000)
    expect(shortTexts(peer)).toEqual(names(0, 60))
  })

  it('replays what was settled, and neither doubles nor purges what is in flight', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare('q', { retentionMs: 3_600_000 })
    const peer = node.peer()
    peer.consume('q', { inFlightCountMax: 10 })
    for (const name of names(0, 10)) peer.session.publish(message(name), false)
    await node.pass()
    const stuck = peer.received[4]!
    peer.session.settle(
      peer.received.filter((delivery) => delivery !== stuck),
      'ack',
    )
    const replayed = await node.run(node.messaging.replayQueue(caller, { queue: 'q', sinceMs: 0 }))
    expect(replayed.messageCount).toBe(9)
    await node.pass(50)
    const again = peer.texts.slice(10)
    expect(again).toEqual(names(0, 10).filter((name) => name !== 'm4'))
    expect(peer.received.slice(10).every(({ isRedelivered }) => isRedelivered)).toBe(true)
    const purging = node.messaging.purgeQueue(caller, { queue: 'q' })
    expect((await node.run(purging)).messageCount).toBe(0)
    peer.session.settle([stuck, ...peer.received.slice(10)], 'requeue')
    await node.run(peer.session.flushSettlements())
    world.losePower()
    expect((await MessagingNode.open(world)).ready()).toBe(10)
  })

  it('does not call new messages redelivered that take places below the ceiling', async () => {
    const world = newWorld()
    const node = await MessagingNode.open(world)
    await node.declare()
    const peer = node.peer()
    peer.consume()
    peer.session.publish(message('old'), true)
    await node.pass()
    world.losePower()
    const again = await MessagingNode.open(world)
    const other = again.peer()
    other.session.publish(message('new'), true)
    await again.pass()
    other.consume()
    await again.pass(50)
    expect(other.received.map(({ isRedelivered }) => isRedelivered)).toEqual([true, false])
  })

  it('counts one that is condemned and not in memory once', async () => {
    const node = await MessagingNode.open(newWorld())
    await node.declare('dead')
    await node.declare('q', { deadLetterExchange: '', deadLetterKey: 'dead' })
    const peer = node.peer()
    peer.consume('q', { inFlightCountMax: 1 })
    for (const name of names(0, 10)) peer.session.publish(message(name), false)
    await node.pass()
    peer.session.settle(peer.received.splice(0), 'reject')
    await node.pass(50)
    expect(node.ready('q')).toBe(8)
    expect(node.ready('dead')).toBe(1)
    expect(node.messaging.describeQueue(caller, 'q').inFlightCount).toBe(1)
  })
})
