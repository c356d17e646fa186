/** Messages through the gateway: published, confirmed, given back, consumed, settled. */
import { BrokerError, utf8Encode } from '@millrace/codec'
import { type FieldTable, type FieldValue, textField } from '../src/codec/field-table.ts'
import { BlockWriter, headersOf } from '../src/codec/property-block.ts'
import { Property, PropertyScan } from '../src/codec/property-scan.ts'
import { COPIED_PAYLOAD_BYTES_MAX } from '../src/limits.ts'
import { type AmqpPeer, frameOf, headerFrame, methodFrame, type Seen } from './support/amqp-peer.ts'
import { type AmqpWorld, openAmqpWorld } from './support/amqp-world.ts'

let world: AmqpWorld
let peer: AmqpPeer

const start = async (options: Parameters<typeof openAmqpWorld>[0] = {}): Promise<void> => {
  world = openAmqpWorld(options)
  peer = world.connect()
  await peer.open()
  await peer.openChannel()
  await peer.ask(1, 'queue.declare', { queue: 'q' })
}

beforeEach(() => start())

const scanOf = (block: Uint8Array): PropertyScan => {
  const scan = new PropertyScan()
  scan.scan(block)
  return scan
}

const publish = (body: string, properties?: Uint8Array): void =>
  peer.publish(1, { routingKey: 'q' }, properties === undefined ? { body } : { properties, body })

/** What is delivered at once. */
const consume = async (fields: object = {}, channel = 1): Promise<readonly Seen[]> => {
  peer.send(channel, 'basic.consume', { queue: 'q', consumerTag: 't', ...fields })
  const [answer, ...deliveries] = await peer.take()
  expect(answer?.name).toBe('basic.consume-ok')
  return deliveries
}

const bodiesOf = (seen: readonly Seen[]): readonly string[] =>
  seen.map(({ body }) => String(body ?? ''))

const closeOf = ([close]: readonly Seen[]): string =>
  `${close?.name} ${close?.fields['replyCode']} ${close?.fields['replyText']}`

describe('a message', () => {
  it('arrives as it was sent', async () => {
    const properties = new BlockWriter()
      .text(Property.CONTENT_TYPE, utf8Encode('a/b'))
      .headers([], [{ name: 'n', value: { type: 'u', value: 7 } }])
      .octet(Property.DELIVERY_MODE, 2)
      .octet(Property.PRIORITY, 3)
      .text(Property.MESSAGE_ID, utf8Encode('m-1'))
      .finish()
    await consume()
    publish('hello', properties)
    const [delivery] = await peer.take()
    expect(delivery).toMatchObject({
      channel: 1,
      name: 'basic.deliver',
      fields: {
        consumerTag: 't',
        deliveryTag: 1,
        redelivered: false,
        exchange: '',
        routingKey: 'q',
      },
    })
    expect(delivery?.properties).toEqual(properties)
    expect(String(delivery?.body)).toBe('hello')
    expect(world.messaging.published[0]).toMatchObject({ isPersistent: true, priority: 3 })
  })

  it('may be empty', async () => {
    publish('')
    const got = await peer.ask(1, 'basic.get', { queue: 'q' })
    expect(got.body).toHaveLength(0)
  })

  it.each([1, 4_087, 4_088, 4_089, COPIED_PAYLOAD_BYTES_MAX, COPIED_PAYLOAD_BYTES_MAX + 1, 50_000])(
    'of %d bytes is cut to the frames that were agreed on',
    async (size) => {
      const small = world.connect()
      await small.open({ frameMax: 4_096 })
      await small.openChannel()
      const body = Buffer.alloc(size, 0x61)
      const frames = [methodFrame(1, 'basic.publish', { routingKey: 'q' }), headerFrame(1, size)]
      for (let at = 0; at < size; at += 4_088) {
        frames.push(frameOf(3, 1, body.subarray(at, at + 4_088)))
      }
      for (const frame of frames) small.sendBytes(frame)
      small.send(1, 'basic.get', { queue: 'q', noAck: true })
      await world.turn()
      const { received } = small.connection
      for (let at = 0; at < received.length;) {
        const bytes = 8 + received.readUInt32BE(at + 3)
        expect(bytes).toBeLessThanOrEqual(4_096)
        at += bytes
      }
      expect((await small.take())[0]?.body).toEqual(body)
    },
  )

  it('comes together from pieces of any size', async () => {
    const bytes = Buffer.concat([
      methodFrame(1, 'basic.publish', { routingKey: 'q' }),
      headerFrame(1, 5),
      frameOf(3, 1, Buffer.from('he')),
      frameOf(3, 1, Buffer.alloc(0)),
      frameOf(3, 1, Buffer.from('llo')),
    ])
    for (const byte of bytes) peer.sendBytes(new Uint8Array([byte]))
    expect(String((await peer.ask(1, 'basic.get', { queue: 'q' })).body)).toBe('hello')
  })

  it('and others of the connection may be under way together', async () => {
    await peer.openChannel(2)
    const half = (channel: number, text: string) => frameOf(3, channel, Buffer.from(text))
    for (const channel of [1, 2]) {
      peer.send(channel, 'basic.publish', { routingKey: 'q' })
      peer.sendBytes(headerFrame(channel, 4))
    }
    for (const frame of [half(1, 'aa'), half(2, 'bb'), half(1, 'AA'), half(2, 'BB')]) {
      peer.sendBytes(frame)
    }
    expect(bodiesOf(await consume())).toEqual(['aaAA', 'bbBB'])
  })

  it.each([1_000_000, 1_000_001])('of %d bytes meets the limit', async (size) => {
    peer.send(1, 'basic.publish', { routingKey: 'q' })
    peer.sendBytes(headerFrame(1, size))
    const seen = await peer.take()
    if (size === 1_000_000) expect(seen).toEqual([])
    else {
      expect(closeOf(seen)).toBe(
        'channel.close 406 PRECONDITION_FAILED - message size 1000001 is larger than configured max size 1000000',
      )
    }
  })
})

