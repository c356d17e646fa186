import { encodeHeaderBlock, utf8Decode, utf8Encode } from '@millrace/codec'
import type { ExchangeSettings, MessageSource } from '../../src/engine/messaging.ts'
import { MetadataStore } from '../../src/meta/metadata-store.ts'
import { DELAY_MS_MAX } from '../../src/routing/limits.ts'
import { codeOf, refusalOf } from '../routing/registry-support.ts'
import { MessagingNode, message, type Peer, textOf, type World } from '../support/messaging.ts'
import { caller, DIRECTORY, newWorld, openNode, smallStorage } from '../support/node.ts'
import { StoreBench } from '../support/store.ts'

const headersOf = (delay: string) => [{ key: 'mr-delay', value: utf8Encode(delay) }]

const delayed = (
  text: string,
  delay: number | string,
  changed: Partial<Omit<MessageSource, 'payload'>> = {},
): MessageSource => {
  const headers = headersOf(String(delay))
  return message(text, {
    exchange: 'later',
    properties: encodeHeaderBlock(headers),
    neutralHeaders: () => headers,
    ...changed,
  })
}

const declare = (node: MessagingNode, settings: Partial<ExchangeSettings> = {}, name = 'later') =>
  node.run(
    node.messaging.declareExchange(caller, {
      exchange: name,
      settings: { type: 'delayed', delayedType: 'direct', ...settings },
    }),
  )

const bind = (node: MessagingNode, target: string, rest: object = {}) =>
  node.run(
    node.messaging.bind(caller, {
      exchange: 'later',
      targetKind: 'queue',
      target,
      routingKey: 'q',
      ...rest,
    }),
  )

const keptOf = (node: MessagingNode, exchange = 'later') =>
  node.messaging.describeExchange(caller, exchange).keptCount

const publish = async (node: MessagingNode, ...messages: MessageSource[]): Promise<Peer> => {
  const peer = node.peer()
  for (const each of messages) peer.session.publish(each, true)
  await node.pass()
  return peer
}

const start = async (
  settings: Partial<ExchangeSettings> = {},
  storage = {},
  world = newWorld(),
) => {
  const node = new MessagingNode(
    await openNode(world, { storage: { ...smallStorage, ...storage } }),
  )
  await declare(node, settings)
  await node.declare('q')
  await bind(node, 'q')
  return node
}

const reopen = async (world: World, how: 'kill' | 'losePower' = 'losePower', storage = {}) => {
  world[how]()
  return new MessagingNode(await openNode(world, { storage: { ...smallStorage, ...storage } }))
}

const textsIn = async (node: MessagingNode, queue = 'q'): Promise<string[]> =>
  (await node.run(node.messaging.peekQueue(caller, { queue, count: 10_000 }))).map((each) =>
    textOf(each.message),
  )

describe('a declaration of a delayed exchange', () => {
  it('asks for a type that routes, and for nothing else', async () => {
    const node = await MessagingNode.open(newWorld())
    const declared = (settings: object): Promise<string> => refusalOf(declare(node, settings, 'x'))
    expect(await declared({ delayedType: undefined })).toMatch(/^ERR_INVALID_ARGUMENT: .*has one/)
    expect(await declared({ delayedType: 'delayed' })).toMatch(/^ERR_INVALID_ARGUMENT/)
    expect(await declared({ delayedType: 'odd' })).toMatch(/^ERR_INVALID_ARGUMENT/)
    expect(await declared({ type: 'direct' })).toMatch(/^ERR_INVALID_ARGUMENT/)
    expect(await declared({ delayedType: 'direct', hashHeader: 'h' })).toMatch(/hashHeader/)
    expect(await declared({ delayedType: 'consistent-hash', hashHeader: 'h' })).toBe('none')
    expect(await declared({ delayedType: 'topic' })).toMatch(/^ERR_EXCHANGE_EXISTS.*hashHeader/)
  })

  it('compares the type that routes', async () => {
    const node = await start()
    expect(await refusalOf(declare(node, { delayedType: 'topic' }))).toBe(
      "ERR_EXCHANGE_EXISTS: exchange 'later' exists with another delayedType: " +
        "'topic' was asked for, it is 'direct'",
    )
    expect(await declare(node)).toMatchObject({ keptCount: 0 })
  })

  it('makes nothing that anybody could address or see', async () => {
    const node = await start()
    await publish(node, delayed('a', 1_000))
    expect(node.messaging.listQueues(caller).map(({ queue }) => queue)).toEqual(['q'])
    expect(node.node.broker.status().queues).toMatchObject({ queueCount: 1, readyCount: 0 })
    expect(() => node.messaging.describeQueue(caller, 'later')).toThrow('does not exist')
    expect(await codeOf(bind(node, 'later'))).toBe('ERR_QUEUE_NOT_FOUND')
    expect(keptOf(node)).toBe(1)
    expect(keptOf(node, 'amq.direct')).toBeUndefined()
  })
})

