import { utf8Encode } from '@millrace/codec'
import type { Outcome, QueueSettings } from '../../src/engine/messaging.ts'
import { DelayedReturns, redeliveryDelayMs } from '../../src/queue/redelivery-delay.ts'
import type { QueueEntry } from '../../src/queue/queue-entry.ts'
import { defaultQueueSettings } from '../../src/queue/queue-settings.ts'
import { MessagingNode, message, type Peer, textOf } from '../support/messaging.ts'
import { caller, newWorld, openNode } from '../support/node.ts'

const delayed = (settings: Partial<QueueSettings> = {}): Partial<QueueSettings> => ({
  redeliveryDelayMsMin: 1_000,
  ...settings,
})

const publish = (peer: Peer, ...texts: readonly string[]): void => {
  for (const text of texts) peer.session.publish(message(text), false)
}

const last = (peer: Peer) => peer.received.at(-1)!

const kinds = [
  ['durable', true],
  ['in memory', false],
] as const

describe.each(kinds)('a queue that is %s and delays what comes back', (_name, isDurable) => {
  let node: MessagingNode
  let peer: Peer

  const start = async (settings: Partial<QueueSettings> = delayed()): Promise<void> => {
    node = await MessagingNode.open(newWorld())
    await node.declare('q', { isDurable, ...settings })
    peer = node.peer()
  }

  const described = () => node.messaging.describeQueue(caller, 'q')
  const counts = () => {
    const { readyCount, delayedCount, inFlightCount } = described()
    return [readyCount, delayedCount, inFlightCount]
  }
  const settleLast = (outcome: Outcome = 'requeue'): void =>
    peer.session.settle([last(peer)], outcome)

  it('delivers it again when its time has come, and not before', async () => {
    await start(delayed({ redeliveryDelayMsMax: 2_500 }))
    peer.consume()
    publish(peer, 'a')
    await node.pass()
    for (const [round, waitMs] of [1_000, 2_000, 2_500, 2_500].entries()) {
      settleLast()
      await node.pass(waitMs - 1)
      expect(peer.received).toHaveLength(round + 1)
      await node.pass(60)
      expect(peer.received).toHaveLength(round + 2)
      expect(last(peer)).toMatchObject({ deliveryCount: round + 1, isRedelivered: true })
    }
  })

  it('lets those behind it go on, and delivers it before them when it is due', async () => {
    await start()
    peer.consume('q', { inFlightCountMax: 1 })
    publish(peer, 'a', 'b', 'c', 'd')
    await node.pass()
    settleLast()
    await node.pass(100)
    expect(peer.texts).toEqual(['a', 'b'])
    settleLast('ack')
    await node.pass(100)
    expect(peer.texts).toEqual(['a', 'b', 'c'])
    await node.pass(1_000)
    settleLast('ack')
    await node.pass(100)
    expect(peer.texts).toEqual(['a', 'b', 'c', 'a'])
    settleLast('ack')
    await node.pass(100)
    expect(peer.texts.at(-1)).toBe('d')
  })

  it('keeps the order of those that came back together', async () => {
    await start()
    const consumer = peer.consume()
    publish(peer, ...Array.from({ length: 600 }, (_, index) => String(index)))
    await node.pass(200)
    consumer.cancel()
    peer.session.settle([...peer.received].reverse(), 'requeue')
    expect(counts()).toEqual([0, 600, 0])
    const other = node.peer()
    other.consume()
    await node.pass(1_300)
    expect(other.texts).toEqual(Array.from({ length: 600 }, (_, index) => String(index)))
  })

  it.each<[QueueSettings['redeliveryDelayOf'], Outcome, boolean]>([
    ['all', 'requeue', true],
    ['all', 'release', true],
    ['failed', 'requeue', true],
    ['failed', 'release', false],
    ['returned', 'requeue', false],
    ['returned', 'release', true],
  ])('that delays %s, after %s: %p', async (redeliveryDelayOf, outcome, isDelayed) => {
    await start(delayed({ redeliveryDelayOf }))
    peer.consume()
    publish(peer, 'a')
    await node.pass()
    settleLast(outcome)
    await node.pass(500)
    expect(peer.received).toHaveLength(isDelayed ? 1 : 2)
    await node.pass(600)
    expect(peer.received).toHaveLength(2)
    expect(last(peer).deliveryCount).toBe(1)
  })

  it('takes the end of a session for a failure', async () => {
    await start(delayed({ redeliveryDelayOf: 'failed' }))
    peer.consume()
    publish(peer, 'a')
    await node.pass()
    peer.session.close()
    const other = node.peer()
    other.consume()
    await node.pass(500)
    expect([other.texts, counts()]).toEqual([[], [0, 1, 0]])
    await node.pass(600)
    expect([other.texts, counts()]).toEqual([['a'], [0, 0, 1]])
  })

  it('counts it as neither ready nor in flight, and shows and gives it to nobody', async () => {
    await start()
    peer.consume()
    publish(peer, 'a')
    await node.pass()
    settleLast()
    expect(counts()).toEqual([0, 1, 0])
    expect(await node.run(node.peer().get())).toBeUndefined()
    const peeked = node.messaging.peekQueue(caller, { queue: 'q', count: 10 })
    expect(await node.run(peeked)).toEqual([])
    const moved = node.messaging.moveMessages(caller, { queue: 'q', exchange: 'amq.fanout' })
    expect(await node.run(moved)).toEqual({ messageCount: 0 })
  })

  it('delays nothing that was moved nowhere', async () => {
    await start()
    publish(peer, 'a')
    await node.pass()
    const moved = node.messaging.moveMessages(caller, { queue: 'q', exchange: 'amq.fanout' })
    expect(await node.run(moved)).toEqual({ messageCount: 0 })
    expect(counts()).toEqual([1, 0, 0])
  })

  it('gives it to who asks for one, when it is due', async () => {
    await start()
    publish(peer, 'a')
    await node.pass()
    const got = await node.run(peer.get())
    peer.session.settle([got!.delivery], 'requeue')
    expect(await node.run(peer.get())).toBeUndefined()
    await node.pass(1_050)
    expect(textOf((await node.run(peer.get()))!.delivery.message)).toBe('a')
  })

  it('counts it where more is refused', async () => {
    await start(delayed({ lengthMax: 1, overflow: 'reject' }))
    peer.consume()
    publish(peer, 'a')
    await node.pass()
    settleLast()
    peer.session.publish(message('b'), true)
    await node.pass()
    expect(peer.confirms).toEqual([{ from: 1, to: 1, code: 'ERR_MESSAGE_REFUSED' }])
  })

  it.each([undefined, ''])(
    'drops it first when there is too much (dead letters: %p)',
    async (to) => {
      const letters = to === undefined ? {} : { deadLetterExchange: to, deadLetterKey: 'dead' }
      await start(delayed({ lengthMax: 2, ...letters }))
      await node.declare('dead', { isDurable })
      const consumer = peer.consume('q', { inFlightCountMax: 1 })
      publish(peer, 'a', 'b')
      await node.pass()
      consumer.cancel()
      settleLast()
      expect(counts()).toEqual([1, 1, 0])
      publish(peer, 'c')
      await node.pass(100)
      expect(counts()).toEqual([2, 0, 0])
      expect(node.ready('dead')).toBe(to === undefined ? 0 : 1)
      const other = node.peer()
      other.consume()
      await node.pass(1_200)
      expect(other.texts).toEqual(['b', 'c'])
    },
  )

  it('counts its bytes where they are limited', async () => {
    await start(delayed({ bytesMax: 4 }))
    const consumer = peer.consume('q', { inFlightCountMax: 1 })
    publish(peer, 'aa', 'bb')
    await node.pass()
    consumer.cancel()
    settleLast()
    publish(peer, 'c')
    await node.pass(100)
    expect(counts()).toEqual([2, 0, 0])
  })

  it('does not delay what came back too often', async () => {
    await start(delayed({ deliveryLimit: 1, deadLetterExchange: '', deadLetterKey: 'dead' }))
    await node.declare('dead', { isDurable })
    peer.consume()
    publish(peer, 'a')
    await node.pass()
    settleLast()
    await node.pass(1_050)
    settleLast()
    await node.pass(100)
    expect(node.ready('dead')).toBe(1)
    expect(counts()).toEqual([0, 0, 0])
  })

  it('lets it expire once it is due, however long it was to live', async () => {
    await start(delayed({ messageTtlMs: 500, deadLetterExchange: '', deadLetterKey: 'dead' }))
    await node.declare('dead', { isDurable })
    const consumer = peer.consume()
    publish(peer, 'a')
    await node.pass()
    settleLast()
    consumer.cancel()
    await node.pass(900)
    expect([counts(), node.ready('dead')]).toEqual([[0, 1, 0], 0])
    await node.pass(200)
    expect([counts(), node.ready('dead')]).toEqual([[0, 0, 0], 1])
  })

  it('is emptied of it by a purge', async () => {
    await start()
    peer.consume('q', { inFlightCountMax: 1 })
    publish(peer, 'a')
    await node.pass()
    settleLast()
    const purged = node.messaging.purgeQueue(caller, { queue: 'q' })
    expect(await node.run(purged)).toEqual({ messageCount: 1 })
    await node.pass(1_100)
    expect([peer.texts, counts()]).toEqual([['a'], [0, 0, 0]])
  })

  it('is not empty while it waits, and goes with it', async () => {
    await start()
    peer.consume()
    publish(peer, 'a')
    await node.pass()
    settleLast()
    const ifEmpty = node.messaging.deleteQueue(caller, { queue: 'q', ifEmpty: true })
    await expect(node.run(ifEmpty)).rejects.toMatchObject({ code: 'ERR_QUEUE_NOT_EMPTY' })
    const deleted = node.messaging.deleteQueue(caller, { queue: 'q' })
    expect(await node.run(deleted)).toEqual({ messageCount: 1 })
    await node.pass(1_100)
    expect(peer.texts).toEqual(['a'])
  })

  it('keeps it in its priority', async () => {
    await start(delayed({ priorityMax: 3 }))
    peer.consume('q', { inFlightCountMax: 1 })
    for (const [text, priority] of [
      ['high', 3],
      ['low', 0],
      ['later', 0],
    ] as const)
      peer.session.publish(message(text, { priority }), false)
    await node.pass()
    settleLast()
    await node.pass(100)
    expect(peer.texts).toEqual(['high', 'low'])
    await node.pass(1_000)
    settleLast('ack')
    await node.pass(100)
    expect(peer.texts).toEqual(['high', 'low', 'high'])
  })

  it('leaves it to the active consumer, whoever had it', async () => {
    await start(delayed({ isSingleActiveConsumer: true }))
    const first = peer.consume()
    const other = node.peer()
    other.consume()
    publish(peer, 'a', 'b')
    await node.pass()
    expect(peer.texts).toEqual(['a', 'b'])
    peer.session.settle(peer.received, 'requeue')
    first.cancel()
    await node.pass(1_100)
    expect(other.texts).toEqual(['a', 'b'])
  })

  it('keeps the order of its key, and lets other keys go on', async () => {
    await start(delayed({ isKeyOrdered: true }))
    peer.consume()
    const keyed = (text: string): void =>
      void peer.session.publish(message(text, { key: utf8Encode(text[0]!) }), false)
    for (const text of ['a1', 'a2', 'b1']) keyed(text)
    await node.pass()
    expect(peer.texts).toEqual(['a1', 'b1'])
    peer.session.settle([peer.received[0]!], 'requeue')
    for (const text of ['a3', 'c1']) keyed(text)
    await node.pass(900)
    expect(peer.texts).toEqual(['a1', 'b1', 'c1'])
    for (const expected of ['a1', 'a2', 'a3']) {
      await node.pass(200)
      expect(peer.texts.at(-1)).toBe(expected)
      settleLast('ack')
    }
  })

  it('frees the key of one that is dropped or purged while it waits', async () => {
    await start(delayed({ isKeyOrdered: true, lengthMax: 2 }))
    peer.consume()
    const keyed = (text: string): void =>
      void peer.session.publish(message(text, { key: utf8Encode('k') }), false)
    keyed('a')
    keyed('b')
    await node.pass()
    settleLast()
    keyed('c')
    await node.pass(100)
    expect(peer.texts).toEqual(['a', 'b'])
    settleLast()
    await node.run(node.messaging.purgeQueue(caller, { queue: 'q' }))
    keyed('d')
    await node.pass(100)
    expect(peer.texts).toEqual(['a', 'b', 'd'])
  })

  it('delays what a transaction gave back', async () => {
    await start()
    peer.consume()
    publish(peer, 'a')
    await node.pass()
    const settlements = [{ deliveries: [last(peer)], outcome: 'requeue' as const }]
    await node.run(peer.session.commit([], settlements))
    await node.pass(500)
    expect([peer.received.length, counts()]).toEqual([1, [0, 1, 0]])
    await node.pass(600)
    expect(peer.received).toHaveLength(2)
  })

  it('changes its mind for what comes back later, or for all when it stops', async () => {
    await start()
    peer.consume('q', { inFlightCountMax: 1 })
    publish(peer, 'a', 'b')
    await node.pass()
    const alter = (redeliveryDelayMsMin: number | null) =>
      node.run(
        node.messaging.alterQueue(caller, { queue: 'q', settings: { redeliveryDelayMsMin } }),
      )
    settleLast()
    await node.pass()
    await alter(60_000)
    await node.pass(1_000)
    settleLast()
    await node.pass(100)
    expect(peer.texts).toEqual(['a', 'b', 'a'])
    expect(counts()).toEqual([0, 1, 1])
    settleLast('ack')
    await alter(null)
    await node.pass(100)
    expect(peer.texts).toEqual(['a', 'b', 'a', 'b'])
  })
})

