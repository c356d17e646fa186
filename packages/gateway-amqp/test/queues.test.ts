/** Queues and exchanges: declared, bound, emptied, deleted, and what is told when it cannot be. */
import { utf8Encode } from '@millrace/codec'
import type { FieldTable, FieldValue } from '../src/codec/field-table.ts'
import type { AmqpPeer, Seen } from './support/amqp-peer.ts'
import { type AmqpWorld, openAmqpWorld } from './support/amqp-world.ts'

let world: AmqpWorld
let peer: AmqpPeer

beforeEach(async () => {
  world = openAmqpWorld()
  peer = world.connect()
  await peer.open()
  await peer.openChannel()
})

type Plain = string | number | boolean | null | FieldValue

const fieldOf = (value: Plain): FieldValue => {
  if (value === null) return { type: 'V' }
  if (typeof value === 'object') return value
  if (typeof value === 'string') return { type: 'S', value: utf8Encode(value) }
  if (typeof value === 'boolean') return { type: 't', value }
  if (!Number.isInteger(value)) return { type: 'd', value }
  return Math.abs(value) > 0x7fff_ffff ? { type: 'l', value: BigInt(value) } : { type: 'I', value }
}

const tableOf = (values: Record<string, Plain>): FieldTable =>
  Object.entries(values).map(([name, value]) => ({ name, value: fieldOf(value) }))

interface Flags {
  readonly passive?: boolean
  readonly durable?: boolean
  readonly exclusive?: boolean
  readonly autoDelete?: boolean
  readonly nowait?: boolean
}

const declare = (queue: string, flags: Flags = {}, args: Record<string, Plain> = {}, channel = 1) =>
  peer.ask(channel, 'queue.declare', { queue, ...flags, arguments: tableOf(args) })

const problemOf = ({ name, fields }: Seen): string => `${name} ${String(fields['replyText'])}`

