/** Retries that wait, as RabbitMQ has them from 4.3 on, by amqplib. */
import { connect, type ChannelModel, type ConfirmChannel, type GetMessage } from 'amqplib'
import { closingOf, consume, take, textOf } from './support/amqp/amqplib.ts'
import { type AmqpBroker, amqpBrokers, restart, unique } from './support/amqp/brokers.ts'
import { passes } from './support/amqp/exceptions.ts'
import { eventually } from './support/eventually.ts'

const MIN_MS = 200
const MAX_MS = 300

const kinds = amqpBrokers.filter(({ name }) => passes(name, 'delayed retries'))

describe.each(kinds)('delayed retries of $name', ({ launch }) => {
  let broker: AmqpBroker
  let connection: ChannelModel
  let channel: ConfirmChannel

  const open = async (): Promise<void> => {
    connection = await connect(broker.url)
    channel = await connection.createConfirmChannel()
  }

  beforeAll(async () => {
    broker = await launch()
    await open()
  })

  afterAll(async () => {
    await connection?.close()
    await broker?.release()
  })

  const delays = (type: string, min = MIN_MS, max = MAX_MS): Record<string, unknown> => ({
    'x-queue-type': 'quorum',
    'x-delayed-retry-type': type,
    'x-delayed-retry-min': min,
    'x-delayed-retry-max': max,
  })

  const aQueue = async (args: Record<string, unknown>, ...texts: string[]): Promise<string> => {
    const { queue } = await channel.assertQueue(unique('retries'), { arguments: args })
    for (const text of texts) channel.sendToQueue(queue, Buffer.from(text), { persistent: true })
    await channel.waitForConfirms()
    return queue
  }

  const countOf = async (queue: string): Promise<number> =>
    (await channel.checkQueue(queue)).messageCount

  type GiveBack = (message: GetMessage) => void
  const reject: GiveBack = (message) => channel.reject(message, true)
  const nack: GiveBack = (message) => channel.nack(message, false, true)

  /** How long it is away after it was given back. */
  const awayMs = async (queue: string, giveBack: GiveBack): Promise<[number, GetMessage]> => {
    const message = await take(channel, queue)
    const sinceMs = performance.now()
    giveBack(message)
    const again = await take(channel, queue)
    return [performance.now() - sinceMs, again]
  }

  it('wait the longer the more often a message comes back, up to a limit', async () => {
    const queue = await aQueue(delays('all'), 'a')
    let message = await take(channel, queue)
    for (const [round, waitMs] of [MIN_MS, MAX_MS, MAX_MS].entries()) {
      const sinceMs = performance.now()
      channel.reject(message, true)
      // It is not ready, and so not counted.
      expect(await countOf(queue)).toBe(0)
      message = await take(channel, queue)
      expect(performance.now() - sinceMs).toBeGreaterThanOrEqual(waitMs)
      expect(message.fields.redelivered).toBe(true)
      expect(message.properties.headers?.['x-delivery-count']).toBe(round + 1)
    }
    channel.ack(message)
  })

  it.each<[string, string, GiveBack, boolean]>([
    ['failed', 'basic.reject', reject, true],
    ['failed', 'basic.nack', nack, false],
    ['returned', 'basic.reject', reject, false],
    ['returned', 'basic.nack', nack, true],
    ['all', 'basic.nack', nack, true],
    ['disabled', 'basic.reject', reject, false],
  ])('of type %s, after %s', async (type, _method, giveBack, isDelayed) => {
    const longMs = 1_000
    const queue = await aQueue(delays(type, longMs, longMs), 'a')
    const [ms, again] = await awayMs(queue, giveBack)
    if (isDelayed) expect(ms).toBeGreaterThanOrEqual(longMs)
    else expect(ms).toBeLessThan(longMs)
    channel.ack(again)
  })

  it('let others go on, and come before those behind them', async () => {
    const queue = await aQueue(delays('failed', 500, 500), 'a', 'b')
    const worker = await connection.createChannel()
    await worker.prefetch(1)
    const inbox = await consume(worker, queue)
    await inbox.has(1)
    worker.reject(inbox.messages[0]!, true)
    expect(await inbox.has(2)).toEqual(['a', 'b'])
    channel.sendToQueue(queue, Buffer.from('c'))
    await channel.waitForConfirms()
    // `a` is due, and ready again before `c`, while the worker has `b`.
    await eventually('both wait', async () => (await countOf(queue)) === 2)
    worker.ack(inbox.messages[1]!)
    await inbox.has(3)
    worker.ack(inbox.messages[2]!)
    expect(await inbox.has(4)).toEqual(['a', 'b', 'a', 'c'])
    await worker.close()
  })

  it('wait after a channel that failed', async () => {
    const queue = await aQueue(delays('failed', 500, 500), 'a')
    const worker = await connection.createChannel()
    await take(worker, queue)
    const sinceMs = performance.now()
    await worker.close()
    const again = await take(channel, queue)
    expect(performance.now() - sinceMs).toBeGreaterThanOrEqual(500)
    channel.ack(again)
  })

  it('go to the dead letters at once when there were too many', async () => {
    const graveyard = await aQueue({})
    const queue = await aQueue(
      {
        ...delays('all', 100, 100),
        'x-delivery-limit': 1,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': graveyard,
      },
      'a',
    )
    const [, again] = await awayMs(queue, reject)
    channel.reject(again, true)
    const dead = await take(channel, graveyard, { noAck: true })
    expect(dead.properties.headers?.['x-death']).toMatchObject([{ reason: 'delivery_limit' }])
  })

  it('are purged while they wait', async () => {
    const queue = await aQueue(delays('all', 60_000, 60_000), 'a', 'b')
    channel.reject(await take(channel, queue), true)
    expect(await channel.purgeQueue(queue)).toEqual({ messageCount: 2 })
    expect(await channel.deleteQueue(queue)).toEqual({ messageCount: 0 })
  })

  it('are part of what a queue is declared with', async () => {
    const queue = await aQueue(delays('all'))
    await channel.assertQueue(queue, { arguments: delays('all') })
    for (const [args, code] of [
      [delays('failed'), 406],
      [delays('all', MIN_MS + 1), 406],
      [{ 'x-queue-type': 'quorum' }, 406],
    ] as const) {
      const other = await connection.createChannel()
      const closing = await closingOf(other, () => other.assertQueue(queue, { arguments: args }))
      expect(closing).toEqual({ code, classId: 50, methodId: 10 })
    }
  })

  it('are over when the broker is killed, and counted', async () => {
    const queue = await aQueue(delays('all', 600_000, 600_000), 'a')
    channel.reject(await take(channel, queue), true)
    await eventually('it waits', async () => (await countOf(queue)) === 0)
    // The count is on disk with the group of what is published next, and confirmed.
    await aQueue({}, 'later')
    connection.on('error', () => undefined)
    await restart(broker)
    await open()
    const message = await take(channel, queue)
    expect(textOf(message)).toBe('a')
    expect(message.fields.redelivered).toBe(true)
    expect(message.properties.headers?.['x-delivery-count']).toBe(1)
    channel.ack(message)
  })
})