it('delays what comes back to a queue over a topic', async () => {
  const node = await MessagingNode.open(newWorld())
  const handle = await node.node.create('t')
  await node.declare('q', delayed({ topic: 't' }))
  const peer = node.peer()
  peer.consume()
  await node.node.append(handle, ['a', 'b'])
  await node.pass(100)
  peer.session.settle([peer.received[0]!], 'requeue')
  await node.pass(900)
  expect(peer.texts).toEqual(['a', 'b'])
  await node.pass(200)
  expect(peer.texts).toEqual(['a', 'b', 'a'])
})

describe('a durable queue that delays what comes back', () => {
  it('keeps nothing of it in memory while it waits', async () => {
    const node = await MessagingNode.open(newWorld())
    await node.declare('q', delayed())
    const peer = node.peer()
    publish(peer, 'a')
    await node.pass()
    const { delivery } = (await node.run(peer.get()))!
    expect((delivery as QueueEntry).content).toBeDefined()
    peer.session.settle([delivery], 'requeue')
    expect((delivery as QueueEntry).content).toBeUndefined()
  })

  it('delivers it at once after a restart, with its count', async () => {
    const world = newWorld()
    let node = await MessagingNode.open(world)
    await node.declare('q', delayed({ redeliveryDelayMsMin: 60_000 }))
    const peer = node.peer()
    peer.consume()
    publish(peer, 'a')
    await node.pass()
    peer.session.settle(peer.received, 'requeue')
    await node.run(peer.session.flushSettlements())
    await node.run(node.node.broker.close())
    node = await MessagingNode.open(world)
    const other = node.peer()
    other.consume()
    await node.pass(200)
    expect(other.received).toMatchObject([{ deliveryCount: 1, isRedelivered: true }])
    expect(node.messaging.describeQueue(caller, 'q')).toMatchObject({ delayedCount: 0 })
  })

  it('has it once after a replay', async () => {
    const node = await MessagingNode.open(newWorld())
    await node.declare('q', delayed({ retentionMs: 60_000 }))
    const peer = node.peer()
    const consumer = peer.consume()
    publish(peer, 'a', 'b')
    await node.pass()
    consumer.cancel()
    peer.session.settle([peer.received[0]!], 'ack')
    peer.session.settle([peer.received[1]!], 'requeue')
    await node.run(node.messaging.replayQueue(caller, { queue: 'q', sinceMs: 0 }))
    const other = node.peer()
    other.consume()
    await node.pass(1_200)
    expect(other.texts).toEqual(['a', 'b'])
  })
})