describe('what a publisher may not do', () => {
  const block = (property: Property, text: string) =>
    new BlockWriter().text(property, utf8Encode(text)).finish()

  it.each([
    ['abc', 'no_integer'],
    ['', 'no_integer'],
    [' 5', 'no_integer'],
    ['-1', '{value_negative,-1}'],
    ['1.5', '{leftover_string,".5"}'],
  ])('is to let a message expire in %j', async (expiration, why) => {
    publish('x', block(Property.EXPIRATION, expiration))
    expect(closeOf(await peer.take())).toBe(
      `channel.close 406 PRECONDITION_FAILED - invalid expiration '${expiration}': ${why}`,
    )
  })

  it('is to say that it is neither transient nor persistent', async () => {
    publish('x', new BlockWriter().octet(Property.DELIVERY_MODE, 3).finish())
    expect(closeOf(await peer.take())).toBe(
      'channel.close 406 PRECONDITION_FAILED - invalid message: {delivery_mode_unknown,3}',
    )
  })

  it('is to speak for somebody else', async () => {
    publish('x', block(Property.USER_ID, 'eve'))
    expect(closeOf(await peer.take())).toBe(
      "channel.close 406 PRECONDITION_FAILED - user_id property set to 'eve' but authenticated user was 'guest'",
    )
  })

  it('is to send copies to what is no list of keys', async () => {
    const properties = new BlockWriter()
      .headers([], [{ name: 'CC', value: textField('x') }])
      .finish()
    publish('x', properties)
    expect(closeOf(await peer.take())).toContain(
      'invalid message: {unacceptable_type_in_header,"CC",longstr}',
    )
  })

  it.each([
    [{ exchange: 'nope' }, "channel.close 404 NOT_FOUND - no exchange 'nope' in vhost '/'"],
    [{ immediate: true }, 'connection.close 540 NOT_IMPLEMENTED - immediate=true'],
  ])('is to publish so: %j', async (fields, problem) => {
    peer.publish(1, { routingKey: 'q', ...fields }, { body: 'x' })
    expect(closeOf(await peer.take())).toBe(problem)
  })

  it('is to publish to an internal exchange', async () => {
    await peer.ask(1, 'exchange.declare', { exchange: 'int', type: 'fanout', internal: true })
    peer.publish(1, { exchange: 'int' }, { body: 'x' })
    expect(closeOf(await peer.take())).toBe(
      "channel.close 403 ACCESS_REFUSED - cannot publish to internal exchange 'int' in vhost '/'",
    )
  })

  it('may speak for itself', async () => {
    publish('x', block(Property.USER_ID, 'guest'))
    expect(await peer.take()).toEqual([])
  })
})

