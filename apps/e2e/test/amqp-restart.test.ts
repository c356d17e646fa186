/**
 * The broker is killed under clients that publish with confirms and consume with acks: nothing that was
 * confirmed is lost, and clients that reconnect go on.
 */
import { AMQPSession } from '@cloudamqp/amqp-client'
import amqpConnectionManager from 'amqp-connection-manager'
import { type Channel, connect, type RecoveringChannelModel } from 'amqplib'
import { type AmqpBroker, amqpBrokers, restart, unique } from './support/amqp/brokers.ts'
import { drain, textOf } from './support/amqp/amqplib.ts'
import { eventually } from './support/eventually.ts'

const COUNT = 600
const texts = Array.from({ length: COUNT }, (_, index) => `message ${index}`)

describe.each(amqpBrokers)('after a kill of $name', ({ launch }) => {
  let broker: AmqpBroker

  beforeAll(async () => {
    broker = await launch()
  })

  afterAll(async () => {
    await broker?.release()
  })

  /** A client that reconnects would go on for ever behind a test that has failed. */
  const open: { close(): Promise<unknown> }[] = []

  afterEach(async () => {
    await Promise.all(open.splice(0).map((client) => client.close().catch(() => undefined)))
  })

  it('amqplib finds what was confirmed and not acked, and no more', async () => {
    const queue = unique('durable')
    const connection = await connect(broker.url)
    connection.on('error', () => undefined)
    const channel = await connection.createConfirmChannel()
    channel.on('error', () => undefined)
    await channel.assertQueue(queue, { durable: true })
    await channel.assertExchange(`${queue}.x`, 'topic', { durable: true })
    await channel.bindQueue(queue, `${queue}.x`, 'keep.#')
    for (const text of texts) {
      channel.publish(`${queue}.x`, 'keep.this', Buffer.from(text), { persistent: true })
    }
    channel.sendToQueue(queue, Buffer.from('transient'), { persistent: false })
    await channel.waitForConfirms()
    for (let index = 0; index < 100; index++) {
      const message = await channel.get(queue)
      if (message !== false) channel.ack(message)
    }
    await channel.get(queue)
    await restart(broker)
    const again = await connect(broker.url)
    open.push(again)
    const asking = await again.createConfirmChannel()
    const { messageCount } = await asking.checkQueue(queue)
    const found = await drain(asking, queue)
    expect(messageCount).toBe(found.length)
    // What was not persistent may have survived.
    const left = found.filter((text) => text !== 'transient')
    // An ack may be lost with the broker, a message may not; order is kept.
    expect(left.slice(-(COUNT - 100))).toEqual(texts.slice(100))
    expect(left).toEqual(texts.slice(COUNT - left.length))
    asking.publish(`${queue}.x`, 'keep.that', Buffer.from('still bound'))
    await asking.waitForConfirms()
    expect(await drain(asking, queue)).toEqual(['still bound'])
  })

  it('amqplib that recovers sets up its channel again and goes on', async () => {
    const queue = unique('recovering')
    const received: string[] = []
    let channel: Channel | undefined
    const setup = async (model: { createChannel(): Promise<Channel> }): Promise<void> => {
      const its = await model.createChannel()
      its.on('error', () => undefined)
      await its.assertQueue(queue, { durable: true })
      await its.consume(queue, (message) => {
        if (message === null) return
        received.push(textOf(message))
        its.ack(message)
      })
      channel = its
    }
    const recovery = { initialDelay: 50, maxDelay: 200, setup }
    const connection: RecoveringChannelModel = await connect(broker.url, { recovery })
    open.push(connection)
    connection.on('error', () => undefined)
    channel?.sendToQueue(queue, Buffer.from('before'), { persistent: true })
    await eventually('it came', () => received.includes('before'))
    const reconnected = new Promise((resolve) => connection.once('connect', resolve))
    await restart(broker)
    await reconnected
    await eventually('there is a new channel', () => {
      return channel?.sendToQueue(queue, Buffer.from('after'), { persistent: true })
    })
    await eventually('it goes on', () => received.includes('after'))
  })

  it('amqp-connection-manager publishes each message, whatever happens', async () => {
    const queue = unique('managed')
    const manager = amqpConnectionManager.connect([broker.url], {
      reconnectTimeInSeconds: 0.1,
      heartbeatIntervalInSeconds: 5,
    })
    open.push(manager)
    const received = new Set<string>()
    const channel = manager.createChannel({
      json: true,
      setup: async (its: Channel) => {
        await its.assertQueue(queue, { durable: true })
        await its.prefetch(20)
      },
    })
    // It tells when a connection ends before its channel is open, and then connects again.
    channel.on('error', () => undefined)
    await channel.consume(queue, (message) => {
      received.add((JSON.parse(textOf(message)) as { text: string }).text)
      channel.ack(message)
    })
    await channel.waitForConnect()
    const publications = texts.map((text) =>
      channel.sendToQueue(queue, { text }, { persistent: true }),
    )
    await eventually('some came', () => received.size > 50)
    await restart(broker)
    await Promise.all(publications)
    await eventually('all came', () => texts.every((text) => received.has(text)))
  })

  it('cloudamqp goes on with its subscription and its confirms', async () => {
    const name = unique('session')
    const received = new Set<string>()
    const session = await AMQPSession.connect(broker.url, {
      reconnectInterval: 50,
      maxReconnectInterval: 200,
      logger: null,
    })
    open.push({ close: () => session.stop() })
    const queue = await session.queue(name, { durable: true })
    await queue.subscribe({ prefetch: 10 }, (message) => {
      received.add(message.bodyString() ?? '')
    })
    const publish = async (text: string): Promise<void> => {
      // While there is no connection it refuses: the application tries again.
      await eventually(`'${text}' is confirmed`, () =>
        queue.publish(text).then(
          () => true,
          () => undefined,
        ),
      )
    }
    for (const text of texts.slice(0, 50)) await publish(text)
    await restart(broker)
    for (const text of texts.slice(50, 100)) await publish(text)
    await eventually('all came', () => texts.slice(0, 100).every((text) => received.has(text)))
  })
})