describe('a message with a delay', () => {
  it('is confirmed when it is kept, and routed when it is due', async () => {
    const node = await start()
    const peer = await publish(node, delayed('a', 1_000))
    expect(peer.confirms).toEqual([{ from: 1, to: 1, code: undefined }])
    await node.pass(950)
    expect([keptOf(node), node.ready()]).toEqual([1, 0])
    await node.pass(100)
    expect([keptOf(node), node.ready()]).toEqual([0, 1])
  })

  it('is routed at once when the delay is nothing, less than that, or no number', async () => {
    const node = await start()
    const delays = ['0', '-5', '', 'soon', '0x10', ' 5', '1'.repeat(40)]
    await publish(node, ...delays.map((delay) => delayed(delay, delay)))
    expect([keptOf(node), node.ready()]).toEqual([0, delays.length])
    await publish(node, delayed('with a fraction', '100.5'), delayed('signed', '+100'))
    expect(keptOf(node)).toBe(2)
  })

  it('may ask for so long, and not for a millisecond more', async () => {
    const node = await start()
    const peer = node.peer()
    peer.session.publish(delayed('a', DELAY_MS_MAX), true)
    expect(() => peer.session.publish(delayed('b', DELAY_MS_MAX + 1), true)).toThrow(
      "argument 'delay' is not valid: it is longer than 4294967295 ms",
    )
    const commit = peer.session.commit([delayed('c', DELAY_MS_MAX + 1)], [])
    expect(await codeOf(node.run(commit))).toBe('ERR_INVALID_ARGUMENT')
    await node.pass()
    expect([keptOf(node), node.ready()]).toEqual([1, 0])
  })

  it('has the other sign when it was waited for, and all else as it was', async () => {
    const node = await start()
    const headers = [
      { key: 'a', value: utf8Encode('1') },
      { key: 'mr-delay', value: utf8Encode('50') },
      { key: 'z', value: null },
    ]
    const properties = encodeHeaderBlock(headers)
    await publish(
      node,
      delayed('a', 50, { properties, neutralHeaders: () => headers, priority: 3, messageId: 'id' }),
    )
    await node.pass(100)
    const [got] = await node.run(node.messaging.peekQueue(caller, { queue: 'q', count: 1 }))
    const [a, delay, z] = node.messaging.headersOf(got!.message)
    expect([a!.key, utf8Decode(delay!.value!), z!.value]).toEqual(['a', '-50', null])
    expect(got!.message).toMatchObject({ exchange: 'later', priority: 3, messageId: 'id' })
  })

  it('comes by due time, then by arrival', async () => {
    const node = await start()
    const all = [300, 100, 200, 100, 300, 50].map((delay, at) => delayed(`${delay}-${at}`, delay))
    const peer = node.peer()
    for (const each of all) peer.session.publish(each, true)
    await node.pass(500)
    expect(await textsIn(node)).toEqual(['50-5', '100-1', '100-3', '200-2', '300-0', '300-4'])
  })

  it('is routed by the bindings of the moment, to nobody when there are none', async () => {
    const node = await start()
    await node.declare('other')
    await publish(node, delayed('a', 100), delayed('b', 300))
    await node.run(
      node.messaging.unbind(caller, {
        exchange: 'later',
        targetKind: 'queue',
        target: 'q',
        routingKey: 'q',
      }),
    )
    await bind(node, 'other')
    await node.pass(150)
    expect([node.ready(), node.ready('other')]).toEqual([0, 1])
    await node.run(node.messaging.deleteQueue(caller, { queue: 'other' }))
    await node.pass(300)
    expect(keptOf(node)).toBe(0)
  })

  it('tells one target, the mandatory one too, whether it can be routed or not', async () => {
    const node = await start()
    const peer = node.peer()
    expect(peer.session.publish(delayed('a', 100, { routingKey: 'nobody' }), true)).toBe(1)
    expect(peer.session.publish(delayed('a', 0, { routingKey: 'nobody' }), true)).toBe(0)
  })

  it('reaches all of its keys', async () => {
    const node = await start()
    await node.declare('copies')
    await bind(node, 'copies', { routingKey: 'cc' })
    await publish(node, delayed('a', 50, { extraRoutingKeys: ['cc'] }))
    await node.pass(100)
    expect([node.ready(), node.ready('copies')]).toEqual([1, 1])
  })

  it('goes into topics and queues in memory as well', async () => {
    const node = await start()
    await node.declare('memory', { isDurable: false })
    await bind(node, 'memory')
    await node.run(node.node.broker.createTopic(caller, { topic: 't' }))
    await bind(node, 't', { targetKind: 'topic' })
    await publish(node, delayed('a', 50))
    await node.pass(100)
    expect([node.ready(), node.ready('memory')]).toEqual([1, 1])
    const handle = await node.node.open('t')
    expect(await node.node.values(handle)).toEqual(['a'])
  })
})

