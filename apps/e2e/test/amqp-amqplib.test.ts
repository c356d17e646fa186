/** amqplib as its users use it, against both brokers. */
import { connect, type Channel, type ChannelModel, type ConfirmChannel } from 'amqplib'
import { closingOf, consume, drain, take, textOf } from './support/amqp/amqplib.ts'
import { type AmqpBroker, amqpBrokers, unique } from './support/amqp/brokers.ts'
import { eventually } from './support/eventually.ts'

const send = async (
  channel: ConfirmChannel,
  queue: string,
  ...texts: readonly string[]
): Promise<void> => {
  for (const text of texts) channel.sendToQueue(queue, Buffer.from(text), { persistent: true })
  await channel.waitForConfirms()
}

describe.each(amqpBrokers)('amqplib and $name', ({ launch }) => {
  let broker: AmqpBroker
  let connection: ChannelModel
  let channel: ConfirmChannel

  beforeAll(async () => {
    broker = await launch()
    connection = await connect(broker.url)
  })

  afterAll(async () => {
    await connection?.close()
    await broker?.release()
  })

  beforeEach(async () => {
    channel = await connection.createConfirmChannel()
  })

  afterEach(async () => {
    await channel.close().catch(() => undefined)
  })

  const aQueue = async (args: Record<string, unknown> = {}, of: Channel = channel) =>
    (await of.assertQueue(unique('queue'), { arguments: args, autoDelete: false })).queue

  describe('publishing', () => {
    it('round-trips every property and every type of header', async () => {
      const queue = await aQueue()
      const properties = {
        contentType: 'text/plain',
        contentEncoding: 'identity',
        deliveryMode: 2,
        priority: 3,
        correlationId: 'correlation',
        replyTo: 'somewhere',
        expiration: '60000',
        messageId: 'message',
        timestamp: 1_700_000_000,
        type: 'greeting',
        userId: 'guest',
        appId: 'e2e',
      }
      const headers = {
        text: 'Grüße',
        yes: true,
        no: false,
        small: 7,
        large: 2 ** 40,
        negative: -3,
        half: 0.5,
        nothing: null,
        bytes: Buffer.from('bytes'),
        list: [1, 'two', [3], { four: 4 }],
        table: { inner: { most: 'value' } },
        date: { '!': 'timestamp', value: 1_700_000_000 },
      }
      channel.sendToQueue(queue, Buffer.from('hello'), { ...properties, headers })
      await channel.waitForConfirms()
      const message = await take(channel, queue, { noAck: true })
      expect(message.properties).toMatchObject(properties)
      expect(message.properties.headers).toEqual(headers)
      expect(textOf(message)).toBe('hello')
    })

    it.each([0, 1, 4_087, 4_088, 131_064, 131_065, 1_000_000])(
      'carries a body of %i bytes',
      async (length) => {
        const queue = await aQueue()
        const body = Buffer.alloc(length, 'abcdefg')
        channel.sendToQueue(queue, body)
        const message = await take(channel, queue, { noAck: true })
        expect(message.content.equals(body)).toBe(true)
      },
    )

    it('confirms each of many, in order', async () => {
      const queue = await aQueue()
      const confirmed: number[] = []
      for (let index = 0; index < 2_000; index++) {
        channel.sendToQueue(queue, Buffer.from(String(index)), {}, (error) => {
          if (error === null) confirmed.push(index)
        })
      }
      await channel.waitForConfirms()
      expect(confirmed).toEqual(Array.from({ length: 2_000 }, (_, index) => index))
      expect((await channel.checkQueue(queue)).messageCount).toBe(2_000)
    })

    it('returns what is mandatory and cannot be routed, before its confirm', async () => {
      const order: string[] = []
      channel.on('return', (message) => {
        const { replyCode, replyText } = message.fields as unknown as Record<string, unknown>
        order.push(`${String(replyCode)} ${String(replyText)} ${textOf(message)}`)
      })
      channel.publish('amq.direct', 'nowhere', Buffer.from('lost'), { mandatory: true }, () =>
        order.push('confirmed'),
      )
      await channel.waitForConfirms()
      expect(order).toEqual(['312 NO_ROUTE lost', 'confirmed'])
    })

    it('refuses what a full queue is told to reject, with a nack', async () => {
      const queue = await aQueue({ 'x-max-length': 1, 'x-overflow': 'reject-publish' })
      await send(channel, queue, 'first')
      await expect(send(channel, queue, 'second')).rejects.toThrow('message nacked')
      expect(await drain(channel, queue)).toEqual(['first'])
    })

    it('copies to the keys of CC and BCC, and hides BCC', async () => {
      const [queue, copy, hidden] = [await aQueue(), await aQueue(), await aQueue()]
      channel.sendToQueue(queue, Buffer.from('x'), { CC: copy, BCC: hidden })
      await channel.waitForConfirms()
      for (const one of [queue, copy, hidden]) {
        const { properties } = await take(channel, one, { noAck: true })
        expect(properties.headers).toEqual({ CC: [copy] })
      }
    })
  })

  describe('consuming', () => {
    it('gets with counts, and says when there is none', async () => {
      const queue = await aQueue()
      await send(channel, queue, 'one', 'two')
      const first = await take(channel, queue)
      expect(first.fields).toMatchObject({ deliveryTag: 1, redelivered: false, messageCount: 1 })
      channel.ack(first)
      channel.ack(await take(channel, queue))
      expect(await channel.get(queue)).toBe(false)
    })

    it('gives back to its place what was not settled, and says so', async () => {
      const queue = await aQueue()
      await send(channel, queue, 'one', 'two', 'three')
      const other = await connection.createChannel()
      await take(other, queue)
      await take(other, queue)
      await other.close()
      const inbox = await consume(channel, queue)
      expect(await inbox.has(3)).toEqual(['one', 'two', 'three'])
      expect(inbox.messages.map(({ fields }) => fields.redelivered)).toEqual([true, true, false])
    })

    it('settles one, up to one, and all', async () => {
      const queue = await aQueue()
      await send(channel, queue, ...'abcdefgh')
      const worker = await connection.createChannel()
      const inbox = await consume(worker, queue)
      await inbox.has(8)
      const [a, , c, , e, f] = inbox.messages
      worker.ack(a as never)
      worker.ack(c as never, true)
      worker.reject(e as never, false)
      worker.nack(f as never, false, true)
      await inbox.has(9)
      expect(inbox.texts()[8]).toBe('f')
      worker.nackAll(false)
      await worker.close()
      expect((await channel.checkQueue(queue)).messageCount).toBe(0)
    })

    it('delivers no more than the prefetch of a consumer', async () => {
      const queue = await aQueue()
      await send(channel, queue, ...'abcdef')
      const worker = await connection.createChannel()
      await worker.prefetch(2)
      const [one, two] = [await consume(worker, queue), await consume(worker, queue)]
      await Promise.all([one.has(2), two.has(2)])
      expect((await channel.checkQueue(queue)).messageCount).toBe(2)
      worker.ack(one.messages[0] as never)
      await one.has(3)
      expect(two.texts()).toHaveLength(2)
      await worker.close()
    })

    it('delivers no more than the prefetch of a channel', async () => {
      const queue = await aQueue()
      await send(channel, queue, ...'abcdef')
      const worker = await connection.createChannel()
      await worker.prefetch(3, true)
      const [one, two] = [await consume(worker, queue), await consume(worker, queue)]
      const both = (): number => one.messages.length + two.messages.length
      await eventually('three are under way', () => both() === 3)
      await worker.recover()
      await eventually('they came again', () => both() === 6)
      worker.ackAll()
      await eventually('the rest', () => both() === 9)
      await worker.close()
    })

    it('serves consumers in turn, and those of higher priority first', async () => {
      const queue = await aQueue()
      const [low, high] = [await connection.createChannel(), await connection.createChannel()]
      await low.prefetch(10)
      await high.prefetch(2)
      const lows = await consume(low, queue)
      const highs = await consume(high, queue, { priority: 5 })
      await send(channel, queue, ...'abcd')
      await Promise.all([lows.has(2), highs.has(2)])
      expect(highs.texts()).toEqual(['a', 'b'])
      expect(lows.texts()).toEqual(['c', 'd'])
      await low.close()
      await high.close()
    })

    it('hears that its queue went', async () => {
      const queue = await aQueue()
      const inbox = await consume(channel, queue)
      await channel.deleteQueue(queue)
      await eventually('it is cancelled', inbox.wasCancelled)
    })

    it('stops when it cancels, and keeps what it has', async () => {
      const queue = await aQueue()
      const inbox = await consume(channel, queue)
      await send(channel, queue, 'before')
      await inbox.has(1)
      expect(await channel.cancel(inbox.consumerTag)).toEqual({ consumerTag: inbox.consumerTag })
      await send(channel, queue, 'after')
      expect(await channel.checkQueue(queue)).toMatchObject({ messageCount: 1, consumerCount: 0 })
      channel.ack(inbox.messages[0] as never)
      expect(await drain(channel, queue)).toEqual(['after'])
    })

    it('hands a queue to one active consumer at a time', async () => {
      const queue = await aQueue({ 'x-single-active-consumer': true })
      const first = await connection.createChannel()
      const active = await consume(first, queue, { noAck: true })
      const waiting = await consume(channel, queue, { noAck: true })
      await send(channel, queue, 'one', 'two')
      await active.has(2)
      await first.close()
      await send(channel, queue, 'three')
      expect(await waiting.has(1)).toEqual(['three'])
    })

    it('answers a request by direct reply-to', async () => {
      const queue = await aQueue()
      const server = await connection.createChannel()
      await server.consume(queue, (request) => {
        if (request === null) return
        const { replyTo, correlationId } = request.properties as unknown as Record<string, string>
        server.sendToQueue(replyTo as string, Buffer.from(textOf(request).toUpperCase()), {
          correlationId: correlationId as string,
        })
        server.ack(request)
      })
      const answers = await consume(channel, 'amq.rabbitmq.reply-to', { noAck: true })
      for (const text of ['one', 'two']) {
        const options = { replyTo: 'amq.rabbitmq.reply-to', correlationId: text }
        channel.sendToQueue(queue, Buffer.from(text), options)
      }
      expect(await answers.has(2)).toEqual(['ONE', 'TWO'])
      expect(answers.messages.map(({ properties }) => properties.correlationId as string)).toEqual([
        'one',
        'two',
      ])
      await server.close()
    })
  })

  describe('queues with a will of their own', () => {
    const deadLetters = async () => {
      const graveyard = await aQueue()
      const exchange = unique('dead')
      await channel.assertExchange(exchange, 'fanout', { autoDelete: true })
      await channel.bindQueue(graveyard, exchange, '')
      return { graveyard, exchange }
    }

    it('dead-letters what is rejected, with its history', async () => {
      const { graveyard, exchange } = await deadLetters()
      const queue = await aQueue({ 'x-dead-letter-exchange': exchange })
      await send(channel, queue, 'bad')
      channel.reject(await take(channel, queue), false)
      const dead = await take(channel, graveyard, { noAck: true })
      expect(dead.fields).toMatchObject({ exchange, routingKey: queue, redelivered: false })
      expect(dead.properties.headers).toMatchObject({
        'x-first-death-exchange': '',
        'x-first-death-queue': queue,
        'x-first-death-reason': 'rejected',
        'x-death': [{ queue, reason: 'rejected', count: 1, exchange: '', 'routing-keys': [queue] }],
      })
    })

    it('counts the deaths of a message that goes round and round', async () => {
      const [queue, parking] = [unique('queue'), unique('parking')]
      await channel.assertQueue(queue, { deadLetterExchange: '', deadLetterRoutingKey: parking })
      await channel.assertQueue(parking, {
        messageTtl: 10,
        deadLetterExchange: '',
        deadLetterRoutingKey: queue,
      })
      await send(channel, queue, 'again')
      for (let round = 1; round <= 3; round++) channel.reject(await take(channel, queue), false)
      const { properties } = await take(channel, queue, { noAck: true })
      expect(properties.headers).toMatchObject({
        'x-first-death-reason': 'rejected',
        'x-death': [
          { queue: parking, reason: 'expired', count: 3, 'routing-keys': [parking] },
          { queue, reason: 'rejected', count: 3, 'routing-keys': [queue] },
        ],
      })
    })

    it('lets messages die of their own age and of the queue’s, at the head', async () => {
      const { graveyard, exchange } = await deadLetters()
      const queue = await aQueue({ 'x-message-ttl': 60_000, 'x-dead-letter-exchange': exchange })
      channel.sendToQueue(queue, Buffer.from('brief'), { expiration: 10 })
      channel.sendToQueue(queue, Buffer.from('long'))
      const dead = await take(channel, graveyard, { noAck: true })
      expect(textOf(dead)).toBe('brief')
      expect(dead.properties.expiration).toBeUndefined()
      expect(dead.properties.headers?.['x-death']).toMatchObject([
        { reason: 'expired', 'original-expiration': '10' },
      ])
      expect(await drain(channel, queue)).toEqual(['long'])
    })

    it('drops the oldest when it is full', async () => {
      const { graveyard, exchange } = await deadLetters()
      const queue = await aQueue({ 'x-max-length': 2, 'x-dead-letter-exchange': exchange })
      await send(channel, queue, 'one', 'two', 'three')
      expect(textOf(await take(channel, graveyard, { noAck: true }))).toBe('one')
      expect(await drain(channel, queue)).toEqual(['two', 'three'])
    })

    it('serves higher priorities first, each in order', async () => {
      const queue = await aQueue({ 'x-max-priority': 5 })
      for (const [text, priority] of [
        ['a', 1],
        ['b', 5],
        ['c', 0],
        ['d', 9],
        ['e', 1],
      ] as const) {
        channel.sendToQueue(queue, Buffer.from(text), { priority })
      }
      await channel.waitForConfirms()
      expect(await drain(channel, queue)).toEqual(['b', 'd', 'a', 'e', 'c'])
    })

    it('goes when its last consumer goes, when nobody uses it, and with its connection', async () => {
      const other = await connect(broker.url)
      const its = await other.createChannel()
      const { queue: leaving } = await its.assertQueue(unique('leaving'), { autoDelete: true })
      const { queue: unused } = await its.assertQueue(unique('unused'), { expires: 50 })
      const { queue: own } = await its.assertQueue('', { exclusive: true })
      expect(own).toMatch(/^amq\.gen-/)
      const { consumerTag } = await consume(its, leaving)
      await its.cancel(consumerTag)
      const foreign = await connection.createChannel()
      expect(await closingOf(foreign, (one) => one.checkQueue(own))).toEqual({
        code: 405,
        classId: 50,
        methodId: 10,
      })
      await other.close()
      for (const queue of [leaving, unused, own]) {
        await eventually(`${queue} is gone`, async () => {
          const asking = await connection.createChannel()
          const { code } = await closingOf(asking, (one) =>
            // What is still there makes another error, so that there is one either way.
            one.checkQueue(queue).then(() => one.checkExchange('not there')),
          )
          return code === 404
        })
      }
    })

    it('is emptied by purge and counted by delete', async () => {
      const queue = await aQueue()
      await send(channel, queue, 'one', 'two')
      expect(await channel.purgeQueue(queue)).toEqual({ messageCount: 2 })
      await send(channel, queue, 'three')
      expect(await channel.deleteQueue(queue)).toEqual({ messageCount: 1 })
      expect(await channel.deleteQueue(queue)).toEqual({ messageCount: 0 })
    })
  })

  describe('exchanges', () => {
    const anExchange = async (type: string, options = {}): Promise<string> => {
      const { exchange } = await channel.assertExchange(unique(type), type, {
        durable: false,
        ...options,
      })
      return exchange
    }

    it('routes by pattern, once to each queue', async () => {
      const [exchange, queue] = [await anExchange('topic'), await aQueue()]
      for (const pattern of ['order.*.created', 'order.#', '#.eu']) {
        await channel.bindQueue(queue, exchange, pattern)
      }
      const keys = [
        'order.1.created',
        'order',
        'invoice.eu',
        'invoice.us',
        'order.1.created.eu',
        '',
      ]
      for (const key of keys) channel.publish(exchange, key, Buffer.from(key))
      await channel.waitForConfirms()
      expect(await drain(channel, queue)).toEqual([
        'order.1.created',
        'order',
        'invoice.eu',
        'order.1.created.eu',
      ])
    })

    it('matches headers, all or any', async () => {
      const exchange = await anExchange('headers')
      const [all, any] = [await aQueue(), await aQueue()]
      await channel.bindQueue(all, exchange, '', { 'x-match': 'all', kind: 'a', size: 1 })
      await channel.bindQueue(any, exchange, '', { 'x-match': 'any', kind: 'a', size: 1 })
      const publish = (text: string, headers: object): void =>
        void channel.publish(exchange, '', Buffer.from(text), { headers })
      publish('both', { kind: 'a', size: 1, more: true })
      publish('kind', { kind: 'a' })
      publish('size', { size: 1 })
      publish('none', { kind: 'b', size: '1' })
      await channel.waitForConfirms()
      expect(await drain(channel, all)).toEqual(['both'])
      expect(await drain(channel, any)).toEqual(['both', 'kind', 'size'])
    })

    it('leads from one to another, and to an alternate when there is no way', async () => {
      const alternate = await anExchange('fanout')
      const source = await anExchange('topic', { alternateExchange: alternate })
      const destination = await anExchange('fanout')
      const [queue, unrouted] = [await aQueue(), await aQueue()]
      await channel.bindExchange(destination, source, 'a.#')
      await channel.bindQueue(queue, destination, '')
      await channel.bindQueue(unrouted, alternate, '')
      channel.publish(source, 'a.b', Buffer.from('through'))
      channel.publish(source, 'b', Buffer.from('aside'), { mandatory: true })
      await channel.waitForConfirms()
      expect(await drain(channel, queue)).toEqual(['through'])
      expect(await drain(channel, unrouted)).toEqual(['aside'])
      await channel.unbindExchange(destination, source, 'a.#')
      channel.publish(source, 'a.b', Buffer.from('aside again'))
      await channel.waitForConfirms()
      expect(await drain(channel, unrouted)).toEqual(['aside again'])
    })

    it('shares by hash of the key, the same key to the same queue', async () => {
      const exchange = await anExchange('x-consistent-hash')
      const queues = [await aQueue(), await aQueue()]
      for (const queue of queues) await channel.bindQueue(queue, exchange, '10')
      for (let index = 0; index < 400; index++) {
        channel.publish(exchange, `key ${index % 100}`, Buffer.from(`key ${index % 100}`))
      }
      await channel.waitForConfirms()
      const [left, right] = [
        await drain(channel, queues[0] as string),
        await drain(channel, queues[1] as string),
      ]
      expect(left.length + right.length).toBe(400)
      expect(left.filter((key) => right.includes(key))).toEqual([])
      expect(Math.min(left.length, right.length)).toBeGreaterThan(40)
    })
  })

  describe('what is refused', () => {
    it.each([
      ['a queue that is not there', 404, 50, 10, (c: Channel) => c.checkQueue('nowhere')],
      ['an exchange that is not there', 404, 40, 10, (c: Channel) => c.checkExchange('nowhere')],
      ['a consumer of nothing', 404, 60, 20, (c: Channel) => c.consume('nowhere', () => undefined)],
      ['a get of nothing', 404, 60, 70, (c: Channel) => c.get('nowhere')],
      ['a purge of nothing', 404, 50, 30, (c: Channel) => c.purgeQueue('nowhere')],
      [
        'a binding to nothing',
        404,
        50,
        20,
        (c: Channel) => c.bindQueue('nowhere', 'amq.topic', ''),
      ],
      [
        'a publication to nothing',
        404,
        60,
        40,
        (c: Channel) => c.publish('nowhere', '', Buffer.alloc(1)),
      ],
      ['a reserved name', 403, 50, 10, (c: Channel) => c.assertQueue('amq.mine')],
      ['a reserved exchange', 403, 40, 10, (c: Channel) => c.assertExchange('amq.x', 'fanout')],
      ['another type', 406, 40, 10, (c: Channel) => c.assertExchange('amq.topic', 'fanout')],
      [
        'the default exchange, bound',
        403,
        50,
        20,
        (c: Channel) => c.assertQueue('refused').then(() => c.bindQueue('refused', '', 'x')),
      ],
      [
        'a tag that was not delivered',
        406,
        60,
        80,
        (c: Channel) => c.ack({ fields: { deliveryTag: 99 } } as never),
      ],
      [
        'a foreign user id',
        406,
        60,
        40,
        (c: Channel) => c.publish('amq.topic', '', Buffer.alloc(1), { userId: 'somebody' }),
      ],
    ])('%s', async (_name, code, classId, methodId, work) => {
      const victim = await connection.createChannel()
      expect(await closingOf(victim, work)).toEqual({ code, classId, methodId })
      await channel.checkExchange('amq.topic')
    })

    it('a declaration that differs, and names what', async () => {
      const queue = await aQueue({ 'x-max-length': 5 })
      const victim = await connection.createChannel()
      victim.on('error', () => undefined)
      await expect(victim.assertQueue(queue, { arguments: { 'x-max-length': 6 } })).rejects.toThrow(
        /PRECONDITION_FAILED - inequivalent arg 'x-max-length'/,
      )
    })

    it('a wrong password', async () => {
      const url = broker.url.replace('guest:guest', 'guest:wrong')
      await expect(connect(url)).rejects.toThrow(/403|ACCESS[_-]REFUSED/i)
    })

    it('a virtual host that is not there', async () => {
      await expect(connect(`${broker.url}/nowhere`)).rejects.toThrow('ConnectionClose')
    })
  })

  it('renews its secret', async () => {
    await connection.updateSecret(Buffer.from('guest'), 'it was time')
    await channel.checkExchange('amq.topic')
  })

  it('says what it is, and what it can', () => {
    expect(connection.connection.serverProperties).toMatchObject({
      product: 'RabbitMQ',
      version: expect.stringMatching(/^3\.\d+\.\d+$/) as string,
      capabilities: {
        publisher_confirms: true,
        exchange_exchange_bindings: true,
        'basic.nack': true,
        consumer_cancel_notify: true,
        'connection.blocked': true,
        consumer_priorities: true,
        authentication_failure_close: true,
        per_consumer_qos: true,
        direct_reply_to: true,
      },
    })
  })
})