it('gives back the memory of what waits in a memory queue that is deleted', async () => {
  const world = newWorld()
  const storage = { queueSegmentBytes: 64 * 1024, memoryQueueBytesMax: 100_000 }
  const node = new MessagingNode(await openNode(world, { storage }))
  const fill = (queue: string, peer: Peer): void => {
    for (let count = 0; count < 80; count++)
      peer.session.publish(message('x'.repeat(1_000), { routingKey: queue }), false)
  }
  const isSpilled = (): boolean =>
    world.disk.files('/data/logs').some((path) => !path.startsWith('/data/logs/0/'))
  await node.declare('q', delayed({ isDurable: false }))
  await node.declare('other', { isDurable: false })
  const peer = node.peer()
  peer.consume()
  fill('q', peer)
  await node.pass()
  peer.session.settle(peer.received, 'requeue')
  await node.run(node.messaging.deleteQueue(caller, { queue: 'q' }))
  fill('other', peer)
  await node.pass(500)
  expect(isSpilled()).toBe(false)
})

describe('the delay of a redelivery', () => {
  it('grows with what came back, up to its limit, or without one', () => {
    const settings = { ...defaultQueueSettings, redeliveryDelayMsMin: 100 }
    expect(redeliveryDelayMs(settings, 3, 'requeue')).toBe(300)
    expect(redeliveryDelayMs(settings, 1_000, 'release')).toBe(100_000)
    const capped = { ...settings, redeliveryDelayMsMax: 250 }
    expect([1, 2, 3].map((count) => redeliveryDelayMs(capped, count, 'requeue'))).toEqual([
      100, 200, 250,
    ])
    expect(redeliveryDelayMs(defaultQueueSettings, 3, 'requeue')).toBe(0)
  })

  it('is over for one after the other, by their time in whole milliseconds', () => {
    const lane = { handedOver: () => undefined }
    const entryOf = (position: number) =>
      ({ position, payloadBytes: 1, lane }) as never as QueueEntry
    const returns = new DelayedReturns()
    const times = [5, 3, 9, 10, 0.4, 7, 3.4, 2, 8]
    for (const [position, atMs] of times.entries()) returns.add(entryOf(position), atMs)
    expect([returns.count, returns.bytes, returns.nextAtMs]).toEqual([9, 9, 1])
    expect(returns.take(0.9)).toBeUndefined()
    const order: number[] = []
    for (let entry = returns.take(7); entry !== undefined; entry = returns.take(7))
      order.push(entry.position)
    expect(order).toEqual([4, 7, 1, 6, 0, 5])
    expect([returns.count, returns.bytes, returns.nextAtMs]).toEqual([3, 3, 8])
  })
})