describe('queue.declare', () => {
  it('makes a queue and tells what is in it', async () => {
    expect(await declare('orders')).toMatchObject({
      name: 'queue.declare-ok',
      fields: { queue: 'orders', messageCount: 0, consumerCount: 0 },
    })
    peer.publish(1, { routingKey: 'orders' }, { body: 'x' })
    expect((await declare('orders', { passive: true })).fields).toMatchObject({ messageCount: 1 })
  })

  it('makes up a name, and remembers the last one', async () => {
    const { fields } = await declare('', { exclusive: true })
    const { queue } = fields as { queue: string }
    expect(queue).toMatch(/^amq\.gen-[\w-]{22}$/)
    const bound = await peer.ask(1, 'queue.bind', { exchange: 'amq.fanout' })
    expect(bound.name).toBe('queue.bind-ok')
    expect(world.messaging.bindings).toEqual([
      { exchange: 'amq.fanout', targetKind: 'queue', target: queue, routingKey: queue },
    ])
  })

  it('answers nothing when nothing is asked for', async () => {
    peer.send(1, 'queue.declare', { queue: 'quiet', nowait: true })
    expect(await peer.take()).toEqual([])
    expect(world.messaging.queues.has('quiet')).toBe(true)
  })

  it('takes line breaks out of names', async () => {
    expect((await declare('a\r\nb')).fields['queue']).toBe('ab')
  })

  it('maps every argument to a setting', async () => {
    await declare(
      'orders',
      { durable: true, autoDelete: true },
      {
        'x-expires': 5_000,
        'x-message-ttl': 1_000,
        'x-max-length': 10,
        'x-max-length-bytes': 100,
        'x-overflow': 'reject-publish-dlx',
        'x-dead-letter-exchange': 'dlx',
        'x-dead-letter-routing-key': 'dead',
        'x-max-priority': 10,
        'x-single-active-consumer': true,
        'x-delivery-limit': 3,
        'x-delayed-retry-type': 'failed',
        'x-delayed-retry-min': 1_000,
        'x-delayed-retry-max': 30_000,
        'x-consumer-timeout': 60_000,
        'x-queue-type': 'classic',
        'x-queue-mode': 'lazy',
        'x-queue-version': 2,
        'x-mine': 7,
      },
    )
    expect(world.messaging.queues.get('orders')?.settings).toMatchObject({
      isDurable: true,
      isAutoDelete: true,
      expiresMs: 5_000,
      messageTtlMs: 1_000,
      lengthMax: 10,
      bytesMax: 100,
      overflow: 'reject-dead-letter',
      deadLetterExchange: 'dlx',
      deadLetterKey: 'dead',
      priorityMax: 10,
      isSingleActiveConsumer: true,
      deliveryLimit: 3,
      redeliveryDelayOf: 'failed',
      redeliveryDelayMsMin: 1_000,
      redeliveryDelayMsMax: 30_000,
      deliveryTimeoutMs: 60_000,
      isStream: false,
      labels: {
        'x-queue-type': 'classic',
        'x-queue-mode': 'lazy',
        'x-queue-version': '2',
        'x-mine': 'I7',
      },
    })
  })

  it('makes a stream of a queue of that type', async () => {
    await declare('log', { durable: true }, { 'x-queue-type': 'stream', 'x-max-age': '7D' })
    expect(world.messaging.queues.get('log')?.settings).toMatchObject({
      isStream: true,
      retentionMs: 7 * 24 * 3_600_000,
    })
  })

  it.each<[Record<string, Plain>]>([
    [{ 'x-delayed-retry-type': 'disabled' }],
    [{ 'x-delayed-retry-type': 'disabled', 'x-delayed-retry-min': 5, 'x-delayed-retry-max': 9 }],
    [{ 'x-delayed-retry-min': 5 }],
  ])('delays no retries without a type that says which: %j', async (args) => {
    await declare('q', { durable: true }, args)
    const { redeliveryDelayMsMin, labels } = world.messaging.queues.get('q')!.settings
    expect([redeliveryDelayMsMin, labels]).toEqual([undefined, {}])
    expect((await declare('q', { durable: true })).name).toBe('queue.declare-ok')
  })

  it.each<[string, Plain, string]>([
    ['x-message-ttl', -1, '{value_negative,-1}'],
    ['x-message-ttl', 'a', '"expected integer, got longstr"'],
    ['x-message-ttl', 1.5, '"expected integer, got double"'],
    ['x-message-ttl', true, '"expected integer, got bool"'],
    ['x-message-ttl', null, '"expected integer, got void"'],
    ['x-message-ttl', 2 ** 40, '{value_too_large,1099511627776}'],
    ['x-expires', 0, '{value_zero,0}'],
    ['x-expires', -1, '{value_negative,-1}'],
    ['x-max-length', -1, '{value_negative,-1}'],
    ['x-max-length-bytes', 'a', '"expected integer, got longstr"'],
    ['x-overflow', { type: 'b', value: 1 }, '{unacceptable_type,byte}'],
    ['x-overflow', 'foo', 'invalid_overflow'],
    ['x-dead-letter-routing-key', 'k', 'routing_key_but_no_dlx_defined'],
    ['x-max-priority', 256, '{max_value_exceeded,256}'],
    ['x-single-active-consumer', 'a', '{unacceptable_type,longstr}'],
    ['x-queue-type', 'foo', '"unsupported queue type \'foo\'"'],
    ['x-queue-mode', 'foo', '"unsupported queue mode \'foo\'"'],
    ['x-queue-version', 3, '"unsupported queue version \'3\'"'],
    ['x-delivery-limit', 'a', '"expected integer, got longstr"'],
    ['x-delayed-retry-type', 'some', 'invalid_delayed_retry_type'],
    ['x-delayed-retry-type', true, '{unacceptable_type,bool}'],
    ['x-delayed-retry-type', 'all', 'delayed_retry_min_not_set'],
    ['x-delayed-retry-min', 0, '{value_zero,0}'],
    ['x-delayed-retry-max', '1s', '"expected integer, got longstr"'],
  ])('refuses %s of %j as RabbitMQ does', async (name, value, why) => {
    const answer = await declare('q', { durable: true }, { [name]: value })
    expect(problemOf(answer)).toBe(
      `channel.close PRECONDITION_FAILED - invalid arg '${name}' for queue 'q' in vhost '/': ${why}`,
    )
    expect(answer.fields).toMatchObject({ replyCode: 406, classId: 50, methodId: 10 })
  })

  it('has other words for a dead-letter exchange that is no name', async () => {
    const value: FieldValue = { type: 'b', value: 1 }
    expect(problemOf(await declare('q', {}, { 'x-dead-letter-exchange': value }))).toContain(
      "invalid type 'byte' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'",
    )
  })

  it.each<[Flags, Record<string, Plain>, string]>([
    [{}, { 'x-queue-type': 'quorum' }, "invalid property 'non-durable' for queue 'q'"],
    [
      { durable: true, exclusive: true },
      { 'x-queue-type': 'quorum' },
      "invalid property 'exclusive-owner' for queue 'q'",
    ],
    [
      { durable: true, autoDelete: true },
      { 'x-queue-type': 'stream' },
      "invalid property 'auto-delete' for queue 'q'",
    ],
    [
      { durable: true },
      { 'x-queue-type': 'quorum', 'x-max-priority': 5 },
      "invalid arg 'x-max-priority' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue",
    ],
    [
      { durable: true },
      { 'x-queue-type': 'stream', 'x-message-ttl': 5 },
      "invalid arg 'x-message-ttl' for queue 'q' in vhost '/' of queue type rabbit_stream_queue",
    ],
    [
      { durable: true },
      { 'x-queue-type': 'stream', 'x-delayed-retry-min': 5 },
      "invalid arg 'x-delayed-retry-min' for queue 'q' in vhost '/' of queue type rabbit_stream_queue",
    ],
    [
      { durable: true },
      { 'x-queue-type': 'stream', 'x-max-age': 'long' },
      "invalid arg 'x-max-age' for queue 'q' in vhost '/'",
    ],
  ])('keeps a type of queue to what it has: %j %j', async (flags, args, problem) => {
    expect(problemOf(await declare('q', flags, args))).toContain(problem)
  })

  it('refuses names that are reserved, unless the queue is there', async () => {
    expect(problemOf(await declare('amq.mine'))).toBe(
      "channel.close ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
    )
    await peer.openChannel(2)
    const { fields } = await declare('', {}, {}, 2)
    expect((await declare(fields['queue'] as string, {}, {}, 2)).name).toBe('queue.declare-ok')
  })

  describe('again', () => {
    beforeEach(() => declare('q', { durable: true }, { 'x-message-ttl': 1_000 }))

    it.each<[Flags, Record<string, Plain>]>([
      [{ durable: true }, { 'x-message-ttl': 1_000 }],
      [{ durable: true }, { 'x-message-ttl': { type: 'l', value: 1_000n } }],
      [{ durable: true }, { 'x-message-ttl': 1_000, 'x-queue-type': 'classic' }],
      [{ durable: true }, { 'x-message-ttl': 1_000, 'x-whatever': 5 }],
    ])('is answered when it is the same: %j %j', async (flags, args) => {
      expect((await declare('q', flags, args)).name).toBe('queue.declare-ok')
    })

    it.each<[Flags, Record<string, Plain>, string]>([
      [{}, { 'x-message-ttl': 1_000 }, "'durable': received 'false' but current is 'true'"],
      [
        { durable: true, autoDelete: true },
        { 'x-message-ttl': 1_000 },
        "'auto_delete': received 'true' but current is 'false'",
      ],
      [
        { durable: true },
        { 'x-message-ttl': 2_000 },
        "'x-message-ttl': received '2000' but current is '1000'",
      ],
      [
        { durable: true },
        {},
        "'x-message-ttl': received none but current is the value '1000' of type 'signedint'",
      ],
      [
        { durable: true },
        { 'x-message-ttl': 1_000, 'x-queue-type': 'quorum' },
        "'x-queue-type': received the value 'quorum' of type 'longstr' but current is none",
      ],
    ])('is refused when it is not: %j %j', async (flags, args, difference) => {
      const text = difference.replace(/^('[^']*'): /, "$1 for queue 'q' in vhost '/': ")
      expect(problemOf(await declare('q', flags, args))).toBe(
        `channel.close PRECONDITION_FAILED - inequivalent arg ${text}`,
      )
    })

    it.each<[Record<string, Plain>, string]>([
      [{}, "-type': received none but current is the value 'all' of type 'longstr'"],
      [
        { 'x-delayed-retry-type': 'failed', 'x-delayed-retry-min': 5 },
        "-type': received 'failed' but current is 'all'",
      ],
      [
        { 'x-delayed-retry-type': 'all', 'x-delayed-retry-min': 6 },
        "-min': received '6' but current is '5'",
      ],
      [
        { 'x-delayed-retry-type': 'all', 'x-delayed-retry-min': 5, 'x-delayed-retry-max': 9 },
        "-max': received the value '9' of type 'signedint' but current is none",
      ],
    ])('is refused when retries are delayed otherwise: %j', async (args, difference) => {
      await declare('r', {}, { 'x-delayed-retry-type': 'all', 'x-delayed-retry-min': 5 })
      expect(problemOf(await declare('r', {}, args))).toBe(
        "channel.close PRECONDITION_FAILED - inequivalent arg 'x-delayed-retry" +
          difference.replace("':", "' for queue 'r' in vhost '/':"),
      )
    })

    it('is refused when one is exclusive', async () => {
      const answer = await declare(
        'q',
        { durable: true, exclusive: true },
        { 'x-message-ttl': 1_000 },
      )
      expect(answer.fields['replyCode']).toBe(405)
    })
  })

  it('finds no queue that is not there', async () => {
    const answer = await declare('nope', { passive: true })
    expect(answer.fields).toMatchObject({
      replyCode: 404,
      replyText: "NOT_FOUND - no queue 'nope' in vhost '/'",
      classId: 50,
      methodId: 10,
    })
  })
})

describe('an exclusive queue', () => {
  const locked =
    "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '/'. It could " +
    'be originally declared on another connection or the exclusive property value does not match ' +
    'that of the original declaration.'

  it.each([
    ['queue.declare', { queue: 'mine', exclusive: true }],
    ['queue.declare', { queue: 'mine', passive: true }],
    ['queue.bind', { queue: 'mine', exchange: 'amq.fanout' }],
    ['queue.purge', { queue: 'mine' }],
    ['queue.delete', { queue: 'mine' }],
    ['basic.consume', { queue: 'mine' }],
    ['basic.get', { queue: 'mine' }],
  ] as const)('is locked for others: %s %j', async (name, fields) => {
    await declare('mine', { exclusive: true })
    const other = world.connect()
    await other.open()
    await other.openChannel()
    const answer = await other.askAs(1, name, fields)
    expect(answer).toMatchObject({
      name: 'channel.close',
      fields: { replyCode: 405, replyText: locked },
    })
  })

  it('goes with its connection', async () => {
    await declare('mine', { exclusive: true })
    peer.close()
    expect(world.messaging.queues.has('mine')).toBe(false)
  })
})

describe('purge and delete', () => {
  beforeEach(async () => {
    await declare('q')
    for (const body of ['a', 'b']) peer.publish(1, { routingKey: 'q' }, { body })
  })

  it('tell how many messages are gone', async () => {
    expect(await peer.ask(1, 'queue.purge', { queue: 'q' })).toMatchObject({
      name: 'queue.purge-ok',
      fields: { messageCount: 2 },
    })
    expect(await peer.ask(1, 'queue.delete', { queue: 'q' })).toMatchObject({
      name: 'queue.delete-ok',
      fields: { messageCount: 0 },
    })
  })

  it('take what is not there differently', async () => {
    const answer = await peer.ask(1, 'queue.delete', { queue: 'nope' })
    expect(answer.fields).toEqual({ messageCount: 0 })
    expect(problemOf(await peer.ask(1, 'queue.purge', { queue: 'nope' }))).toBe(
      "channel.close NOT_FOUND - no queue 'nope' in vhost '/'",
    )
  })

  it('spare a queue that is not empty, when asked to', async () => {
    const answer = await peer.ask(1, 'queue.delete', { queue: 'q', ifEmpty: true })
    expect(problemOf(answer)).toBe(
      "channel.close PRECONDITION_FAILED - queue 'q' in vhost '/' not empty",
    )
  })

  it('spare a queue that is used, when asked to', async () => {
    peer.send(1, 'basic.consume', { queue: 'q', consumerTag: 't' })
    await peer.take()
    const answer = await peer.ask(1, 'queue.delete', { queue: 'q', ifUnused: true })
    expect(problemOf(answer)).toBe(
      "channel.close PRECONDITION_FAILED - queue 'q' in vhost '/' in use",
    )
  })

  it.each(['queue.purge', 'queue.delete', 'basic.consume', 'basic.get', 'queue.bind'] as const)(
    '%s wants a name when none was declared before',
    async (name) => {
      await peer.openChannel(2)
      const fields = name === 'queue.bind' ? { exchange: 'amq.fanout' } : {}
      expect(problemOf(await peer.askAs(2, name, fields))).toBe(
        'channel.close NOT_FOUND - no previously declared queue',
      )
    },
  )

  it('answer nothing when nothing is asked for', async () => {
    peer.send(1, 'queue.purge', { queue: 'q', nowait: true })
    peer.send(1, 'queue.delete', { queue: 'q', nowait: true })
    expect(await peer.take()).toEqual([])
    expect(world.messaging.queues.size).toBe(0)
  })
})

describe('exchange.declare', () => {
  const declareExchange = (
    exchange: string,
    type: string,
    flags: object = {},
    args: Record<string, Plain> = {},
  ) => peer.ask(1, 'exchange.declare', { exchange, type, ...flags, arguments: tableOf(args) })

  it.each([
    ['direct', 'direct'],
    ['topic', 'topic'],
    ['fanout', 'fanout'],
    ['headers', 'headers'],
    ['x-consistent-hash', 'consistent-hash'],
    ['x-modulus-hash', 'modulus-hash'],
    ['x-random', 'random'],
  ])('makes one of type %s', async (name, type) => {
    const flags = { durable: true, internal: true, autoDelete: true }
    const args = { 'alternate-exchange': 'rest', 'x-mine': 'a' }
    expect((await declareExchange('e', name, flags, args)).name).toBe('exchange.declare-ok')
    expect(world.messaging.exchanges.get('e')?.settings).toMatchObject({
      type,
      isDurable: true,
      isInternal: true,
      isAutoDelete: true,
      alternateExchange: 'rest',
      labels: { 'x-mine': 'sa' },
    })
  })

  it.each(['foo', 'x-delayed', ''])('refuses the type %j', async (type) => {
    const answer = await declareExchange('e', type)
    expect(answer).toMatchObject({ name: 'channel.close', fields: { replyCode: 406 } })
    expect(problemOf(answer)).toContain(`invalid exchange type '${type}'`)
  })

  it.each([
    [
      'direct',
      { durable: true },
      {},
      "'type' for exchange 'e' in vhost '/': received 'direct' but",
    ],
    ['topic', {}, {}, "'durable' for exchange 'e' in vhost '/': received 'false' but"],
    [
      'topic',
      { durable: true, autoDelete: true },
      {},
      "'auto_delete' for exchange 'e' in vhost '/': received 'true' but current is 'false'",
    ],
    ['topic', { durable: true, internal: true }, {}, "'internal' for exchange 'e'"],
    [
      'topic',
      { durable: true },
      { 'alternate-exchange': 'x' },
      "'alternate-exchange' for exchange 'e' in vhost '/': received the value 'x' of type 'longstr'",
    ],
  ])('refuses what is not the same: %s %j %j', async (type, flags, args, difference) => {
    await declareExchange('e', 'topic', { durable: true })
    const answer = await declareExchange('e', type, flags, args as Record<string, Plain>)
    expect(problemOf(answer)).toContain(`PRECONDITION_FAILED - inequivalent arg ${difference}`)
  })

  it('takes the same again, and unknown arguments', async () => {
    await declareExchange('e', 'topic', { durable: true })
    const answer = await declareExchange('e', 'topic', { durable: true }, { 'x-a': 1 })
    expect(answer.name).toBe('exchange.declare-ok')
  })

  it('looks for one, whatever its type', async () => {
    const passive = { passive: true }
    expect((await declareExchange('amq.direct', 'topic', passive)).name).toBe('exchange.declare-ok')
    expect(problemOf(await declareExchange('nope', 'topic', passive))).toBe(
      "channel.close NOT_FOUND - no exchange 'nope' in vhost '/'",
    )
  })

  it('has the predeclared ones as they are', async () => {
    const same = await declareExchange('amq.direct', 'direct', { durable: true })
    expect(same.name).toBe('exchange.declare-ok')
    expect(problemOf(await declareExchange('amq.mine', 'direct'))).toBe(
      "channel.close ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
    )
  })

  it('refuses an alternate exchange that is no name', async () => {
    const answer = await declareExchange('e', 'topic', {}, { 'alternate-exchange': 5 })
    expect(problemOf(answer)).toContain(
      "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'e' in vhost '/'",
    )
  })

  it.each([
    ['exchange.declare', { exchange: '', type: 'direct' }],
    ['exchange.declare', { exchange: '', type: 'direct', passive: true }],
    ['exchange.delete', { exchange: '' }],
    ['exchange.bind', { source: '', destination: 'amq.fanout' }],
    ['exchange.bind', { source: 'amq.fanout', destination: '' }],
    ['queue.bind', { exchange: '', queue: 'q' }],
    ['queue.unbind', { exchange: '', queue: 'q' }],
  ] as const)('leaves the default exchange alone: %s %j', async (name, fields) => {
    expect(problemOf(await peer.askAs(1, name, fields))).toBe(
      'channel.close ACCESS_REFUSED - operation not permitted on the default exchange',
    )
  })

  it('deletes one, and what is not there', async () => {
    await declareExchange('e', 'topic')
    for (const exchange of ['e', 'nope']) {
      const answer = await peer.ask(1, 'exchange.delete', { exchange })
      expect(answer.name).toBe('exchange.delete-ok')
    }
    expect(world.messaging.exchanges.has('e')).toBe(false)
  })

  it('spares one that is used or predeclared', async () => {
    await declareExchange('e', 'fanout')
    await declare('q')
    await peer.ask(1, 'queue.bind', { queue: 'q', exchange: 'e' })
    const used = await peer.ask(1, 'exchange.delete', { exchange: 'e', ifUnused: true })
    expect(problemOf(used)).toContain("PRECONDITION_FAILED - exchange 'e' in vhost '/' in use")
    await peer.openChannel(2)
    const system = await peer.ask(2, 'exchange.delete', { exchange: 'amq.direct' })
    expect(problemOf(system)).toContain(
      "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed",
    )
  })
})

describe('bindings', () => {
  beforeEach(() => declare('q'))

  it('lead from exchanges to queues and exchanges, and are taken away again', async () => {
    await peer.ask(1, 'queue.bind', { queue: 'q', exchange: 'amq.topic', routingKey: 'a.*' })
    await peer.ask(1, 'exchange.bind', {
      source: 'amq.topic',
      destination: 'amq.fanout',
      routingKey: 'b.#',
    })
    expect(world.messaging.bindings).toEqual([
      { exchange: 'amq.topic', targetKind: 'queue', target: 'q', routingKey: 'a.*' },
      { exchange: 'amq.topic', targetKind: 'exchange', target: 'amq.fanout', routingKey: 'b.#' },
    ])
    const first = { queue: 'q', exchange: 'amq.topic', routingKey: 'a.*' }
    expect((await peer.ask(1, 'queue.unbind', first)).name).toBe('queue.unbind-ok')
    const second = { source: 'amq.topic', destination: 'amq.fanout', routingKey: 'b.#' }
    expect((await peer.ask(1, 'exchange.unbind', second)).name).toBe('exchange.unbind-ok')
    expect(world.messaging.bindings).toEqual([])
  })

  it('match headers of any type', async () => {
    await peer.ask(1, 'queue.bind', {
      queue: 'q',
      exchange: 'amq.headers',
      arguments: tableOf({ 'x-match': 'any', 'x-a': '1', n: 5, s: 'five', there: null }),
    })
    expect(world.messaging.bindings).toEqual([
      {
        exchange: 'amq.headers',
        targetKind: 'queue',
        target: 'q',
        routingKey: '',
        match: 'any',
        headers: { 'x-a': 's1', n: 'I5', s: 'sfive', there: null },
      },
    ])
  })

  it('are told apart by arguments that mean nothing', async () => {
    const exchange = 'amq.direct'
    await peer.ask(1, 'queue.bind', { queue: 'q', exchange, arguments: tableOf({ a: 'b' }) })
    expect(world.messaging.bindings[0]?.labels).toEqual({ a: 'sb' })
  })

  it.each<[Plain, string]>([
    ['foo', 'Invalid x-match field value <<"foo">>; expected all, any, all-with-x, or any-with-x'],
    [5, 'Invalid x-match field type signedint (value 5); expected longstr'],
  ])('refuse to match by %j', async (match, problem) => {
    const fields = { queue: 'q', exchange: 'amq.headers', arguments: tableOf({ 'x-match': match }) }
    expect(problemOf(await peer.ask(1, 'queue.bind', fields))).toContain(problem)
  })

  it.each([
    ['queue.bind', { queue: 'q', exchange: 'nope' }, "no exchange 'nope'"],
    ['queue.bind', { queue: 'nope', exchange: 'amq.fanout' }, "no queue 'nope'"],
    ['queue.bind', { queue: 'nope', exchange: 'nope2' }, "no exchange 'nope2'"],
    ['exchange.bind', { source: 'nope', destination: 'amq.fanout' }, "no exchange 'nope'"],
    ['exchange.bind', { source: 'amq.fanout', destination: 'nope' }, "no exchange 'nope'"],
  ] as const)('need both ends: %s %j', async (name, fields, problem) => {
    expect(problemOf(await peer.askAs(1, name, fields))).toBe(
      `channel.close NOT_FOUND - ${problem} in vhost '/'`,
    )
  })

  it.each([
    ['queue.unbind', { queue: 'q', exchange: 'nope' }],
    ['queue.unbind', { queue: 'nope', exchange: 'amq.fanout' }],
    ['exchange.unbind', { source: 'nope', destination: 'nope' }],
  ] as const)('that are not there are taken away without a word: %s %j', async (name, fields) => {
    expect((await peer.askAs(1, name, fields)).name).toBe(`${name}-ok`)
  })

  it('answer nothing when nothing is asked for', async () => {
    peer.send(1, 'queue.bind', { queue: 'q', exchange: 'amq.fanout', nowait: true })
    peer.send(1, 'exchange.declare', { exchange: 'e', type: 'topic', nowait: true })
    peer.send(1, 'exchange.bind', { source: 'e', destination: 'amq.fanout', nowait: true })
    peer.send(1, 'exchange.unbind', { source: 'e', destination: 'amq.fanout', nowait: true })
    peer.send(1, 'exchange.delete', { exchange: 'e', nowait: true })
    expect(await peer.take()).toEqual([])
    expect(world.messaging.bindings).toHaveLength(1)
  })
})

it('lets nobody change what he has no right to', async () => {
  world = openAmqpWorld({ services: { authorizer: { check: () => false } } })
  peer = world.connect()
  await peer.open()
  await peer.openChannel()
  await declare('q')
  expect(problemOf(await declare('q'))).toBe(
    "channel.close ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'guest'",
  )
})