describe('properties that mean something', () => {
  it('are read again only when they change', async () => {
    const one = new BlockWriter().octet(Property.PRIORITY, 1).finish()
    const two = new BlockWriter()
      .octet(Property.PRIORITY, 2)
      .octet(Property.DELIVERY_MODE, 2)
      .finish()
    const blocks = [one, one, two, one]
    const seen: Uint8Array[] = []
    for (const properties of blocks) {
      publish('x', properties)
      const source = world.messaging.published.at(-1)
      if (source !== undefined) seen.push(source.properties)
    }
    expect(seen[0]).toBe(seen[1])
    const delivered = await consume()
    expect(delivered.map(({ properties }) => properties)).toEqual(blocks)
  })

  it('send copies to more keys, and hide the blind ones', async () => {
    for (const queue of ['cc', 'bcc']) await peer.ask(1, 'queue.declare', { queue })
    const keys = (key: string): FieldValue => ({ type: 'A', value: [textField(key)] })
    const table: FieldTable = [
      { name: 'CC', value: keys('cc') },
      { name: 'BCC', value: keys('bcc') },
    ]
    publish('x', new BlockWriter().headers([], table).finish())
    for (const queue of ['q', 'cc', 'bcc']) {
      const got = await peer.ask(1, 'basic.get', { queue })
      const headers = headersOf(scanOf(got.properties ?? new Uint8Array()))
      expect(headers.map(({ name }) => name)).toEqual(['CC'])
    }
  })

  it('give a message a time to live', async () => {
    publish('x', new BlockWriter().text(Property.EXPIRATION, utf8Encode('1500')).finish())
    expect(world.messaging.published[0]?.ttlMs).toBe(1_500)
  })

  it('are compared by headers exchanges with their types, but for the width of integers', async () => {
    const table: FieldTable = [{ name: 'n', value: { type: 'I', value: 5 } }]
    await peer.ask(1, 'queue.bind', { queue: 'q', exchange: 'amq.headers', arguments: table })
    for (const type of ['d', 'I', 'i'] as const) {
      const properties = new BlockWriter().headers([], [{ name: 'n', value: { type, value: 5 } }])
      peer.publish(1, { exchange: 'amq.headers' }, { properties: properties.finish(), body: type })
    }
    for (const type of ['I', 'i']) {
      expect(String((await peer.ask(1, 'basic.get', { queue: 'q' })).body)).toBe(type)
    }
    expect((await peer.ask(1, 'basic.get', { queue: 'q' })).name).toBe('basic.get-empty')
  })

  it('become neutral headers for topics, with the block where types would be lost', () => {
    const properties = new BlockWriter()
      .headers([], [{ name: 'n', value: { type: 'u', value: 7 } }])
      .finish()
    publish('x', properties)
    const [source] = world.messaging.published
    const headers = new Map(source?.neutralHeaders().map(({ key, value }) => [key, value]))
    expect(headers.get('n')).toEqual(utf8Encode('7'))
    expect(headers.get('mr-exchange')).toEqual(new Uint8Array())
    expect(headers.get('mr-routing-key')).toEqual(utf8Encode('q'))
    expect(headers.get('mr-property-block')).toEqual(properties)
  })
})

