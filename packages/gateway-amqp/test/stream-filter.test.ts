/** What of a stream a consumer gets when it gives a filter. */
import { RecordBatchBuilder, utf8Encode } from '@millrace/codec'
import type { EngineSession, ReadResult, TopicHandle } from '@millrace/core'
import type { AmqpChannel } from '../src/amqp-channel.ts'
import { type FieldTable, type FieldValue, findField, textField } from '../src/codec/field-table.ts'
import type { MethodName } from '../src/codec/method-table.ts'
import { BlockWriter, headersOf } from '../src/codec/property-block.ts'
import { PropertyScan } from '../src/codec/property-scan.ts'
import { STREAM_CREDIT_BYTES } from '../src/limits.ts'
import { StreamConsumer } from '../src/stream-consumer.ts'
import { StreamFilter, streamFilterOf } from '../src/stream-filter.ts'
import type { AmqpPeer, Seen } from './support/amqp-peer.ts'
import { openRealWorld, type RealWorld, takeUntil } from './support/real-world.ts'

const typedBeside: FieldTable = [{ name: 'n', value: { type: 'u', value: 7 } }]

/** With a header that keeps its type, so that the record carries the block too. */
const tagged = (tag: string | undefined): Uint8Array => {
  const tags = tag === undefined ? [] : [{ name: 'x-stream-filter-value', value: textField(tag) }]
  return new BlockWriter().headers([], [...typedBeside, ...tags]).finish()
}