describe('a delayed exchange', () => {
  it('keeps what comes through another exchange, once', async () => {
    const node = await start()
    const settings = { type: 'fanout' } as const
    await node.run(node.messaging.declareExchange(caller, { exchange: 'front', settings }))
    const binding = { exchange: 'front', targetKind: 'exchange', target: 'later' } as const
    await node.run(node.messaging.bind(caller, { ...binding, routingKey: '' }))
    await bind(node, 'q', { exchange: 'front' })
    await publish(node, delayed('a', 100, { exchange: 'front' }))
    expect([keptOf(node), node.ready()]).toEqual([1, 1])
    await node.pass(150)
    expect([keptOf(node), node.ready()]).toEqual([0, 2])
    // Remembered routes must not take a message with a delay past it, or one without into it.
    for (let round = 0; round < 3; round++) {
      await publish(node, delayed('b', 0, { exchange: 'front' }))
      await publish(node, delayed('c', 10_000, { exchange: 'front' }))
    }
    expect(keptOf(node)).toBe(3)
  })

  it('does not keep again what another one has kept', async () => {
    const node = await start()
    await declare(node, {}, 'second')
    const binding = { exchange: 'later', targetKind: 'exchange', target: 'second' } as const
    await node.run(node.messaging.bind(caller, { ...binding, routingKey: 'q' }))
    await bind(node, 'q', { exchange: 'second' })
    await publish(node, delayed('a', 100))
    await node.pass(150)
    expect([keptOf(node), keptOf(node, 'second'), node.ready()]).toEqual([0, 0, 1])
  })

  it('keeps what nothing else takes', async () => {
    const node = await start()
    const settings = { type: 'direct', alternateExchange: 'later' } as const
    await node.run(node.messaging.declareExchange(caller, { exchange: 'front', settings }))
    await publish(node, delayed('a', 100, { exchange: 'front' }))
    expect(keptOf(node)).toBe(1)
    await node.pass(150)
    expect(node.ready()).toBe(1)
  })

  it('keeps dead letters, those that ask for too much for the longest time', async () => {
    const node = await start()
    await node.declare('dying', { deadLetterExchange: 'later', deadLetterKey: 'q', lengthMax: 0 })
    const toQueue = { exchange: '', routingKey: 'dying' }
    await publish(node, delayed('a', 500, toQueue), delayed('b', DELAY_MS_MAX + 1, toQueue))
    await node.pass(100)
    expect([keptOf(node), node.ready('dying')]).toEqual([2, 0])
    await node.pass(500)
    expect([keptOf(node), await textsIn(node)]).toEqual([1, ['a']])
  })

  it('keeps dead letters of a queue that has its name', async () => {
    const node = await start()
    await node.declare('later', { deadLetterExchange: 'later', deadLetterKey: 'q', lengthMax: 0 })
    await publish(node, delayed('a', 50, { exchange: '', routingKey: 'later' }))
    await node.pass(200)
    expect(node.ready()).toBe(1)
  })

  it('keeps what a transaction publishes when it is committed', async () => {
    const node = await start()
    const peer = node.peer()
    const counts = await node.run(peer.session.commit([delayed('a', 100), delayed('b', 50)], []))
    expect(counts).toEqual([1, 1])
    expect([keptOf(node), node.ready()]).toEqual([2, 0])
    await node.pass(200)
    expect(await textsIn(node)).toEqual(['b', 'a'])
  })

  it('drops what it keeps when it is deleted', async () => {
    const node = await start()
    await publish(node, delayed('a', 100))
    expect(
      await codeOf(
        node.run(node.messaging.deleteExchange(caller, { exchange: 'later', ifUnused: true })),
      ),
    ).toBe('ERR_EXCHANGE_IN_USE')
    await node.run(node.messaging.deleteExchange(caller, { exchange: 'later' }))
    await node.pass(1_000)
    expect(node.ready()).toBe(0)
    await declare(node)
    await bind(node, 'q')
    expect(keptOf(node)).toBe(0)
    await publish(node, delayed('b', 50))
    await node.pass(100)
    expect(await textsIn(node)).toEqual(['b'])
    const again = await reopen(node.node.world)
    await again.pass(10_000)
    expect([keptOf(again), await textsIn(again)]).toEqual([0, ['b']])
  })

  it('goes with its last binding, and what it keeps with it', async () => {
    const node = await start({ isAutoDelete: true })
    await publish(node, delayed('a', 100))
    await node.run(node.messaging.deleteQueue(caller, { queue: 'q' }))
    expect(() => keptOf(node)).toThrow('does not exist')
    await node.pass(1_000)
  })

  it('refuses more than it may keep, and has room again', async () => {
    const node = await start({}, { keptCountMax: 2 })
    const peer = await publish(node, delayed('a', 100), delayed('b', 100), delayed('c', 100))
    expect(peer.confirms.at(-1)).toEqual({ from: 3, to: 3, code: 'ERR_MESSAGE_REFUSED' })
    const commit = peer.session.commit([delayed('d', 100)], [])
    expect(await codeOf(node.run(commit))).toBe('ERR_MESSAGE_REFUSED')
    await node.pass(200)
    expect(node.ready()).toBe(2)
    const next = await publish(node, delayed('e', 100))
    expect(next.confirms).toEqual([{ from: 1, to: 1, code: undefined }])
  })

  it('holds back what a full queue has no room for, from all of its targets', async () => {
    const node = await start()
    await node.declare('full', { lengthMax: 1, overflow: 'reject' })
    await bind(node, 'full')
    await bind(node, 'q', { routingKey: 'free' })
    await publish(
      node,
      ...['a', 'b', 'c'].map((text) => delayed(text, 50)),
      delayed('d', 60, { routingKey: 'free' }),
    )
    await node.pass(5_000)
    expect([keptOf(node), await textsIn(node), node.ready('full')]).toEqual([2, ['a', 'd'], 1])
    await node.run(node.messaging.purgeQueue(caller, { queue: 'full' }))
    await node.pass(2_000)
    expect([keptOf(node), node.ready(), node.ready('full')]).toEqual([1, 3, 1])
  })

  it('gives a queue with a window of message ids each id once', async () => {
    const node = await start()
    await node.declare('once', { dedupWindowMs: 60_000 })
    await bind(node, 'once')
    const twice = ['a', 'b'].map((text) => delayed(text, 50, { messageId: 'id' }))
    await publish(node, ...twice)
    await node.pass(200)
    await publish(node, delayed('c', 50, { messageId: 'id' }))
    await node.pass(200)
    expect([node.ready(), node.ready('once'), keptOf(node)]).toEqual([3, 1, 0])
  })

  it('waits for a disk that is full, and loses nothing', async () => {
    const node = await start()
    await publish(node, delayed('a', 500))
    const matches = (path: string): boolean => path.includes('journal')
    node.node.world.disk.inject({ kind: 'write', code: 'ENOSPC', nth: 1, times: 20, matches })
    await node.pass(700)
    expect([keptOf(node), node.ready()]).toEqual([1, 0])
    await node.pass(60_000)
    expect([keptOf(node), node.ready()]).toEqual([0, 1])
  })

  it('releases many in slices, each in its turn', async () => {
    const node = await start()
    const peer = node.peer()
    const names = Array.from({ length: 3_000 }, (_, at) => at)
    for (const at of names) {
      const one = delayed(`m${at}`, 10_000 + (at % 7) * 1_000)
      while (peer.session.publish(one, true) < 0) await node.pass(1)
    }
    await node.pass(20_000)
    const expected = names.sort((a, b) => (a % 7) - (b % 7) || a - b).map((at) => `m${at}`)
    expect(await textsIn(node)).toEqual(expected)
    expect(keptOf(node)).toBe(0)
  })

  it('releases a message that is larger than a slice', async () => {
    const large = { queueSegmentBytes: 64 * 1_048_576, unflushedBytesMax: 64 * 1_048_576 }
    const node = await start({}, large)
    await node.declare('second')
    await bind(node, 'second')
    await publish(node, delayed('x'.repeat(9 * 1_048_576), 50), delayed('small', 60))
    await node.pass(1_000)
    expect([node.ready(), node.ready('second')]).toEqual([2, 2])
  })

  it('goes on at once where one slice has no room for more', async () => {
    const large = { queueSegmentBytes: 64 * 1_048_576, unflushedBytesMax: 64 * 1_048_576 }
    const node = await start({}, large)
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    await publish(node, ...names.map((name) => delayed(name.padEnd(2 * 1_048_576, '.'), 500)))
    await node.pass(900)
    expect((await textsIn(node)).map((text) => text[0])).toEqual(names)
  })

  it('releases one of the largest size, whose delay grows by a sign', async () => {
    const large = { queueSegmentBytes: 128 * 1_048_576, unflushedBytesMax: 64 * 1_048_576 }
    const node = await start({}, large)
    const { properties } = delayed('', 50)
    await publish(node, delayed('x'.repeat(16 * 1_048_576 - properties.length), 50))
    await node.pass(1_000)
    expect([keptOf(node), node.ready()]).toEqual([0, 1])
  })

  it('gives the disk back behind a message that stays for long', async () => {
    const node = await start({}, { queueSegmentBytes: 64 * 1024, retentionCheckMs: 1_000 })
    const { disk } = node.node.world
    await publish(node, delayed('long', DELAY_MS_MAX))
    const peer = node.peer()
    peer.consume('q', { isAutoSettled: true })
    for (let round = 0; round < 40; round++) {
      for (let at = 0; at < 20; at++)
        peer.session.publish(delayed(`${round}-${at}-${'x'.repeat(1_000)}`, 100), true)
      await node.pass(300)
    }
    await node.pass(60_000)
    expect([keptOf(node), peer.texts.length]).toEqual([1, 800])
    const logs = disk.files('/data/logs').filter((path) => path.endsWith('.log'))
    const bytes = logs.reduce((sum, path) => sum + disk.contentOf(path).length, 0)
    expect(bytes).toBeLessThan(300_000)
  })
})

