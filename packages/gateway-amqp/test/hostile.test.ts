/** What no client sends: nothing escapes, nobody else is harmed, and memory stays bounded. */
import fc from 'fast-check'
import { PROTOCOL_HEADER } from '../src/codec/frame.ts'
import { type MethodName, methodTable } from '../src/codec/method-table.ts'
import { CLOSE_WAIT_MS_MAX, PROGRESS_MS_MAX, TRANSACTION_STEPS_COUNT_MAX } from '../src/limits.ts'
import { type AmqpPeer, frameOf, headerFrame, methodFrame, type Seen } from './support/amqp-peer.ts'
import { type AmqpWorld, openAmqpWorld } from './support/amqp-world.ts'

let world: AmqpWorld
let peer: AmqpPeer

beforeEach(async () => {
  world = openAmqpWorld()
  peer = world.connect()
  await peer.open()
  await peer.openChannel()
})

const names = Object.keys(methodTable) as MethodName[]

const closeOf = ([close]: readonly Seen[]): string => `${close?.name} ${close?.fields['replyCode']}`

const isOfConnection = (name: MethodName): boolean => name.startsWith('connection.')

describe.each(names)('%s', (name) => {
  const { sender } = methodTable[name]

  it('on a channel that is not open ends the connection, unless it opens it', async () => {
    peer.send(9, name)
    const answer = closeOf(await peer.take())
    if (name === 'channel.open') expect(answer).toContain('channel.open-ok')
    else expect(answer).toBe('connection.close 504')
  })

  it('on channel 0 is what the connection expects, or ends it', async () => {
    peer.send(0, name)
    const answer = closeOf(await peer.take())
    if (name === 'connection.close') expect(answer).toContain('connection.close-ok')
    else if (name === 'connection.update-secret') expect(answer).toContain('update-secret-ok')
    else expect(answer).toBe('connection.close 504')
  })

  if (sender === 'broker' || isOfConnection(name)) {
    it('is not taken on a channel', async () => {
      peer.send(1, name)
      expect(closeOf(await peer.take())).toBe('connection.close 503')
    })
  }

  it('is not heard on a channel that is closing, but for its end', async () => {
    peer.send(1, 'queue.declare', { queue: 'nope', passive: true })
    await peer.take()
    peer.send(1, name)
    const seen = await peer.take()
    expect(seen.map((one) => one.name)).toEqual(
      name === 'channel.close' ? ['channel.close-ok'] : [],
    )
    if (name === 'channel.close-ok') await peer.openChannel()
  })

  it('is not heard on a connection that is closing, but for its end', async () => {
    peer.send(0, 'connection.tune-ok')
    await peer.take()
    peer.send(isOfConnection(name) ? 0 : 1, name)
    await peer.take()
    const isEnd = name === 'connection.close' || name === 'connection.close-ok'
    expect(peer.isEnded).toBe(isEnd)
  })

  it('is not heard before the connection is open', async () => {
    const stranger = world.connect()
    stranger.sendBytes(PROTOCOL_HEADER)
    await stranger.take()
    stranger.send(isOfConnection(name) ? 0 : 1, name)
    const seen = await stranger.take()
    const isHeard = name === 'connection.close'
    expect(seen.map((one) => one.name)).toEqual(isHeard ? ['connection.close-ok'] : [])
    expect(stranger.isEnded).toBe(true)
  })
})