describe('a consumer of a stream with a filter', () => {
  let world: RealWorld
  let peer: AmqpPeer

  const ask = async (name: MethodName, fields: object = {}): Promise<Seen> => {
    peer.send(1, name, fields)
    const [answer] = await takeUntil(peer, 1)
    return answer as Seen
  }

  const publish = async (...tags: readonly (string | undefined)[]): Promise<void> => {
    for (const tag of tags)
      peer.publish(1, { routingKey: 's' }, { properties: tagged(tag), body: tag ?? 'none' })
    // What is asked for comes after what was published.
    await ask('queue.declare', { queue: 's', passive: true })
  }

  const consume = async (args: FieldTable, prefetchCount = 10): Promise<Seen> => {
    await ask('basic.qos', { prefetchCount })
    const start: FieldTable = [{ name: 'x-stream-offset', value: textField('first') }]
    return ask('basic.consume', { queue: 's', consumerTag: 's', arguments: [...start, ...args] })
  }

  const filter = (value: FieldValue): FieldTable => [{ name: 'x-stream-filter', value }]
  const unfiltered = (value: boolean): FieldTable => [
    { name: 'x-stream-match-unfiltered', value: { type: 't', value } },
  ]
  const bodies = async (count: number): Promise<string[]> =>
    (await takeUntil(peer, count)).map(({ body }) => String(body))

  beforeEach(async () => {
    world = await openRealWorld()
    peer = await world.connectOpen()
    const args: FieldTable = [{ name: 'x-queue-type', value: textField('stream') }]
    await ask('queue.declare', { queue: 's', durable: true, arguments: args })
  })

  afterEach(async () => {
    peer.close()
    await world.stop()
  })

  const tags = ['eu', 'us', undefined, 'eu', 'EU', '', 'us', 'eu']

  it.each<[string, FieldTable, string[]]>([
    ['one value', filter(textField('eu')), ['eu', 'eu', 'eu']],
    ['several', filter({ type: 'A', value: [textField('us'), textField('')] }), ['us', '', 'us']],
    ['a value or none', [...filter(textField('us')), ...unfiltered(true)], ['us', 'none', 'us']],
    ['no value at all', [...filter({ type: 'A', value: [] }), ...unfiltered(true)], ['none']],
    [
      'no filter, whatever is said of what has none',
      unfiltered(false),
      tags.map((tag) => tag ?? 'none'),
    ],
  ])('gets what has %s, and nothing else', async (_what, args, expected) => {
    await publish(...tags)
    await consume(args)
    expect(await bodies(expected.length)).toEqual(expected)
    // Whatever of the stream was still to come would come before it.
    const wanted = expected[0] === 'none' ? undefined : expected[0]
    peer.publish(1, { routingKey: 's' }, { properties: tagged(wanted), body: 'the end' })
    expect(await bodies(1)).toEqual(['the end'])
  })

  it('counts no credit and no delivery tag for the others, and keeps offsets', async () => {
    await publish('us', 'eu', 'us', 'us', 'eu', 'us', 'eu')
    await consume(filter(textField('eu')), 1)
    for (const [index, offset] of [1, 4, 6].entries()) {
      const [seen] = await takeUntil(peer, 1)
      expect(seen?.fields['deliveryTag']).toBe(index + 1)
      const scan = new PropertyScan()
      scan.scan(seen?.properties ?? new Uint8Array(2))
      const headers = headersOf(scan)
      expect(findField(headers, 'x-stream-offset')).toEqual({ type: 'l', value: BigInt(offset) })
      expect(headers.slice(0, 2)).toEqual([
        ...typedBeside,
        { name: 'x-stream-filter-value', value: textField('eu') },
      ])
      peer.send(1, 'basic.ack', { deliveryTag: index + 1 })
    }
  })

  it('gets past more than it has credit for', async () => {
    const body = 'x'.repeat(64 * 1_024)
    for (let count = 0; count < 40; count++)
      peer.publish(1, { routingKey: 's' }, { properties: tagged('us'), body })
    await publish('eu')
    await consume(filter(textField('eu')), 1)
    expect(await bodies(1)).toEqual(['eu'])
  })

  it('knows the header of records that came by other protocols', async () => {
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
    for (const value of ['us', 'eu', null]) {
      const tag = value === null ? null : utf8Encode(value)
      const headers = [{ key: 'x-stream-filter-value', value: tag }]
      builder.append({ key: null, value: utf8Encode(value ?? 'null'), headers, timestamp: 1 })
    }
    const bytes = builder.build()
    session.append({ sequence: 0, handle, partition: 0, bytes, isOwned: true, durability: 'topic' })
    await consume([...filter(textField('eu')), ...unfiltered(true)])
    expect(await bodies(2)).toEqual(['eu', 'null'])
  })

  it.each<[string, FieldTable]>([
    ['a number', filter({ type: 'I', value: 7 })],
    [
      'a list with a number',
      filter({ type: 'A', value: [textField('a'), { type: 'I', value: 7 }] }),
    ],
    ['a text that is no UTF-8', filter({ type: 'S', value: Uint8Array.of(0xff) })],
    [
      'a text instead of a boolean',
      [...filter(textField('a')), { name: 'x-stream-match-unfiltered', value: textField('true') }],
    ],
    ['a priority', [{ name: 'x-priority', value: { type: 'I', value: 1 } }]],
  ])('is refused with %s', async (_what, args) => {
    expect((await consume(args)).fields['replyCode']).toBe(406)
  })

  it.each(['classic', 'quorum'])('is there for no queue of type %s', async (type) => {
    const queueArguments: FieldTable = [{ name: 'x-queue-type', value: textField(type) }]
    await ask('queue.declare', { queue: 'q', durable: true, arguments: queueArguments })
    const answer = await ask('basic.consume', {
      queue: 'q',
      consumerTag: 'q',
      arguments: filter(textField('a')),
    })
    expect(answer.fields).toMatchObject({
      replyCode: 406,
      replyText: `PRECONDITION_FAILED - invalid arg 'x-stream-filter' for queue 'q' in vhost '/' of queue type rabbit_${type}_queue`,
    })
  })
})

describe('a filter through which nothing comes', () => {
  it('reads on in the next turn, and not in this one', () => {
    const deferred: (() => void)[] = []
    const credits: number[] = []
    const timers = { defer: (callback: () => void) => deferred.push(callback) }
    const channel = { session: { services: { environment: { timers } } } }
    const consumer = new StreamConsumer(channel as unknown as AmqpChannel, {
      tag: 's',
      handle: {} as TopicHandle,
      offset: 0,
      prefetchCount: 1,
      filter: new StreamFilter(['eu'], false),
    })
    const subscription = {
      addCredit: (bytes: number) => credits.push(bytes),
      cancel: () => undefined,
    }
    consumer.start({ subscribe: () => subscription } as unknown as EngineSession)
    const builder = new RecordBatchBuilder()
    builder.append({ key: null, value: utf8Encode('x'), headers: [], timestamp: 1 })
    const bytes = builder.build()
    const lease = { byteLength: STREAM_CREDIT_BYTES, parts: [bytes], release: () => undefined }
    consumer.deliver(0, { lease } as unknown as ReadResult)
    expect(credits).toEqual([])
    for (const callback of deferred) callback()
    expect(credits).toEqual([STREAM_CREDIT_BYTES])
  })
})

it('is no filter without its argument', () => {
  expect(streamFilterOf([])).toBeUndefined()
})