describe('what a durable delayed exchange keeps', () => {
  it.each(['kill', 'losePower'] as const)(
    'survives a %s, and comes when it is due',
    async (how) => {
      const node = await start()
      await publish(node, delayed('a', 60_000), delayed('b', 20_000), delayed('c', 100))
      await node.pass(200)
      const again = await reopen(node.node.world, how)
      expect([keptOf(again), again.ready()]).toEqual([2, 1])
      await again.pass(19_000)
      expect(await textsIn(again)).toEqual(['c'])
      await again.pass(2_000)
      expect(await textsIn(again)).toEqual(['c', 'b'])
      await again.pass(40_000)
      expect(await textsIn(again)).toEqual(['c', 'b', 'a'])
    },
  )

  it('comes after the grace of a start when it was due before, in its order', async () => {
    const node = await start()
    await publish(node, delayed('b', 2_000), delayed('a', 1_000))
    const { world } = node.node
    world.losePower()
    await world.scheduler.runFor(60_000)
    const again = await reopen(world)
    await publish(again, delayed('new', 100))
    await again.pass(4_500)
    expect([keptOf(again), again.ready()]).toEqual([3, 0])
    await again.pass(1_000)
    expect(await textsIn(again)).toEqual(['a', 'b', 'new'])
  })

  it('is released once, wherever the power fails', async () => {
    for (let atMs = 0; atMs < 40; atMs++) {
      const node = await start()
      const peer = node.peer()
      for (let at = 0; at < 20; at++) peer.session.publish(delayed(`m${at}`, 100), true)
      await node.pass(95 + atMs / 4)
      const confirmed = peer.confirms.at(-1)!.to
      const again = await reopen(node.node.world, atMs % 2 === 0 ? 'kill' : 'losePower')
      await again.pass(6_000)
      const texts = await textsIn(again)
      expect(new Set(texts).size).toBe(texts.length)
      expect(texts.length).toBeGreaterThanOrEqual(confirmed)
      expect(keptOf(again)).toBe(0)
    }
  })

  it('goes with a restart when the exchange is not durable', async () => {
    const node = await start({ isDurable: false })
    await publish(node, delayed('a', 1_000))
    const again = await reopen(node.node.world)
    expect(() => keptOf(again)).toThrow('does not exist')
    await again.pass(1_000)
    await declare(again, { isDurable: false })
    await bind(again, 'q')
    await again.pass(10_000)
    expect([keptOf(again), again.ready()]).toEqual([0, 0])
  })
})