describe('content', () => {
  it.each<[string, () => Buffer[], string]>([
    ['a header without a method', () => [headerFrame(1, 5)], '505'],
    ['a body without a method', () => [frameOf(3, 1, Buffer.from('x'))], '505'],
    [
      'a method instead of a header',
      () => [methodFrame(1, 'basic.publish'), methodFrame(1, 'basic.qos')],
      '505',
    ],
    [
      'a body instead of a header',
      () => [methodFrame(1, 'basic.publish'), frameOf(3, 1, Buffer.from('x'))],
      '505',
    ],
    [
      'a method instead of a body',
      () => [methodFrame(1, 'basic.publish'), headerFrame(1, 5), methodFrame(1, 'basic.qos')],
      '505',
    ],
    [
      'a second header',
      () => [methodFrame(1, 'basic.publish'), headerFrame(1, 5), headerFrame(1, 5)],
      '505',
    ],
    [
      'more than it said',
      () => [methodFrame(1, 'basic.publish'), headerFrame(1, 2), frameOf(3, 1, Buffer.from('abc'))],
      '501',
    ],
    [
      'a header of another class',
      () => {
        const header = headerFrame(1, 2)
        header.writeUInt16BE(50, 7)
        return [methodFrame(1, 'basic.publish'), header]
      },
      '505',
    ],
    [
      'a header that is cut',
      () => [methodFrame(1, 'basic.publish'), frameOf(2, 1, Buffer.alloc(5))],
      '501',
    ],
    [
      'properties that are none',
      () => [methodFrame(1, 'basic.publish'), headerFrame(1, 2, Buffer.from('ffff', 'hex'))],
      '501',
    ],
    ['a method that is cut', () => [frameOf(1, 1, Buffer.from('003c', 'hex'))], '501'],
    ['a publish that is cut', () => [frameOf(1, 1, Buffer.from('003c002800000a', 'hex'))], '501'],
    ['an ack that is cut', () => [frameOf(1, 1, Buffer.from('003c005000', 'hex'))], '501'],
    ['a body on channel 0', () => [frameOf(3, 0, Buffer.from('x'))], '505'],
    ['a method that there is none', () => [frameOf(1, 1, Buffer.from('003c03e7', 'hex'))], '503'],
  ])('ends the connection when it is %s', async (_name, framesOf, code) => {
    for (const frame of framesOf()) peer.sendBytes(frame)
    expect(closeOf(await peer.take())).toBe(`connection.close ${code}`)
  })

  it.each([0x8000_0000, 2 ** 53, 2 ** 60])('may not claim %d bytes', async (size) => {
    peer.send(1, 'basic.publish')
    peer.sendBytes(headerFrame(1, size))
    expect(closeOf(await peer.take())).toBe('channel.close 406')
  })

  it('of a channel that failed is dropped, and others go on', async () => {
    await peer.openChannel(2)
    peer.send(1, 'basic.publish', { exchange: 'nope' })
    peer.sendBytes(headerFrame(1, 3))
    peer.sendBytes(frameOf(3, 1, Buffer.from('abc')))
    expect(closeOf(await peer.take())).toBe('channel.close 404')
    peer.publish(1, { exchange: 'nope' }, { body: 'more' })
    expect((await peer.ask(2, 'basic.qos')).name).toBe('basic.qos-ok')
  })
})

it('holds of a message what has come, and counts it', async () => {
  let held = 0
  const memory = {
    bytesMax: 1 << 30,
    toleratedBytes: 1 << 20,
    isExceeded: false,
    add: (bytes: number) => void (held += bytes),
  }
  world = openAmqpWorld({ settings: { memory } })
  peer = world.connect()
  await peer.open()
  for (let channel = 1; channel <= 100; channel++) {
    await peer.openChannel(channel)
    peer.send(channel, 'basic.publish')
    peer.sendBytes(headerFrame(channel, 1_000_000))
    peer.sendBytes(frameOf(3, channel, Buffer.from('x')))
  }
  expect(held).toBeGreaterThan(0)
  expect(held).toBeLessThan(1_000_000)
  peer.close()
  expect(held).toBe(0)
})

it('cuts off who holds much when all connections together hold too much', async () => {
  let held = 0
  const memory = {
    bytesMax: 300_000,
    toleratedBytes: 100_000,
    add: (bytes: number) => void (held += bytes),
    get isExceeded() {
      return held > 300_000
    },
  }
  world = openAmqpWorld({ settings: { memory } })
  const peers = [world.connect(), world.connect()]
  for (const one of peers) {
    await one.open()
    await one.openChannel()
    one.send(1, 'basic.publish')
    one.sendBytes(headerFrame(1, 1_000_000))
  }
  const [greedy, modest] = peers
  modest?.sendBytes(frameOf(3, 1, Buffer.alloc(50_000)))
  for (let count = 0; count < 5; count++) greedy?.sendBytes(frameOf(3, 1, Buffer.alloc(100_000)))
  expect(closeOf((await greedy?.take()) ?? [])).toContain('connection.close')
  expect(await modest?.take()).toEqual([])
})

it('bounds what a transaction holds', async () => {
  await peer.ask(1, 'tx.select')
  const one = Buffer.concat([
    methodFrame(1, 'basic.publish', { routingKey: 'q' }),
    headerFrame(1, 0),
  ])
  const many = Buffer.concat(new Array<Buffer>(1_000).fill(one))
  for (let count = 0; count < TRANSACTION_STEPS_COUNT_MAX; count += 1_000) peer.sendBytes(many)
  expect(await peer.take()).toEqual([])
  peer.sendBytes(one)
  expect(closeOf(await peer.take())).toBe('channel.close 406')
})