describe('confirms', () => {
  beforeEach(() => peer.ask(1, 'confirm.select'))

  it('come together, in order', async () => {
    for (const body of ['a', 'b', 'c']) publish(body)
    expect(await peer.take()).toMatchObject([
      { name: 'basic.ack', fields: { deliveryTag: 3, multiple: true } },
    ])
    publish('d')
    expect(await peer.take()).toMatchObject([
      { name: 'basic.ack', fields: { deliveryTag: 4, multiple: false } },
    ])
  })

  it('follow what is given back', async () => {
    publish('a')
    peer.publish(1, { routingKey: 'nowhere', mandatory: true }, { body: 'b' })
    const seen = await peer.take()
    expect(seen).toMatchObject([
      {
        name: 'basic.return',
        fields: { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'nowhere' },
      },
      { name: 'basic.ack', fields: { deliveryTag: 2, multiple: true } },
    ])
    expect(String(seen[0]?.body)).toBe('b')
  })

  it('say that a message was refused', async () => {
    world.messaging.confirmError = new BrokerError('ERR_MESSAGE_REFUSED', ['q'])
    publish('a')
    publish('b')
    expect(await peer.take()).toMatchObject([
      { name: 'basic.nack', fields: { deliveryTag: 2, multiple: true, requeue: true } },
    ])
  })

  it('say that the disk is full, behind what came before', async () => {
    publish('a')
    world.messaging.publishError = new BrokerError('ERR_STORAGE_FULL', ['x'])
    publish('b')
    world.messaging.publishError = undefined
    publish('c')
    expect(await peer.take()).toMatchObject([
      { name: 'basic.ack', fields: { deliveryTag: 1, multiple: false } },
      { name: 'basic.nack', fields: { deliveryTag: 2, multiple: false } },
      { name: 'basic.ack', fields: { deliveryTag: 3, multiple: false } },
    ])
  })

  it('may be asked for again, and not with transactions', async () => {
    expect((await peer.ask(1, 'confirm.select')).name).toBe('confirm.select-ok')
    expect(closeOf([await peer.ask(1, 'tx.select')])).toBe(
      'channel.close 406 PRECONDITION_FAILED - cannot switch from confirm to tx mode',
    )
  })

  it('wait while the engine takes nothing, and so does the peer', async () => {
    world.messaging.setBusy(true)
    publish('a')
    publish('b')
    expect(await peer.take()).toEqual([])
    expect(peer.connection.isPaused).toBe(true)
    world.messaging.setBusy(false)
    expect(await peer.take()).toMatchObject([{ fields: { deliveryTag: 2, multiple: true } }])
    expect(peer.connection.isPaused).toBe(false)
    expect(bodiesOf(await consume())).toEqual(['a', 'b'])
  })
})

it('tells of a full disk where there are no confirms', async () => {
  world.messaging.publishError = new BrokerError('ERR_STORAGE_FULL', ['no room'])
  publish('a')
  expect(closeOf(await peer.take())).toMatch(/^channel.close 506 RESOURCE_ERROR/)
})