describe('of a durable exchange and what it keeps, where damage took one', () => {
  const lose = async (node: MessagingNode, prefix: string): Promise<MessagingNode> => {
    const { world } = node.node
    await node.node.close()
    const bench = await StoreBench.open(world)
    const opening = MetadataStore.open(DIRECTORY, bench.environment, bench.store)
    const metadata = await bench.run(opening)
    const keys = [...metadata.entries(prefix)].map(([key]) => key)
    expect(keys).toHaveLength(1)
    const changes = new Map(keys.map((key) => [key, null]))
    await bench.run(metadata.change((commit) => commit(changes)))
    return reopen(world)
  }

  it('the exchange: what is kept stays, and is there when it is declared again', async () => {
    const node = await start()
    await publish(node, delayed('a', 60_000))
    const again = await lose(node, 'exchange/')
    expect(() => keptOf(again)).toThrow('does not exist')
    await again.pass(10_000)
    await declare(again)
    expect(keptOf(again)).toBe(1)
    // Bound before it is due: what is due goes nowhere without.
    await bind(again, 'q')
    await again.pass(60_000)
    expect(await textsIn(again)).toEqual(['a'])
    const last = await reopen(again.node.world)
    expect([keptOf(last), last.ready()]).toEqual([0, 1])
  })

  it('what it keeps: the exchange keeps what comes from then on', async () => {
    const node = await start()
    await publish(node, delayed('a', 1_000))
    const again = await lose(node, 'delayed-queue/')
    expect(keptOf(again)).toBe(0)
    await publish(again, delayed('b', 100))
    await again.pass(1_000)
    expect(await textsIn(again)).toEqual(['b'])
    const last = await reopen(again.node.world)
    expect([keptOf(last), last.ready()]).toEqual([0, 1])
  })
})

