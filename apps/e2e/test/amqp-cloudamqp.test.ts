/** @cloudamqp/amqp-client over TCP and over WebSocket, with the same use of it. */
import { AMQPClient, AMQPSession, AMQPWebSocketClient } from '@cloudamqp/amqp-client'
import type { AMQPMessage } from '@cloudamqp/amqp-client'
import { WebSocket } from 'ws'
import { type AmqpBroker, amqpBrokers, unique } from './support/amqp/brokers.ts'
import { passes } from './support/amqp/exceptions.ts'
import { eventually } from './support/eventually.ts'

// Browsers and newer Nodes have one.
if (!('WebSocket' in globalThis)) Object.assign(globalThis, { WebSocket })

type Client = AMQPClient | AMQPWebSocketClient

const transports = ['TCP', 'WebSocket'] as const

const cases = amqpBrokers.flatMap((kind) =>
  transports
    .filter((transport) => passes(kind.name, `cloudamqp over ${transport}`))
    .map((transport) => ({ ...kind, transport })),
)

describe.each(cases)('cloudamqp and $name over $transport', ({ launch, transport }) => {
  let broker: AmqpBroker
  let client: Client

  const urlOf = (): string => (transport === 'TCP' ? broker.url : (broker.webSocketUrl as string))

  beforeAll(async () => {
    broker = await launch()
    client =
      transport === 'TCP'
        ? new AMQPClient(broker.url)
        : new AMQPWebSocketClient({
            url: urlOf(),
            vhost: '/',
            username: 'guest',
            password: 'guest',
          })
    // It would write of each error that a test makes.
    Object.assign(client, { logger: null })
    await client.connect()
  })

  afterAll(async () => {
    await client?.close()
    await broker?.release()
  })

  it('publishes with confirms and gets', async () => {
    const channel = await client.channel()
    await channel.confirmSelect()
    const { name } = await channel.queueDeclare(unique('q'), { durable: true, autoDelete: false })
    const properties = {
      contentType: 'text/plain',
      deliveryMode: 2,
      priority: 1,
      correlationId: 'c',
      replyTo: 'r',
      expiration: '60000',
      messageId: 'm',
      timestamp: new Date(1_700_000_000_000),
      type: 't',
      appId: 'a',
      headers: { text: 'Grüße', number: 7, large: 2 ** 40, list: [1, 'two'], table: { x: true } },
    }
    expect(await channel.basicPublish('', name, 'hello', properties)).toBe(1)
    const message = (await channel.basicGet(name, { noAck: false })) as AMQPMessage
    expect(message.bodyString()).toBe('hello')
    expect(message.properties).toMatchObject(properties)
    await message.ack()
    expect(await channel.basicGet(name)).toBeNull()
    await channel.queueDelete(name)
    await channel.close()
  })

  it('carries large bodies both ways', async () => {
    const channel = await client.channel()
    await channel.confirmSelect()
    const { name } = await channel.queueDeclare('')
    const body = new Uint8Array(2_000_000).map((_, index) => index % 251)
    await channel.basicPublish('', name, body)
    const message = await channel.basicGet(name)
    expect(Buffer.from(message?.body as Uint8Array).equals(Buffer.from(body))).toBe(true)
    await channel.close()
  })

  it('consumes with a prefetch, acks, nacks and hears of the end', async () => {
    const channel = await client.channel()
    const { name } = await channel.queueDeclare(unique('q'), { durable: false, autoDelete: false })
    await channel.prefetch(2)
    const messages: AMQPMessage[] = []
    const consumer = await channel.basicConsume(name, { noAck: false }, (message) => {
      messages.push(message)
    })
    const publisher = await client.channel()
    await publisher.confirmSelect()
    for (const text of ['a', 'b', 'c']) await publisher.basicPublish('', name, text)
    await eventually('two came', () => messages.length === 2)
    await messages[0]?.ack()
    await eventually('the third came', () => messages.length === 3)
    await messages[1]?.nack(true)
    await eventually('one came again', () => messages.length === 4)
    expect(messages.map((one) => one.bodyString())).toEqual(['a', 'b', 'c', 'b'])
    expect(messages[3]?.redelivered).toBe(true)
    const ended = consumer.wait()
    await publisher.queueDelete(name)
    await expect(ended).rejects.toThrow(/cancel/i)
    await publisher.close()
  })

  it('binds, routes by pattern, and hears what is returned', async () => {
    const channel = await client.channel()
    await channel.confirmSelect()
    const exchange = unique('x')
    await channel.exchangeDeclare(exchange, 'topic', { durable: false })
    const { name } = await channel.queueDeclare('')
    await channel.queueBind(name, exchange, 'a.*')
    const returned: string[] = []
    channel.onReturn = (message) => void returned.push(message.bodyString() ?? '')
    await channel.basicPublish(exchange, 'a.b', 'in', {}, true)
    await channel.basicPublish(exchange, 'b', 'out', {}, true)
    expect(returned).toEqual(['out'])
    expect((await channel.basicGet(name))?.bodyString()).toBe('in')
    await channel.exchangeDelete(exchange)
    await channel.close()
  })

  it('commits and rolls back', async () => {
    const channel = await client.channel()
    const { name } = await channel.queueDeclare('')
    await channel.txSelect()
    await channel.basicPublish('', name, 'rolled back')
    await channel.txRollback()
    await channel.basicPublish('', name, 'committed')
    await channel.txCommit()
    expect((await channel.basicGet(name))?.bodyString()).toBe('committed')
    expect(await channel.basicGet(name)).toBeNull()
    await channel.close()
  })

  it('reads the error of a channel, and goes on with another', async () => {
    const channel = await client.channel()
    await expect(channel.queueDeclare(unique('none'), { passive: true })).rejects.toThrow(
      /NOT_FOUND/,
    )
    const other = await client.channel()
    expect((await other.queueDeclare('')).messageCount).toBe(0)
    await other.close()
  })

  it('calls a procedure through a session', async () => {
    const session = await AMQPSession.connect(urlOf(), { logger: null })
    const name = unique('rpc')
    await session.rpcServer(name, (message) => `re: ${message.bodyString()}`)
    const answer = await session.rpcCall(name, 'hello', { timeout: 5_000 })
    expect(answer.bodyString()).toBe('re: hello')
    const rpc = await session.rpcClient()
    const answers = await Promise.all(['1', '2', '3'].map((text) => rpc.call(name, text)))
    expect(answers.map((one) => one.bodyString())).toEqual(['re: 1', 're: 2', 're: 3'])
    await session.stop()
  })

  it('iterates over a subscription', async () => {
    const session = await AMQPSession.connect(urlOf(), { logger: null })
    const queue = await session.queue(unique('q'), { durable: false })
    for (const text of ['a', 'b', 'c']) await queue.publish(text)
    const found: string[] = []
    for await (const message of await queue.subscribe()) {
      found.push(message.bodyString() ?? '')
      if (found.length === 3) break
    }
    expect(found).toEqual(['a', 'b', 'c'])
    await session.stop()
  })
})