describe('consumers', () => {
  it('have a name made up for them', async () => {
    const answer = await peer.ask(1, 'basic.consume', { queue: 'q' })
    expect(answer.fields['consumerTag']).toMatch(/^amq\.ctag-[\w-]{22}$/)
  })

  it('have a name once', async () => {
    await consume()
    expect(closeOf([await peer.ask(1, 'basic.consume', { queue: 'q', consumerTag: 't' })])).toBe(
      "connection.close 530 NOT_ALLOWED - attempt to reuse consumer tag 't'",
    )
  })

  it('may want to be alone', async () => {
    await consume({ exclusive: true })
    await peer.openChannel(2)
    expect(closeOf([await peer.ask(2, 'basic.consume', { queue: 'q' })])).toBe(
      "channel.close 403 ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use",
    )
  })

  it('are given what they can take', async () => {
    await peer.ask(1, 'basic.qos', { prefetchCount: 2 })
    await consume()
    for (const body of ['a', 'b', 'c']) publish(body)
    expect(bodiesOf(await peer.take())).toEqual(['a', 'b'])
    peer.send(1, 'basic.ack', { deliveryTag: 1 })
    expect(bodiesOf(await peer.take())).toEqual(['c'])
  })

  it('share what their channel can take', async () => {
    await peer.ask(1, 'queue.declare', { queue: 'other' })
    await consume()
    await consume({ queue: 'other', consumerTag: 'u' })
    await peer.ask(1, 'basic.qos', { prefetchCount: 1, global: true })
    publish('a')
    peer.publish(1, { routingKey: 'other' }, { body: 'b' })
    expect(await peer.take()).toHaveLength(1)
    peer.send(1, 'basic.ack', { deliveryTag: 1 })
    expect(await peer.take()).toHaveLength(1)
    await peer.ask(1, 'basic.qos', { prefetchCount: 0, global: true })
  })

  it('need not settle anything, when they say so', async () => {
    await peer.ask(1, 'basic.qos', { prefetchCount: 1 })
    await consume({ noAck: true })
    for (const body of ['a', 'b', 'c']) publish(body)
    expect(bodiesOf(await peer.take())).toEqual(['a', 'b', 'c'])
    peer.send(1, 'basic.ack', { deliveryTag: 1 })
    expect(closeOf(await peer.take())).toContain('unknown delivery tag 1')
  })

  it('are asked for a priority that is a number', async () => {
    const fields = { queue: 'q', arguments: [{ name: 'x-priority', value: textField('a') }] }
    expect(closeOf([await peer.ask(1, 'basic.consume', fields)])).toContain(
      "invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got longstr\"",
    )
  })

  it('stop when told to, and keep what they have', async () => {
    await consume()
    publish('a')
    await peer.take()
    expect(await peer.ask(1, 'basic.cancel', { consumerTag: 't' })).toMatchObject({
      name: 'basic.cancel-ok',
      fields: { consumerTag: 't' },
    })
    publish('b')
    expect(await peer.take()).toEqual([])
    peer.send(1, 'basic.ack', { deliveryTag: 1 })
    expect(await peer.take()).toEqual([])
    expect((await peer.ask(1, 'basic.cancel', { consumerTag: 'nobody' })).name).toBe(
      'basic.cancel-ok',
    )
  })

  it('are told when their queue goes, if they can hear it', async () => {
    const deaf = world.connect()
    await deaf.open({ capabilities: [] })
    await deaf.openChannel()
    await deaf.ask(1, 'basic.consume', { queue: 'q', consumerTag: 'd' })
    await consume()
    peer.send(1, 'queue.delete', { queue: 'q' })
    expect(await peer.take()).toMatchObject([
      { name: 'queue.delete-ok' },
      { name: 'basic.cancel', fields: { consumerTag: 't', nowait: true } },
    ])
    expect(await deaf.take()).toEqual([])
  })

  it.each([
    ['basic.qos', { prefetchSize: 5 }, 'prefetch_size!=0 (5)'],
    ['basic.recover', { requeue: false }, 'requeue=false'],
    ['channel.flow', { active: false }, 'active=false'],
  ] as const)('cannot have %s %j', async (name, fields, problem) => {
    expect(closeOf([await peer.askAs(1, name, fields)])).toBe(
      `connection.close 540 NOT_IMPLEMENTED - ${problem}`,
    )
  })

  it('answer nothing when nothing is asked for', async () => {
    peer.send(1, 'basic.consume', { queue: 'q', consumerTag: 't', nowait: true })
    peer.send(1, 'basic.cancel', { consumerTag: 't', nowait: true })
    peer.send(1, 'confirm.select', { nowait: true })
    expect(await peer.take()).toEqual([])
  })
})

