/**
 * What no AMQP client sends, and what too many of them do: the broker says what is wrong where it is
 * wrong, its memory stays bounded, and a client beside them is unharmed.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type AmqpBroker, amqpBrokers, unique } from './support/amqp/brokers.ts'
import { passes } from './support/amqp/exceptions.ts'
import { HealthyAmqp } from './support/amqp/healthy-amqp.ts'
import { methods } from './support/amqp/methods.ts'
import { type Handshake, PROTOCOL_HEADER, RawClient } from './support/amqp/raw-client.ts'
import {
  encodeFrame,
  encodeHeader,
  encodeMessage,
  encodeMethod,
  type Fields,
  FrameType,
  typed,
} from './support/amqp/wire.ts'
import { byDepth, report } from './support/depth.ts'
import { eventually, within } from './support/eventually.ts'
import { residentMebibytes } from './support/process-figures.ts'

const GROWTH_MEBIBYTES_MAX = 250

describe.each(amqpBrokers)('bad input, and $name', ({ name: brokerName, launch }) => {
  let broker: AmqpBroker
  let healthy: HealthyAmqp
  const clients: RawClient[] = []

  beforeAll(async () => {
    broker = await launch()
    healthy = await HealthyAmqp.start(broker.url)
  })

  afterEach(async () => {
    await healthy.goOn()
    for (const client of clients.splice(0)) client.destroy()
  })

  afterAll(async () => {
    await healthy?.finish()
    expect(healthy?.problems).toEqual([])
    if (broker?.output !== undefined) expect(broker.output()).not.toMatch(/internal-error/i)
    await broker?.release()
  })

  const keep = (client: RawClient): RawClient => {
    clients.push(client)
    return client
  }
  const open = async (): Promise<RawClient> => keep(await RawClient.open(broker.port))
  const ready = async (handshake: Handshake = {}): Promise<RawClient> =>
    keep(await RawClient.ready(broker.port, handshake))

  /** Ends, or answers, and never hangs. */
  const comesToSomething = (client: RawClient): Promise<unknown> =>
    eventually('it is answered', () => client.isEnded || client.received.length > 0, 15_000)

  const everyMethod = methods.map(({ name }) => name)
  const contentOf = (name: string) =>
    methods.find((one) => one.name === name)?.hasContent ? { body: Buffer.from('x') } : undefined
  const bytesOf = (channel: number, name: string): Buffer =>
    encodeMessage(channel, name, { exchange: 'amq.fanout', type: 'fanout' }, contentOf(name))

  describe('every method in every state', () => {
    const states: readonly (readonly [string, (client: RawClient) => Promise<unknown>])[] = [
      ['before the protocol header', () => Promise.resolve()],
      [
        'before start-ok',
        async (client) => {
          client.send(PROTOCOL_HEADER)
          await client.expect('connection.start')
        },
      ],
      [
        'before tune-ok',
        async (client) => {
          client.send(PROTOCOL_HEADER)
          await client.expect('connection.start')
          client.method(0, 'connection.start-ok', {
            mechanism: 'PLAIN',
            response: '\0guest\0guest',
            locale: 'en_US',
          })
          await client.expect('connection.tune')
        },
      ],
      ['before a channel is open', (client) => client.login()],
      [
        'on a channel that is closed',
        async (client) => {
          await client.login()
          await client.call(1, 'channel.open')
          await client.call(1, 'channel.close')
        },
      ],
      [
        'on a channel that is being closed',
        async (client) => {
          await client.login()
          await client.call(1, 'channel.open')
          client.isPolite = false
          client.method(1, 'basic.get', { queue: 'nowhere' })
          await client.closing(1)
        },
      ],
      [
        'between a publication and its header',
        async (client) => {
          await client.login()
          await client.call(1, 'channel.open')
          client.method(1, 'basic.publish', { exchange: 'amq.fanout' })
        },
      ],
      [
        'between a header and its body',
        async (client) => {
          await client.login()
          await client.call(1, 'channel.open')
          client.method(1, 'basic.publish', { exchange: 'amq.fanout' })
          client.send(encodeFrame(FrameType.HEADER, 1, encodeHeader(10)))
        },
      ],
      [
        'on an open channel',
        async (client) => {
          await client.login()
          await client.call(1, 'channel.open')
        },
      ],
    ]

    it.each(states)('%s', async (_state, reach) => {
      const one = async (name: string, channel: number): Promise<void> => {
        const client = await open()
        await reach(client)
        client.received.splice(0)
        client.send(bytesOf(channel, name))
        // What has no answer is followed by the end of the connection, which has one or is ignored.
        await delay(5)
        client.send(encodeFrame(FrameType.METHOD, 0, encodeMethod('connection.close')))
        await comesToSomething(client)
        client.destroy()
      }
      for (const channel of [0, 1]) {
        await Promise.all(everyMethod.map((name) => one(name, channel)))
        await healthy.goOn()
      }
    })

    it('between two bodies, on another channel, goes on', async () => {
      const client = await ready()
      await client.call(2, 'channel.open')
      await client.call(1, 'queue.declare', { queue: unique('q'), exclusive: true })
      client.method(1, 'basic.publish', { exchange: '', routingKey: '' })
      client.send(encodeFrame(FrameType.HEADER, 1, encodeHeader(2)))
      client.send(encodeFrame(FrameType.BODY, 1, Buffer.from('a')))
      await client.call(2, 'basic.qos', { prefetchCount: 1 })
      client.send(encodeFrame(FrameType.BODY, 1, Buffer.from('b')))
      await client.call(1, 'basic.qos', { prefetchCount: 1 })
    })
  })

  describe('frames and tables', () => {
    const closes = async (bytes: Buffer, ...codes: readonly number[]): Promise<void> => {
      const client = await ready()
      client.send(bytes)
      await client.ended()
      const last = client.received.find(({ name }) => name === 'connection.close')
      if (last === undefined && !passes(brokerName, 'it says why it hangs up')) return
      expect(codes).toContain(last?.fields['replyCode'])
    }

    it('larger than agreed', () =>
      closes(encodeFrame(FrameType.BODY, 1, Buffer.alloc(131_073)), 501))

    it('of two and of four gigabytes, announced', async () => {
      for (const size of [0x7fffffff, 0xffffffff]) {
        await closes(encodeFrame(FrameType.METHOD, 1, Buffer.alloc(100), { size }), 501)
      }
    })

    it('before the login no larger than a login needs', async () => {
      const client = await open()
      client.send(PROTOCOL_HEADER)
      await client.expect('connection.start')
      client.send(encodeFrame(FrameType.METHOD, 0, Buffer.alloc(4), { size: 100_000 }))
      client.send(Buffer.alloc(100_000))
      await client.ended()
    })

    const declaring = (args: Fields | Buffer): Buffer =>
      encodeFrame(
        FrameType.METHOD,
        1,
        encodeMethod('queue.declare', { queue: unique('q'), exclusive: true, arguments: args }),
      )

    it.each([
      ['a table that says 4 gigabytes', Buffer.from('ffffffff', 'hex')],
      ['a string longer than its table', Buffer.from('0161530000ffff', 'hex')],
      ['a list longer than its table', Buffer.from('0161417fffffff', 'hex')],
      ['a name cut short', Buffer.from('ff61', 'hex')],
      ['a type that is none', Buffer.from('01615a', 'hex')],
    ])('%s', (_name, table) => closes(declaring(table), 502, 501, 541))

    const nested = (depth: number, letter: 'A' | 'F'): Buffer => {
      // Each level announces what follows it.
      const level = letter === 'A' ? 5 : 7
      const all = Buffer.alloc(depth * level)
      for (let index = 0; index < depth; index++) {
        const rest = (depth - index - 1) * level
        const at = index * level
        all.write(letter === 'A' ? 'A' : '\x01aF', at, 'latin1')
        all.writeUInt32BE(rest, at + level - 4)
      }
      return letter === 'A' ? Buffer.concat([Buffer.from('\x01a', 'latin1'), all]) : all
    }

    it.each(['A', 'F'] as const)('nests %s thousands deep', async (letter) => {
      const client = await ready()
      client.send(declaring(nested(15_000, letter)))
      await comesToSomething(client)
    })

    it('brings every type of header through', async () => {
      const client = await ready()
      const queue = unique('q')
      await client.call(1, 'queue.declare', { queue, exclusive: true })
      const values: Fields = {
        t: true,
        b: typed('b', -1),
        B: typed('B', 255),
        s: typed('s', -2),
        u: typed('u', 65_535),
        I: typed('I', -3),
        i: typed('i', 4_294_967_295),
        l: typed('l', -4),
        f: typed('f', 1.5),
        d: typed('d', -0.25),
        D: typed('D', [3, 7]),
        S: 'text',
        x: Buffer.from('00ff', 'hex'),
        T: typed('T', 1_700_000_000),
        A: [typed('b', 1), ['deep', null], { x: 1 }],
        F: { inner: { empty: {} } },
        V: null,
      }
      client.publish(1, { routingKey: queue }, 'x', { headers: values })
      const { content } = await client.call(1, 'basic.get', { queue, noAck: true })
      const letters = Object.entries(content?.properties['headers'] as Fields).map(
        ([name, value]) => [name, Object.keys(value as object)[0]],
      )
      // Text and bytes may come back as bytes of either name.
      expect(letters).toEqual(Object.keys(values).map((letter) => [letter, letter]))
    })

    it('takes keys that are dangerous to JavaScript', async () => {
      const client = await ready()
      const queue = unique('q')
      await client.call(1, 'queue.declare', { queue, exclusive: true })
      const dangerous = JSON.parse('{"__proto__":"x","constructor":"y","toString":"z"}') as Fields
      client.publish(1, { routingKey: queue }, 'x', { headers: dangerous })
      await client.call(1, 'basic.get', { queue, noAck: true })
      const other = await ready()
      expect((await other.call(1, 'queue.declare', { queue: '', exclusive: true })).name).toBe(
        'queue.declare-ok',
      )
    })

    it('takes names at their limits, and refuses what is no UTF-8', async () => {
      const client = await ready()
      const long = 'ü'.repeat(127) + 'x'
      await client.call(1, 'queue.declare', { queue: long, exclusive: true })
      await client.call(1, 'queue.bind', { queue: long, exchange: 'amq.topic', routingKey: long })
      await client.call(1, 'basic.consume', { queue: long, consumerTag: 'c'.repeat(255) })
      await client.call(1, 'queue.delete', { queue: long })
      client.method(1, 'queue.declare', { queue: Buffer.from('c328', 'hex'), exclusive: true })
      await comesToSomething(client)
    })
  })

  describe('settling', () => {
    it.each([
      ['an unknown tag', [1]],
      ['a tag near 2^53', [2n ** 53n]],
      ['the largest tag', [2n ** 64n - 1n]],
    ])('%s closes the channel and no other', async (_name, tags) => {
      const client = await ready()
      await client.call(2, 'channel.open')
      for (const deliveryTag of tags) client.method(1, 'basic.ack', { deliveryTag })
      expect(await client.closing(1)).toMatchObject({ replyCode: 406, classId: 60, methodId: 80 })
      await client.call(2, 'basic.qos', { prefetchCount: 1 })
    })

    it('twice closes the channel, and the message stays settled', async () => {
      const client = await ready()
      const queue = unique('q')
      await client.call(1, 'queue.declare', { queue, exclusive: true })
      client.publish(1, { routingKey: queue }, 'x')
      await client.call(1, 'basic.get', { queue })
      client.method(1, 'basic.ack', { deliveryTag: 1 })
      client.method(1, 'basic.ack', { deliveryTag: 1 })
      expect((await client.closing(1))['replyCode']).toBe(406)
      await client.call(2, 'channel.open')
      const { fields } = await client.call(2, 'queue.declare', { queue, passive: true })
      expect(fields['messageCount']).toBe(0)
    })
  })

  describe('floods', () => {
    const memory = (): number => residentMebibytes(broker.pid())

    const bounded = async (work: () => Promise<void>): Promise<void> => {
      if (!passes(brokerName, 'memory is bounded')) return work()
      const before = memory()
      await work()
      const growth = memory() - before
      report(`${brokerName}: ${growth.toFixed(0)} MiB more`)
      expect(growth).toBeLessThan(GROWTH_MEBIBYTES_MAX)
    }

    it('every channel there can be, and one more', () =>
      bounded(async () => {
        const client = await ready()
        for (let channel = 2; channel <= 2_047; channel++) client.method(channel, 'channel.open')
        const opened = (): number =>
          client.received.filter(({ name }) => name === 'channel.open-ok').length
        await eventually('all are open', () => opened() === 2_046)
        client.method(2_048, 'channel.open')
        expect((await client.closing(0))['replyCode']).toBe(530)
        await client.ended()
      }))

    it('hundreds of consumers of one queue, and thousands if it lets them', () =>
      bounded(async () => {
        const client = await ready()
        const queue = unique('q')
        await client.call(1, 'queue.declare', { queue, exclusive: true })
        const consume = (index: number): void =>
          client.method(1, 'basic.consume', { queue, consumerTag: `tag ${index}`, nowait: true })
        for (let index = 0; index < 900; index++) consume(index)
        const { fields } = await client.call(1, 'queue.declare', { queue, passive: true })
        expect(fields['consumerCount']).toBe(900)
        client.publish(1, { routingKey: queue }, 'x')
        await client.expect('basic.deliver')
        for (let index = 900; index < 4_000; index++) consume(index)
        client.method(1, 'queue.declare', { queue, passive: true })
        await comesToSomething(client)
        const [first] = client.received
        if (first?.name === 'channel.close') expect(first.fields['replyCode']).toBe(406)
        else expect(first?.fields['consumerCount']).toBe(4_000)
      }))

    it('thousands of queues and bindings, gone with their connection', () =>
      bounded(async () => {
        const client = await ready()
        const prefix = unique('flood')
        for (let index = 0; index < 1_500; index++) {
          const queue = `${prefix} ${index}`
          client.method(1, 'queue.declare', { queue, exclusive: true, nowait: true })
          client.method(1, 'queue.bind', {
            ...{ queue, exchange: 'amq.topic', routingKey: `${prefix}.#.${index}`, nowait: true },
          })
        }
        await client.call(1, 'basic.qos', { prefetchCount: 1 })
        client.destroy()
        const other = await ready()
        other.isPolite = false
        const isGone = async (): Promise<boolean> => {
          const asking = await ready()
          asking.method(1, 'queue.declare', { queue: `${prefix} 1499`, passive: true })
          return (await asking.closing(1))['replyCode'] === 404
        }
        await eventually('they are gone', isGone, 60_000)
      }))

    it('a consumer that reads nothing', () =>
      bounded(async () => {
        const publisher = await ready()
        const queue = unique('q')
        await publisher.call(1, 'queue.declare', { queue, autoDelete: true })
        await publisher.call(1, 'confirm.select')
        const slow = await ready()
        await slow.call(1, 'basic.consume', { queue, noAck: true })
        slow.socket.pause()
        const body = Buffer.alloc(100_000, 'x')
        const count = byDepth(1_500, 10_000)
        const isConfirmed = (): boolean =>
          publisher.received.some(
            ({ name, fields }) =>
              name === 'basic.ack' && (fields['deliveryTag'] as number) >= count,
          )
        for (let index = 0; index < count; index++) {
          publisher.publish(1, { routingKey: queue }, body)
          // Healthy clients beside it go on meanwhile.
          if (index % 100 === 0) await healthy.goOn()
        }
        await within('all is confirmed', 60_000, eventually('confirms', isConfirmed, 60_000))
        slow.destroy()
      }))

    it('a publisher faster than the disk', () =>
      bounded(async () => {
        const publisher = await ready()
        const queue = unique('q')
        await publisher.call(1, 'queue.declare', { queue, durable: true })
        await publisher.call(1, 'confirm.select')
        const body = Buffer.alloc(1_000, 'x')
        const count = byDepth(30_000, 300_000)
        for (let index = 0; index < count; index++) {
          publisher.publish(1, { routingKey: queue }, body, { deliveryMode: 2 })
          if (index % 5_000 === 0) await healthy.goOn()
        }
        const settled = (): number =>
          Math.max(
            0,
            ...publisher.received.map(({ name, fields }) =>
              name === 'basic.ack' ? (fields['deliveryTag'] as number) : 0,
            ),
          )
        await eventually('the last is confirmed', () => settled() === count, 60_000)
        const asking = await ready()
        const { fields } = await asking.call(1, 'queue.delete', { queue })
        expect(fields['messageCount']).toBe(count)
      }))

    it('connections that come and go, in every state', async () => {
      for (let round = 0; round < 10; round++) {
        const some = await Promise.all(
          Array.from({ length: 30 }, () => RawClient.open(broker.port)),
        )
        some.forEach((client, index) => {
          if (index % 3 > 0) client.send(PROTOCOL_HEADER)
          if (index % 3 > 1) client.send(Buffer.from('0100', 'hex'))
          client.destroy()
        })
      }
    })
  })

  it('queues that are declared and deleted by many at once', async () => {
    const queue = unique('raced')
    const racers = await Promise.all(Array.from({ length: 6 }, () => ready()))
    const race = async (client: RawClient): Promise<void> => {
      for (let round = 0; round < 60; round++) {
        client.method(1, 'queue.declare', { queue, nowait: true })
        client.publish(1, { routingKey: queue }, `round ${round}`)
        client.method(1, 'queue.delete', { queue, nowait: true })
      }
      // Whoever met a queue that was just deleted has lost a channel, and no more than that.
      await client.call(2, 'channel.open')
      await client.call(2, 'queue.declare', { queue })
      expect(client.isEnded).toBe(false)
    }
    await Promise.all(racers.map(race))
    const client = racers[0] as RawClient
    await client.call(2, 'queue.delete', { queue })
    await client.call(2, 'queue.declare', { queue })
    await client.call(2, 'queue.delete', { queue })
  })
})
