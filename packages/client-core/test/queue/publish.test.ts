import { BrokerError, decodeHeaderBlock, utf8Decode } from '@millrace/codec'
import { decodePublish, encodePublished, Opcode } from '@millrace/protocol'
import { BUFFERED_BYTES_DEFAULT, MESSAGES_PER_PUBLISH_MAX } from '../../src/limits.ts'
import type { Request } from '../support/fake-broker.ts'
import { settle } from '../support/fake-platform.ts'
import { codeOf, textOf } from '../support/open-fake.ts'
import { openQueues, type QueueFixture } from './support.ts'

const payloadsOf = ({ queues }: QueueFixture): string[] =>
  queues.published.map(({ payload }) => utf8Decode(payload))

const countsOf = ({ broker }: QueueFixture): number[] =>
  broker.requests
    .filter(({ opcode }) => opcode === Opcode.PUBLISH)
    .map(({ body }) => decodePublish(body).messages.length)

describe('a published message', () => {
  it('has every part that the program gave it', async () => {
    const fixture = await openQueues()
    const { client, queues } = fixture
    queues.exchanges.set('orders', {})
    const exchange = client.exchange('orders')
    await exchange.publish(
      'eu.new',
      { id: 1 },
      {
        headers: { kind: 'pdf', tags: ['a', 'b'], none: null },
        ttlMs: 60_000,
        priority: 5,
        messageId: 'm-1',
        key: 'k',
        persistent: false,
      },
    )
    const [message] = queues.published
    expect(message).toMatchObject({
      exchange: 'orders',
      routingKey: 'eu.new',
      ttlMs: 60_000,
      priority: 5,
      messageId: 'm-1',
      isPersistent: false,
    })
    expect(payloadsOf(fixture)).toEqual(['{"id":1}'])
    expect(utf8Decode(message?.key as Uint8Array)).toBe('k')
    expect(decodeHeaderBlock(message?.headers as Uint8Array)).toMatchObject([
      { key: 'kind' },
      { key: 'tags' },
      { key: 'tags' },
      { key: 'none', value: null },
    ])
    await client.close()
  })

  it('has a message id that no other has, is persistent, and lives as long as its queue says', async () => {
    const { client, queues, platform } = await openQueues()
    platform.randomValue = 0.5
    const queue = client.queue('jobs', { codec: 'string' })
    await queue.send('a')
    await client.queue('jobs').send('b')
    const [first, second] = queues.published
    expect(first).toMatchObject({ isPersistent: true, ttlMs: -1, priority: 0, exchange: '' })
    expect(first?.messageId).toMatch(/^\w{18,}-1$/)
    expect(second?.messageId).toBe(first?.messageId?.replace('-1', '-2'))
    await client.close()
  })

  it('asks for a delay by a header, which counts before one of the same name', async () => {
    const { client, queues } = await openQueues()
    const queue = client.queue('jobs', { codec: 'string' })
    await queue.send('a', { delayMs: 0 })
    await queue.send('b', { delayMs: 4_294_967_295, headers: { 'mr-delay': '1', kind: 'pdf' } })
    const headers = queues.published.map((message) =>
      decodeHeaderBlock(message.headers).map(({ key, value }) => [key, utf8Decode(value!)]),
    )
    expect(headers).toEqual([
      [['mr-delay', '0']],
      [
        ['mr-delay', '4294967295'],
        ['mr-delay', '1'],
        ['kind', 'pdf'],
      ],
    ])
    await client.close()
  })

  it('tells how many targets it reached', async () => {
    const { client } = await openQueues(['a', 'b'])
    const exchange = client.exchange('e')
    await exchange.declare({ type: 'fanout' })
    await client.queue('a').bind('e', { routingKey: 'k' })
    await client.queue('b').bind('e', { routingKey: 'k' })
    expect(await exchange.publish('k', 1)).toEqual({ targets: 2 })
    expect(await exchange.publish('nobody', 1)).toEqual({ targets: 0 })
    await client.close()
  })

  it('shares a request with the others of its turn', async () => {
    const fixture = await openQueues()
    const queue = fixture.client.queue<number>('jobs')
    await Promise.all([queue.send(1), queue.send(2), queue.send(3)])
    await queue.send(4)
    expect(countsOf(fixture)).toEqual([3, 1])
    expect(payloadsOf(fixture)).toEqual(['1', '2', '3', '4'])
    await fixture.client.close()
  })

  it('goes into the next request when one is full, by count or by bytes', async () => {
    const fixture = await openQueues()
    const queue = fixture.client.queue<string>('jobs', { codec: 'string' })
    for (let index = 0; index <= MESSAGES_PER_PUBLISH_MAX; index++) queue.write('')
    await queue.flush()
    for (let index = 0; index < 3; index++) queue.write('x'.repeat(100_000))
    await queue.flush()
    expect(countsOf(fixture)).toEqual([MESSAGES_PER_PUBLISH_MAX, 1, 2, 1])
    await fixture.client.close()
  })

  it('fails alone where the others of its request do not', async () => {
    const { client } = await openQueues()
    const nowhere = client.exchange('nowhere')
    const results = await Promise.allSettled([
      client.queue('jobs').send(1),
      nowhere.publish('k', 2),
      client.queue('jobs').send(3),
      client.queue('missing').send(4),
    ])
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
    ])
    await expect(nowhere.publish('k', 2)).rejects.toMatchObject({
      code: 'ERR_EXCHANGE_NOT_FOUND',
      message: "exchange 'nowhere' does not exist",
    })
    await expect(client.queue('missing').send(4)).rejects.toMatchObject({
      code: 'ERR_QUEUE_NOT_FOUND',
      message: "queue 'missing' does not exist",
    })
    await client.close()
  })

  it.each([
    ['a priority above 255', { priority: 256 }],
    ['a time to live below zero', { ttlMs: -1 }],
    ['a delay below zero', { delayMs: -1 }],
    ['a delay that is too long', { delayMs: 4_294_967_296 }],
    ['a key that is neither text nor bytes', { key: 7 as unknown as string }],
    ['a header that is none', { headers: { a: 7 as unknown as string } }],
  ])('with %s is refused here', async (_name, options) => {
    const { client, queues } = await openQueues()
    expect(await codeOf(client.queue('jobs').send(1, options))).toBe('ERR_INVALID_ARGUMENT')
    expect(queues.published).toEqual([])
    await client.close()
  })

  it('is refused here when it is larger than the broker takes', async () => {
    const { client, broker } = await openQueues()
    const { batchBytesMax } = broker.connected
    const queue = client.queue<Uint8Array>('jobs', { codec: 'bytes' })
    expect(await codeOf(queue.send(new Uint8Array(batchBytesMax)))).toBe('ERR_LIMIT_EXCEEDED')
    await client.close()
  })

  it('is copied by write: the program may use its buffer again', async () => {
    const fixture = await openQueues()
    const queue = fixture.client.queue<Uint8Array>('jobs', { codec: 'bytes' })
    const payload = Buffer.from('one')
    queue.write(payload)
    payload.set(Buffer.from('two'))
    queue.write(payload)
    await queue.flush()
    expect(payloadsOf(fixture)).toEqual(['one', 'two'])
    await fixture.client.close()
  })
})