describe('settling', () => {
  beforeEach(async () => {
    await consume()
    for (const body of ['a', 'b', 'c', 'd']) publish(body)
    await peer.take()
  })

  const settled = () => world.messaging.settleCalls
  const inFlight = () => world.messaging.queues.get('q')?.inFlightCount

  it('one by one reaches the engine together', () => {
    peer.sendBytes(
      Buffer.concat([1, 2, 3].map((deliveryTag) => methodFrame(1, 'basic.ack', { deliveryTag }))),
    )
    expect(settled()).toEqual([[3, 'ack']])
    expect(inFlight()).toBe(1)
  })

  it('up to a tag takes all before it', () => {
    peer.send(1, 'basic.ack', { deliveryTag: 2 })
    peer.send(1, 'basic.ack', { deliveryTag: 3, multiple: true })
    expect(settled()).toEqual([
      [1, 'ack'],
      [2, 'ack'],
    ])
  })

  it('of tag 0 takes all, even none', () => {
    peer.send(1, 'basic.ack', { deliveryTag: 0, multiple: true })
    peer.send(1, 'basic.ack', { deliveryTag: 0, multiple: true })
    expect(settled()).toEqual([[4, 'ack']])
  })

  it('keeps outcomes apart', () => {
    peer.sendBytes(
      Buffer.concat([
        methodFrame(1, 'basic.ack', { deliveryTag: 1 }),
        methodFrame(1, 'basic.reject', { deliveryTag: 2, requeue: false }),
        methodFrame(1, 'basic.nack', { deliveryTag: 4, multiple: true, requeue: true }),
      ]),
    )
    expect(settled()).toEqual([
      [1, 'ack'],
      [1, 'reject'],
      [2, 'release'],
    ])
  })

  it('tells what failed from what is handed back', () => {
    peer.send(1, 'basic.reject', { deliveryTag: 1, requeue: true })
    peer.send(1, 'basic.nack', { deliveryTag: 2, requeue: true })
    peer.send(1, 'basic.recover', { requeue: true })
    expect(settled()).toEqual([
      [1, 'requeue'],
      [1, 'release'],
      [2, 'release'],
    ])
  })

  it('brings back what was returned, marked', async () => {
    peer.send(1, 'basic.nack', { deliveryTag: 2, requeue: true })
    expect(await peer.take()).toMatchObject([
      { name: 'basic.deliver', fields: { deliveryTag: 5, redelivered: true } },
    ])
  })

  it.each([
    ['basic.recover', ['basic.recover-ok']],
    ['basic.recover-async', []],
  ] as const)('all at once: %s', async (name, answers) => {
    peer.send(1, name, { requeue: true })
    const seen = await peer.take()
    expect(seen.map((one) => one.name)).toEqual([
      ...answers,
      ...new Array<string>(4).fill('basic.deliver'),
    ])
  })

  it.each([
    ['basic.ack', { deliveryTag: 9 }, '9'],
    ['basic.ack', { deliveryTag: 9, multiple: true }, '9'],
    ['basic.ack', { deliveryTag: 0 }, '0'],
    ['basic.reject', { deliveryTag: 9 }, '9'],
    ['basic.nack', { deliveryTag: 9 }, '9'],
  ] as const)('takes no tag that is not outstanding: %s %j', async (name, fields, tag) => {
    peer.send(1, name as 'basic.ack', fields as object)
    expect(closeOf(await peer.take())).toBe(
      `channel.close 406 PRECONDITION_FAILED - unknown delivery tag ${tag}`,
    )
  })

  it('takes no tag twice, alone or with others', async () => {
    peer.send(1, 'basic.ack', { deliveryTag: 2 })
    peer.send(1, 'basic.ack', { deliveryTag: 2, multiple: true })
    expect(closeOf(await peer.take())).toContain('unknown delivery tag 2')
    expect(inFlight()).toBe(0)
  })

  it.each([
    ['ffffffffffffffff', '18446744073709551615'],
    ['0020000000000001', '9007199254740993'],
    ['0020000000000000', '9007199254740992'],
  ])('names a tag beyond what a number can tell: %s', async (hex, tag) => {
    const payload = Buffer.concat([Buffer.from('003c0050', 'hex'), Buffer.from(`${hex}00`, 'hex')])
    peer.sendBytes(frameOf(1, 1, payload))
    expect(closeOf(await peer.take())).toContain(`unknown delivery tag ${tag}`)
  })

  it('is over with the channel: what was not settled goes back', async () => {
    peer.send(1, 'basic.ack', { deliveryTag: 1 })
    expect((await peer.ask(1, 'channel.close')).name).toBe('channel.close-ok')
    expect(inFlight()).toBe(0)
    expect(world.messaging.queues.get('q')?.ready).toHaveLength(3)
  })
})

describe('what was published on a channel', () => {
  it.each([
    ['basic.get', 'basic.get-ok'],
    ['queue.declare', 'queue.declare-ok'],
    ['queue.purge', 'queue.purge-ok'],
    ['queue.delete', 'queue.delete-ok'],
    ['channel.close', 'channel.close-ok'],
  ] as const)('is there before %s is answered', async (name, answer) => {
    publish('a')
    peer.send(1, name, { queue: 'q' } as object)
    for (let count = 0; count < 5; count++) await Promise.resolve()
    expect(peer.connection.received).toHaveLength(0)
    expect(await peer.takeNames()).toEqual([answer])
  })

  it('is there before the connection ends', async () => {
    publish('a')
    peer.send(0, 'connection.close')
    expect(peer.isEnded).toBe(false)
    expect(await peer.takeNames()).toEqual(['connection.close-ok'])
  })

  it('counts for confirms from when they were asked for', async () => {
    publish('a')
    peer.sendBytes(
      Buffer.concat([
        methodFrame(1, 'confirm.select', { nowait: true }),
        methodFrame(1, 'basic.publish', { routingKey: 'q' }),
        headerFrame(1, 0),
      ]),
    )
    expect(await peer.take()).toMatchObject([
      { name: 'basic.ack', fields: { deliveryTag: 1, multiple: false } },
    ])
  })
})

