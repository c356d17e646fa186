/** With the engine behind it: what is confirmed survives, streams and topics are read. */
import { RecordBatchBuilder, utf8Encode } from '@millrace/codec'
import type { FieldTable } from '../src/codec/field-table.ts'
import { findField, textField } from '../src/codec/field-table.ts'
import { BlockWriter, headersOf } from '../src/codec/property-block.ts'
import { Property, PropertyScan } from '../src/codec/property-scan.ts'
import type { MethodName } from '../src/codec/method-table.ts'
import type { AmqpPeer, Seen } from './support/amqp-peer.ts'
import { openRealWorld, type RealWorld, takeUntil } from './support/real-world.ts'

let world: RealWorld
let peer: AmqpPeer

const ask = async (name: MethodName, fields: object = {}): Promise<Seen> => {
  peer.send(1, name, fields)
  const [answer] = await takeUntil(peer, 1)
  return answer as Seen
}

const connect = async (): Promise<void> => {
  peer = await world.connectOpen()
}

beforeEach(async () => {
  world = await openRealWorld()
  await connect()
})

afterEach(async () => {
  peer.close()
  await world.stop()
})

const typed: FieldTable = [
  { name: 'n', value: { type: 'u', value: 7 } },
  { name: 'l', value: { type: 'A', value: [textField('a'), { type: 'V' }] } },
]

const persistent = new BlockWriter()
  .text(Property.CONTENT_TYPE, utf8Encode('a/b'))
  .headers([], typed)
  .octet(Property.DELIVERY_MODE, 2)
  .finish()

const scanOf = (block: Uint8Array | undefined): PropertyScan => {
  const scan = new PropertyScan()
  scan.scan(block ?? new Uint8Array(2))
  return scan
}

it('keeps what it confirmed, types and all, across a restart', async () => {
  await ask('queue.declare', { queue: 'q', durable: true })
  await ask('confirm.select')
  for (let count = 0; count < 100; count++) {
    peer.publish(1, { routingKey: 'q' }, { properties: persistent, body: `m${count}` })
  }
  let confirmed = 0
  while (confirmed < 100) {
    const [ack] = await takeUntil(peer, 1)
    expect(ack?.name).toBe('basic.ack')
    confirmed = Number(ack?.fields['deliveryTag'])
  }
  peer.close()
  await world.restart()
  await connect()
  expect((await ask('queue.declare', { queue: 'q', passive: true })).fields).toMatchObject({
    messageCount: 100,
  })
  peer.send(1, 'basic.consume', { queue: 'q', consumerTag: 't' })
  const [, ...deliveries] = await takeUntil(peer, 101)
  expect(deliveries.map(({ body }) => String(body))).toEqual(
    Array.from({ length: 100 }, (_, index) => `m${index}`),
  )
  for (const { properties } of deliveries) expect(properties).toEqual(persistent)
  peer.send(1, 'basic.ack', { deliveryTag: 0, multiple: true })
  expect((await ask('queue.delete', { queue: 'q' })).fields).toEqual({ messageCount: 0 })
})

it('finds what it has just published', async () => {
  await ask('queue.declare', { queue: 'q', durable: true })
  for (const body of ['a', 'b']) {
    peer.publish(1, { routingKey: 'q' }, { properties: persistent, body })
    expect(String((await ask('basic.get', { queue: 'q', noAck: true })).body)).toBe(body)
  }
})

it('routes by headers and their types, before and after a restart', async () => {
  const bind = () =>
    ask('queue.bind', {
      queue: 'q',
      exchange: 'amq.headers',
      arguments: [{ name: 'n', value: { type: 'u', value: 7 } }],
    })
  await ask('queue.declare', { queue: 'q', durable: true })
  await bind()
  await world.restart()
  await connect()
  peer.publish(1, { exchange: 'amq.headers' }, { properties: persistent, body: 'x' })
  expect(String((await ask('basic.get', { queue: 'q' })).body)).toBe('x')
})

it('dead-letters with its history', async () => {
  await ask('queue.declare', { queue: 'dead', durable: true })
  const args: FieldTable = [
    { name: 'x-dead-letter-exchange', value: textField('') },
    { name: 'x-dead-letter-routing-key', value: textField('dead') },
  ]
  await ask('queue.declare', { queue: 'q', durable: true, arguments: args })
  peer.publish(1, { routingKey: 'q' }, { properties: persistent, body: 'x' })
  const { fields } = await ask('basic.get', { queue: 'q' })
  peer.send(1, 'basic.reject', { deliveryTag: fields['deliveryTag'] as number, requeue: false })
  let dead = await ask('basic.get', { queue: 'dead' })
  while (dead.name === 'basic.get-empty') dead = await ask('basic.get', { queue: 'dead' })
  const headers = headersOf(scanOf(dead.properties))
  expect(findField(headers, 'x-first-death-reason')).toEqual(textField('rejected'))
  expect(headers.slice(0, 2)).toEqual(typed)
})