describe('write', () => {
  it('tells the first failure with the next flush, and that a queue does not exist', async () => {
    const { client } = await openQueues()
    const queue = client.queue('missing')
    queue.write(1)
    client.exchange('nowhere').write('k', 2)
    expect(await codeOf(queue.flush())).toBe('ERR_QUEUE_NOT_FOUND')
    await queue.flush()
    await client.close()
  })

  it('asks for a pause when much is on its way, and refuses what ignores that', async () => {
    const { client, queues } = await openQueues()
    const held: Request[] = []
    queues.intercept = (request) => {
      if (request.opcode === Opcode.PUBLISH) held.push(request)
      return request.opcode === Opcode.PUBLISH
    }
    const queue = client.queue<Uint8Array>('jobs', { codec: 'bytes' })
    const megabyte = new Uint8Array(1024 * 1024)
    const count = BUFFERED_BYTES_DEFAULT / megabyte.length
    for (let index = 1; index < count; index++) expect(queue.write(megabyte)).toBe(true)
    expect(queue.write(megabyte)).toBe(false)
    const ready = queue.ready()
    for (let index = 0; index < count; index++) queue.write(megabyte)
    expect(() => queue.write(megabyte)).toThrow('await ready()')
    queues.intercept = undefined
    while (held.length > 0) {
      queues.handle(held.shift() as Request)
      await settle()
    }
    await ready
    await queue.flush()
    expect(queue.write(megabyte)).toBe(true)
    await client.close()
  })
})