describe('one message at a time', () => {
  it('tells what is left', async () => {
    publish('a')
    publish('b')
    expect(await peer.ask(1, 'basic.get', { queue: 'q' })).toMatchObject({
      name: 'basic.get-ok',
      fields: {
        deliveryTag: 1,
        redelivered: false,
        exchange: '',
        routingKey: 'q',
        messageCount: 1,
      },
    })
    await peer.ask(1, 'basic.get', { queue: 'q' })
    expect(await peer.ask(1, 'basic.get', { queue: 'q' })).toMatchObject({
      name: 'basic.get-empty',
      fields: { clusterId: '' },
    })
  })

  it('is settled by its tag, or at once', async () => {
    publish('a')
    publish('b')
    await peer.ask(1, 'basic.get', { queue: 'q' })
    await peer.ask(1, 'basic.get', { queue: 'q', noAck: true })
    expect(world.messaging.queues.get('q')?.inFlightCount).toBe(1)
    peer.send(1, 'basic.ack', { deliveryTag: 1 })
    peer.send(1, 'basic.ack', { deliveryTag: 2 })
    expect(closeOf(await peer.take())).toContain('unknown delivery tag 2')
  })

  it('keeps its place among other methods', async () => {
    publish('a')
    peer.sendBytes(
      Buffer.concat([
        methodFrame(1, 'basic.get', { queue: 'q' }),
        methodFrame(1, 'queue.declare', { queue: 'q', passive: true }),
        methodFrame(1, 'basic.qos', {}),
      ]),
    )
    expect(await peer.takeNames()).toEqual(['basic.get-ok', 'queue.declare-ok', 'basic.qos-ok'])
  })
})

describe('transactions', () => {
  beforeEach(async () => {
    await peer.ask(1, 'tx.select')
  })

  const ready = () => world.messaging.queues.get('q')?.ready.length

  it('show nothing before they are committed', async () => {
    publish('a')
    peer.publish(1, { routingKey: 'nowhere', mandatory: true }, { body: 'b' })
    expect(await peer.take()).toEqual([])
    expect(ready()).toBe(0)
    peer.send(1, 'tx.commit')
    expect(await peer.takeNames()).toEqual(['basic.return', 'tx.commit-ok'])
    expect(ready()).toBe(1)
  })

  it('are taken back', async () => {
    publish('a')
    expect((await peer.ask(1, 'tx.rollback')).name).toBe('tx.rollback-ok')
    await peer.ask(1, 'tx.commit')
    expect(ready()).toBe(0)
  })

  it('take back settlements as well', async () => {
    publish('a')
    publish('b')
    await peer.ask(1, 'tx.commit')
    await consume()
    peer.send(1, 'basic.ack', { deliveryTag: 2, multiple: true })
    await peer.ask(1, 'tx.rollback')
    expect(world.messaging.settleCalls).toEqual([])
    peer.send(1, 'basic.ack', { deliveryTag: 1 })
    peer.send(1, 'basic.nack', { deliveryTag: 2, requeue: false })
    await peer.ask(1, 'tx.commit')
    expect(world.messaging.settleCalls).toEqual([
      [1, 'ack'],
      [1, 'reject'],
    ])
  })

  it('know at once when there is no such exchange', async () => {
    peer.publish(1, { exchange: 'nope' }, { body: 'x' })
    expect(closeOf(await peer.take())).toContain("NOT_FOUND - no exchange 'nope' in vhost '/'")
  })

  it('cannot be confirmed', async () => {
    expect(closeOf([await peer.ask(1, 'confirm.select')])).toContain(
      'cannot switch from tx to confirm mode',
    )
  })

  it.each(['tx.commit', 'tx.rollback'] as const)('begin with a word: %s', async (name) => {
    await peer.openChannel(2)
    expect(closeOf([await peer.ask(2, name)])).toContain('channel is not transactional')
  })
})