describe('kept messages that cannot be read', () => {
  const names = Array.from({ length: 200 }, (_, at) => `m${at}`)
  const storage = { queueSegmentBytes: 64 * 1024, ballastBytes: 0 }

  const keep = async (delay: number): Promise<MessagingNode> => {
    const node = await start({}, storage)
    for (const name of names) await publish(node, delayed(name.padEnd(1_000, '.'), delay))
    return node
  }

  const damage = ({ disk }: World): void => {
    const [path] = disk
      .files('/data/logs')
      .filter((file) => file.endsWith('.log') && disk.contentOf(file).length > 40_000)
    disk.flipBit(path!, 20_000 * 8)
  }

  it.each(['at a start', 'while the broker runs'])(
    'are lost and counted, and all others come: %s',
    async (when) => {
      const node = await keep(20_000)
      const { world } = node.node
      await node.node.close()
      if (when === 'at a start') damage(world)
      const again = new MessagingNode(await openNode(world, { storage }))
      await again.pass(6_000)
      if (when !== 'at a start') damage(world)
      await again.pass(30_000)
      const texts = (await textsIn(again)).map((text) => text.replace(/\.+$/, ''))
      expect(texts.length).toBeLessThan(names.length)
      expect(texts.length).toBeGreaterThan(names.length / 2)
      expect(texts).toEqual(names.filter((name) => texts.includes(name)))
      expect(keptOf(again)).toBe(0)
      await again.node.close()
      const last = new MessagingNode(await openNode(world, { storage }))
      await last.pass(10_000)
      expect([keptOf(last), last.ready()]).toEqual([0, texts.length])
    },
  )

  it.each([4_000, 60_000])('come when the disk reads again, after %s ms', async (delay) => {
    const node = await keep(delay)
    const { world } = node.node
    await node.node.close()
    const again = new MessagingNode(await openNode(world, { storage }))
    await again.pass(delay === 60_000 ? 10_000 : 0)
    const matches = (path: string): boolean => path.endsWith('.log')
    const planned = world.disk.inject({ kind: 'read', code: 'EIO', nth: 1, times: 5, matches })
    await again.pass(80_000)
    expect(planned.firedCount).toBe(5)
    expect([keptOf(again), again.ready()]).toEqual([0, names.length])
  })
})