it('bounds the consumers of a connection', async () => {
  world = openAmqpWorld({ limits: { subscriptionsMax: 2 } })
  peer = world.connect()
  await peer.open()
  await peer.openChannel()
  await peer.ask(1, 'queue.declare', { queue: 'q' })
  const consume = () => peer.ask(1, 'basic.consume', { queue: 'q' })
  const { fields } = await consume()
  await consume()
  const consumerTag = fields['consumerTag'] as string
  await peer.ask(1, 'basic.cancel', { consumerTag })
  await consume()
  expect(closeOf([await consume()])).toBe('channel.close 406')
})

it('cuts off who begins a frame and does not go on with it', () => {
  peer.sendBytes(methodFrame(1, 'basic.qos').subarray(0, 9))
  world.timers.advance(PROGRESS_MS_MAX)
  expect(peer.connection.received.length).toBeGreaterThan(0)
  world.timers.advance(CLOSE_WAIT_MS_MAX)
  expect(peer.isEnded).toBe(true)
})

it('waits for a peer to hear that it is to go, and not for ever', async () => {
  peer.send(1, 'basic.qos', { prefetchSize: 1 })
  expect(closeOf(await peer.take())).toBe('connection.close 540')
  expect(peer.isEnded).toBe(false)
  world.timers.advance(CLOSE_WAIT_MS_MAX)
  expect(peer.isEnded).toBe(true)
  expect(world.timers.count).toBe(0)
})

it('gives everything back when a connection is gone', async () => {
  await peer.ask(1, 'queue.declare', { queue: 'q' })
  await peer.ask(1, 'basic.consume', { queue: 'q' })
  await peer.ask(1, 'basic.consume', { queue: 'amq.rabbitmq.reply-to', noAck: true })
  peer.publish(1, { routingKey: 'q' }, { body: 'x' })
  await peer.take()
  peer.close()
  expect(world.messaging.queues.get('q')?.describe('/')).toMatchObject({
    readyCount: 1,
    inFlightCount: 0,
    consumerCount: 0,
  })
  expect(world.gateway.sessionCount).toBe(0)
  expect(world.timers.count).toBe(0)
})

it('tells of a bug without telling where', async () => {
  world.messaging.describeQueue = () => {
    throw new TypeError('/secret/path')
  }
  peer.send(1, 'queue.declare', { queue: 'q', passive: true })
  const [close] = await peer.take()
  expect(close?.fields).toMatchObject({
    replyCode: 541,
    replyText: 'INTERNAL_ERROR - internal error',
  })
  expect(world.events).toContain('amqp.internal-error')
})

const valid = [
  methodFrame(1, 'queue.declare', { queue: 'q' }),
  methodFrame(1, 'queue.bind', { queue: 'q', exchange: 'amq.headers' }),
  methodFrame(1, 'basic.qos', { prefetchCount: 3 }),
  methodFrame(1, 'basic.consume', { queue: 'q', consumerTag: 't' }),
  methodFrame(1, 'basic.publish', { routingKey: 'q' }),
  headerFrame(1, 3),
  frameOf(3, 1, Buffer.from('abc')),
  methodFrame(1, 'basic.ack', { deliveryTag: 1 }),
  methodFrame(1, 'basic.get', { queue: 'q' }),
  methodFrame(1, 'tx.select'),
  methodFrame(1, 'tx.commit'),
  methodFrame(1, 'channel.close'),
]

it('survives a conversation with bytes changed', async () => {
  const change = fc.record({
    which: fc.nat(valid.length - 1),
    at: fc.nat(40),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const other = world.connect()
      await other.open()
      await other.openChannel()
      const frames = valid.map((frame) => Buffer.from(frame))
      for (const { which, at, bytes } of changes) {
        const frame = frames[which] ?? Buffer.alloc(0)
        if (at < frame.length) frame.set(bytes.subarray(0, frame.length - at), at)
      }
      for (const frame of frames) other.sendBytes(frame)
      await world.turn()
      other.close()
      expect(world.events).not.toContain('amqp.internal-error')
    }),
    { numRuns: 60 },
  )
  expect((await peer.ask(1, 'basic.qos')).name).toBe('basic.qos-ok')
})
