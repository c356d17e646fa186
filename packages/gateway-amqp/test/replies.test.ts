/** Messages that are answered directly, and what the broker adds to one. */
import { utf8Encode } from '@millrace/codec'
import type { DeadLetterEntry, QueuedMessage } from '@millrace/core'
import { findField, textField } from '../src/codec/field-table.ts'
import { BlockWriter, headersOf } from '../src/codec/property-block.ts'
import { Property, PropertyScan } from '../src/codec/property-scan.ts'
import type { AmqpPeer, Seen } from './support/amqp-peer.ts'
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

const closeOf = ([close]: readonly Seen[]): string =>
  `${close?.name} ${close?.fields['replyCode']} ${close?.fields['replyText']}`

describe('direct replies', () => {
  const asked = new BlockWriter()
    .text(Property.CONTENT_TYPE, utf8Encode('a/b'))
    .text(Property.REPLY_TO, utf8Encode('amq.rabbitmq.reply-to'))
    .finish()

  const listen = (fields: object = {}) =>
    peer.askAs(1, 'basic.consume', {
      queue: 'amq.rabbitmq.reply-to',
      consumerTag: 'r',
      noAck: true,
      ...fields,
    })

  const ask = async (): Promise<string> => {
    publish('question', asked)
    const got = await peer.ask(1, 'basic.get', { queue: 'q', noAck: true })
    return scanOf(got.properties ?? new Uint8Array()).text(Property.REPLY_TO) ?? ''
  }

  it('go from one connection to another, and are stored nowhere', async () => {
    await listen()
    const address = await ask()
    expect(address).toMatch(/^amq\.rabbitmq\.reply-to\.[\w-]{22}$/)
    const worker = world.connect()
    await worker.open()
    await worker.openChannel()
    expect((await worker.ask(1, 'queue.declare', { queue: address, passive: true })).name).toBe(
      'queue.declare-ok',
    )
    worker.publish(1, { routingKey: address, mandatory: true }, { body: 'answer' })
    const [reply] = await peer.take()
    expect(reply).toMatchObject({
      name: 'basic.deliver',
      fields: { consumerTag: 'r', deliveryTag: 2, exchange: '', routingKey: address },
    })
    expect(String(reply?.body)).toBe('answer')
    expect(await worker.take()).toEqual([])
  })

  it('are given back when nobody is there any more', async () => {
    await listen()
    const address = await ask()
    const worker = world.connect()
    await worker.open()
    await worker.openChannel()
    await worker.ask(1, 'confirm.select')
    await peer.ask(1, 'basic.cancel', { consumerTag: 'r' })
    worker.publish(1, { routingKey: address, mandatory: true }, { body: 'answer' })
    expect(await worker.takeNames()).toEqual(['basic.return', 'basic.ack'])
    const answer = await worker.ask(1, 'queue.declare', { queue: address, passive: true })
    expect(closeOf([answer])).toContain('NOT_FOUND')
  })

  it('stay in their virtual host', async () => {
    await listen()
    const address = await ask()
    const stranger = world.connect()
    await stranger.open({ vhost: 'shop' })
    await stranger.openChannel()
    stranger.publish(1, { routingKey: address, mandatory: true }, { body: 'spy' })
    expect(await stranger.takeNames()).toEqual(['basic.return'])
  })

  it.each([
    [{ noAck: false }, 'reply consumer cannot acknowledge'],
    [{ consumerTag: 'again' }, 'reply consumer already set'],
  ])('have one listener, that settles nothing: %j', async (fields, problem) => {
    if ('consumerTag' in fields) await listen()
    expect(closeOf([await listen(fields)])).toBe(
      `channel.close 406 PRECONDITION_FAILED - ${problem}`,
    )
  })

  it('need a listener before the question', async () => {
    publish('question', asked)
    expect(closeOf(await peer.take())).toContain('fast reply consumer does not exist')
  })

  it('cannot be fetched', async () => {
    const answer = await peer.ask(1, 'basic.get', { queue: 'amq.rabbitmq.reply-to' })
    expect(closeOf([answer])).toContain("no queue 'amq.rabbitmq.reply-to' in vhost '/'")
  })
})