describe('a wall clock that is set', () => {
  it.each([86_400_000, -86_400_000])('changes nothing while the broker runs: %s ms', async (ms) => {
    const node = await start()
    await publish(node, delayed('a', 10_000))
    node.node.world.clock.jump(ms)
    await node.pass(9_900)
    expect(node.ready()).toBe(0)
    await node.pass(200)
    expect(node.ready()).toBe(1)
  })

  it.each([86_400_000, -86_400_000])(
    'wrong by %s ms at a start and right a moment later: what is kept comes when it is due',
    async (ms) => {
      const node = await start()
      await publish(node, delayed('a', 60_000), delayed('b', 30_000))
      const { world } = node.node
      world.losePower()
      world.clock.jump(ms)
      const again = await reopen(world)
      await again.pass(1_000)
      world.clock.jump(-ms)
      await again.pass(25_000)
      expect([keptOf(again), again.ready()]).toEqual([2, 0])
      await again.pass(10_000)
      expect(await textsIn(again)).toEqual(['b'])
      await again.pass(30_000)
      expect(await textsIn(again)).toEqual(['b', 'a'])
    },
  )

  it('back for good between two processes: a message waits for its delay once more at most', async () => {
    const node = await start()
    await publish(node, delayed('a', 60_000))
    await node.pass(50_000)
    const { world } = node.node
    world.losePower()
    world.clock.jump(-10 * 86_400_000)
    const again = await reopen(world)
    await again.pass(59_000)
    expect(again.ready()).toBe(0)
    await again.pass(2_000)
    expect(again.ready()).toBe(1)
  })
})