describe('a stream', () => {
  const consume = async (offset: FieldTable, prefetchCount = 10): Promise<void> => {
    await ask('basic.qos', { prefetchCount })
    const answer = await ask('basic.consume', { queue: 's', consumerTag: 's', arguments: offset })
    expect(answer.name).toBe('basic.consume-ok')
  }

  const from = (value: FieldTable[number]['value']): FieldTable => [
    { name: 'x-stream-offset', value },
  ]

  beforeEach(async () => {
    const args: FieldTable = [{ name: 'x-queue-type', value: textField('stream') }]
    await ask('queue.declare', { queue: 's', durable: true, arguments: args })
    await ask('confirm.select')
    for (const body of ['a', 'b', 'c']) {
      peer.publish(1, { routingKey: 's' }, { properties: persistent, body })
    }
    let confirmed = 0
    while (confirmed < 3) confirmed = Number((await takeUntil(peer, 1))[0]?.fields['deliveryTag'])
  })

  it('is read from its beginning, with types and offsets, as often as one likes', async () => {
    await consume(from(textField('first')))
    const seen = await takeUntil(peer, 3)
    expect(seen.map(({ body }) => String(body))).toEqual(['a', 'b', 'c'])
    const headers = headersOf(scanOf(seen[1]?.properties))
    expect(headers).toEqual([
      ...typed,
      { name: 'x-stream-offset', value: { type: 'l', value: 1n } },
    ])
    await ask('basic.cancel', { consumerTag: 's' })
    await consume(from({ type: 'l', value: 2n }))
    expect((await takeUntil(peer, 1)).map(({ body }) => String(body))).toEqual(['c'])
  })

  it.each([
    ['last', ['c', 'd']],
    ['next', ['d']],
  ])('is read from %s on', async (offset, bodies) => {
    await consume(from(textField(offset)))
    peer.publish(1, { routingKey: 's' }, { properties: persistent, body: 'd' })
    const seen: string[] = []
    while (seen.length < bodies.length) {
      for (const { name, body } of await takeUntil(peer, 1)) {
        if (name === 'basic.deliver') seen.push(String(body))
      }
    }
    expect(seen).toEqual(bodies)
  })

  it('gives no more than was asked for, and more for each that is acknowledged', async () => {
    await consume(from(textField('first')), 1)
    for (const [index, body] of ['a', 'b', 'c'].entries()) {
      const seen = await takeUntil(peer, 1)
      expect(seen.map((one) => String(one.body))).toEqual([body])
      peer.send(1, 'basic.ack', { deliveryTag: index + 1 })
    }
  })

  it('shows records that came by other protocols', async () => {
    const caller = { principal: { name: 'x', isAnonymous: true }, namespace: '/' }
    const handle = await world.broker.openTopic(caller, 's', { create: false })
    const session = world.broker.openSession({
      ...caller,
      inFlightCountMax: 10,
      inFlightBytesMax: 1 << 20,
      onCompletions: () => undefined,
      onWritable: () => undefined,
    })
    const builder = new RecordBatchBuilder()
    builder.append({
      key: null,
      value: utf8Encode('native'),
      headers: [
        { key: 'mr-content-type', value: utf8Encode('c/d') },
        { key: 'mine', value: utf8Encode('yes') },
      ],
      timestamp: 1,
    })
    const bytes = builder.build()
    session.append({ sequence: 0, handle, partition: 0, bytes, isOwned: true, durability: 'topic' })
    await consume(from({ type: 'l', value: 3n }))
    const [seen] = await takeUntil(peer, 1)
    expect(seen?.fields).toMatchObject({ exchange: '', routingKey: 's' })
    expect(String(seen?.body)).toBe('native')
    const scan = scanOf(seen?.properties)
    expect(scan.text(Property.CONTENT_TYPE)).toBe('c/d')
    expect(findField(headersOf(scan), 'mine')).toEqual(textField('yes'))
  })

  it.each([
    ['basic.get', { queue: 's' }],
    ['basic.consume', { queue: 's', noAck: true }],
  ] as const)('has no %s', async (name, fields) => {
    expect((await ask(name, fields)).fields['replyCode']).toBe(540)
  })

  it('takes no offset that is none, and no reader without a limit', async () => {
    await ask('basic.qos', { prefetchCount: 1 })
    const bad = { queue: 's', arguments: from(textField('soon')) }
    expect((await ask('basic.consume', bad)).fields['replyCode']).toBe(406)
  })

  it('is not returned to', async () => {
    await consume(from(textField('first')))
    await takeUntil(peer, 3)
    expect((await ask('basic.nack', { deliveryTag: 1 })).fields['replyCode']).toBe(540)
  })
})