describe('when the connection is lost', () => {
  const hold = (fixture: QueueFixture): Request[] => {
    const held: Request[] = []
    fixture.queues.intercept = (request) => {
      held.push(request)
      return true
    }
    return held
  }

  it('what got no answer is sent again, the same bytes, before what came later', async () => {
    const fixture = await openQueues()
    const queue = fixture.client.queue<number>('jobs')
    const held = hold(fixture)
    const first = queue.send(1)
    await settle()
    const second = queue.send(2)
    await settle()
    await fixture.drop()
    const third = queue.send(3)
    fixture.queues.intercept = undefined
    await fixture.recover()
    await Promise.all([first, second, third])
    expect(payloadsOf(fixture)).toEqual(['1', '2', '3'])
    const sent = fixture.broker.requests.filter(({ opcode }) => opcode === Opcode.PUBLISH)
    expect(sent.slice(2, 4).map(({ body }) => body)).toEqual(held.map(({ body }) => body))
    await fixture.client.close()
  })

  it('fails without resend, and the text says that nobody knows', async () => {
    const fixture = await openQueues()
    const queue = fixture.client.queue<number>('jobs', { resend: false })
    hold(fixture)
    const text = textOf(queue.send(1))
    await settle()
    await fixture.drop()
    expect(await text).toContain('the message may or may not have been published')
    const unsent = queue.send(2)
    fixture.queues.intercept = undefined
    await fixture.recover()
    await unsent
    expect(payloadsOf(fixture)).toEqual(['2'])
    await fixture.client.close()
  })

  it('is given up after two minutes, and says whether it was sent', async () => {
    const fixture = await openQueues()
    fixture.transport.unreachable.add('millrace://b0:7420')
    const queue = fixture.client.queue<number>('jobs')
    hold(fixture)
    const sent = textOf(queue.send(1))
    await settle()
    await fixture.drop()
    const unsent = textOf(queue.send(2))
    await settle()
    fixture.platform.advance(120_000)
    await settle()
    expect(await sent).toContain('may or may not have been published')
    expect(await unsent).toContain('it was not sent')
    await fixture.client.close()
  })

  it('fails at once in a client that does not connect again', async () => {
    const fixture = await openQueues(['jobs'], { reconnect: false })
    hold(fixture)
    const code = codeOf(fixture.client.queue('jobs').send(1))
    await settle()
    await fixture.drop()
    expect(await code).toBe('ERR_CONNECTION_LOST')
  })
})

it('waits and sends again where the broker is busy', async () => {
  const fixture = await openQueues()
  const { client, queues, broker, platform } = fixture
  let busyCount = 0
  queues.intercept = (request) => {
    if (request.opcode !== Opcode.PUBLISH || busyCount === 2) return false
    busyCount += 1
    broker.fail(request, new BrokerError('ERR_BUSY'))
    return true
  }
  const sending = client.queue('jobs').send(1)
  for (let round = 0; round < 3; round++) {
    await settle()
    platform.advance(2_000)
  }
  await sending
  expect(payloadsOf(fixture)).toEqual(['1'])
  await client.close()
})

it('ends a connection whose broker answers for another number of messages', async () => {
  const { client, queues, broker } = await openQueues(['jobs'], { reconnect: false })
  queues.intercept = (request) => {
    broker.reply(request, encodePublished({ outcomes: [], text: '' }))
    return true
  }
  expect(await codeOf(client.queue('jobs').send(1))).toBe('ERR_CONNECTION_LOST')
  await expect(client.closed).resolves.toMatchObject({ code: 'ERR_CONNECTION_LOST' })
})

it('sends what was written before a client is drained, and refuses what comes after close', async () => {
  const fixture = await openQueues()
  const queue = fixture.client.queue<number>('jobs')
  queue.write(1)
  await fixture.client.drain()
  expect(payloadsOf(fixture)).toEqual(['1'])
  expect(await codeOf(queue.send(2))).toBe('ERR_CLOSED')
  expect(() => queue.write(3)).toThrow('is closed')
})