describe('what the broker adds to a message', () => {
  const plain: QueuedMessage = {
    exchange: 'e',
    routingKey: 'k',
    extraRoutingKeys: ['b', 'c'],
    payload: utf8Encode('x'),
    format: 1,
    properties: new BlockWriter()
      .headers([], [{ name: 'CC', value: { type: 'A', value: [textField('c')] } }])
      .text(Property.EXPIRATION, utf8Encode('5'))
      .finish(),
    isPersistent: true,
    priority: 0,
    ttlMs: 5,
    messageId: undefined,
    key: undefined,
    timestampMs: 0,
    deadLetters: undefined,
  }

  const got = async (message: Partial<QueuedMessage>): Promise<PropertyScan> => {
    world.messaging.push('q', { ...plain, ...message })
    const { properties } = await peer.ask(1, 'basic.get', { queue: 'q', noAck: true })
    return scanOf(properties ?? new Uint8Array())
  }

  const death = (entry: Partial<DeadLetterEntry>): DeadLetterEntry => ({
    queue: 'dl',
    reason: 'expired',
    count: 2,
    exchange: 'e',
    routingKeys: ['k', 'b', 'c'],
    timeMs: 5_999,
    originalTtlMs: undefined,
    ...entry,
  })

  it('is nothing, most of the time', async () => {
    expect((await got({})).bytes).toEqual(plain.properties)
  })

  it('is where it died, newest first', async () => {
    const deadLetters = [
      death({ reason: 'delivery-limit', queue: 'late', timeMs: 9_000 }),
      death({ originalTtlMs: 5 }),
    ]
    const scan = await got({ deadLetters, ttlMs: -1 })
    expect(scan.has(Property.EXPIRATION)).toBe(false)
    const headers = headersOf(scan)
    expect(headers.map(({ name }) => name)).toEqual([
      'CC',
      'x-death',
      'x-first-death-reason',
      'x-first-death-queue',
      'x-first-death-exchange',
    ])
    expect(findField(headers, 'x-first-death-reason')).toEqual(textField('expired'))
    expect(findField(headers, 'x-first-death-queue')).toEqual(textField('dl'))
    const deaths = findField(headers, 'x-death')
    expect(deaths?.type === 'A' && deaths.value).toEqual([
      {
        type: 'F',
        value: [
          { name: 'count', value: { type: 'l', value: 2n } },
          { name: 'reason', value: textField('delivery_limit') },
          { name: 'queue', value: textField('late') },
          { name: 'time', value: { type: 'T', value: 9n } },
          { name: 'exchange', value: textField('e') },
          {
            name: 'routing-keys',
            value: { type: 'A', value: [textField('k'), textField('c')] },
          },
        ],
      },
      expect.objectContaining({
        value: expect.arrayContaining([
          { name: 'original-expiration', value: textField('5') },
        ]) as unknown,
      }),
    ])
  })

  it('is without copies once a key took their place', async () => {
    const scan = await got({ deadLetters: [death({})], ttlMs: -1, extraRoutingKeys: undefined })
    expect(findField(headersOf(scan), 'CC')).toBeUndefined()
  })

  it('goes on where the publisher of a dead message left off', async () => {
    const first = await got({ deadLetters: [death({ count: 3 })] })
    const again = await got({
      properties: first.bytes,
      deadLetters: [death({ queue: 'other' }), death({ count: 1 })],
    })
    const deaths = findField(headersOf(again), 'x-death')
    const counts =
      deaths?.type === 'A'
        ? deaths.value.map((one) => (one.type === 'F' ? findField(one.value, 'count') : undefined))
        : []
    expect(counts).toEqual([
      { type: 'l', value: 2n },
      { type: 'l', value: 4n },
    ])
    expect(headersOf(again).filter(({ name }) => name === 'x-death')).toHaveLength(1)
  })

  it('is how often a quorum queue delivered it', async () => {
    const type = [{ name: 'x-queue-type', value: textField('quorum') }]
    await peer.ask(1, 'queue.declare', { queue: 'qq', durable: true, arguments: type })
    peer.publish(1, { routingKey: 'qq' }, { body: 'x' })
    const countOf = (properties: Uint8Array | undefined) =>
      findField(headersOf(scanOf(properties ?? new Uint8Array())), 'x-delivery-count')
    const one = await peer.ask(1, 'basic.get', { queue: 'qq' })
    expect(countOf(one.properties)).toEqual({ type: 'l', value: 0n })
    peer.send(1, 'basic.nack', { deliveryTag: 1, requeue: true })
    const two = await peer.ask(1, 'basic.get', { queue: 'qq' })
    expect(countOf(two.properties)).toEqual({ type: 'l', value: 1n })
  })

  it('is a block of properties, for what came by another protocol', async () => {
    world.messaging.neutral = [{ key: 'mr-content-type', value: utf8Encode('a/b') }]
    const scan = await got({ format: 0, properties: new Uint8Array() })
    expect(scan.text(Property.CONTENT_TYPE)).toBe('a/b')
  })
})
