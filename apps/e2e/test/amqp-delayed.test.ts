/**
 * The exchange that delays, as users of RabbitMQ's plugin know it: with amqplib, with the SDK and from
 * the command line, and over kills of the broker. Debian's RabbitMQ does not have the plugin, so this
 * suite and its half of pika's have Millrace alone.
 */
import { connect as connectSdk } from '@millrace/client-node'
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib'
import { closingOf, consume, drain, take } from './support/amqp/amqplib.ts'
import { type AmqpBroker, restart, unique } from './support/amqp/brokers.ts'
import { launchMillrace } from './support/amqp/millrace.ts'
import { runAgainst, directoryOf } from './support/amqp/programs.ts'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { runMillrace } from './support/command.ts'
import { debianPython } from './support/debian-python.ts'
import { byDepth, report } from './support/depth.ts'
import { eventually } from './support/eventually.ts'
import { createScratch } from './support/scratch.ts'

const KILLS = byDepth(3, 20)
const COUNT = byDepth(3_000, 20_000)

jest.setTimeout(byDepth(120_000, 600_000))

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('x-delayed-message with amqplib', () => {
  let broker: AmqpBroker
  let connection: ChannelModel
  let channel: ConfirmChannel

  beforeAll(async () => {
    broker = await launchMillrace()
  })

  afterAll(async () => {
    await broker?.release()
  })

  const open = async (): Promise<void> => {
    connection = await connect(broker.url)
    connection.on('error', () => undefined)
    channel = await connection.createConfirmChannel()
    channel.on('error', () => undefined)
  }

  beforeEach(open)

  afterEach(async () => {
    await connection.close().catch(() => undefined)
  })

  const declare = async (type = 'direct'): Promise<{ exchange: string; queue: string }> => {
    const exchange = unique('later')
    const queue = unique('queue')
    const args = { 'x-delayed-type': type }
    await channel.assertExchange(exchange, 'x-delayed-message', { durable: true, arguments: args })
    await channel.assertQueue(queue, { durable: true })
    await channel.bindQueue(queue, exchange, 'key')
    return { exchange, queue }
  }

  const send = (exchange: string, text: string, delay: unknown, key = 'key'): boolean =>
    channel.publish(exchange, key, Buffer.from(text), {
      persistent: true,
      headers: { before: 1, 'x-delay': delay, after: 'b' },
    })

  it('delivers by due time, and tells how long each message has waited', async () => {
    const { exchange, queue } = await declare()
    const inbox = await consume(channel, queue, { noAck: true })
    const startedAt = Date.now()
    send(exchange, 'third', 900)
    send(exchange, 'second', '400')
    send(exchange, 'first', 0)
    await channel.waitForConfirms()
    expect(await inbox.has(3)).toEqual(['first', 'second', 'third'])
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(900)
    expect(inbox.messages.map(({ properties }) => properties.headers)).toEqual([
      { before: 1, 'x-delay': 0, after: 'b' },
      { before: 1, 'x-delay': '-400', after: 'b' },
      { before: 1, 'x-delay': -900, after: 'b' },
    ])
    expect(inbox.messages[2]?.fields).toMatchObject({ exchange, routingKey: 'key' })
  })

  it.each([
    ['no type', {}],
    ['one that is not there', { 'x-delayed-type': 'odd' }],
    ['itself', { 'x-delayed-type': 'x-delayed-message' }],
  ])('is refused with %s', async (_name, args) => {
    const closing = await closingOf(channel, (its) =>
      its.assertExchange(unique('x'), 'x-delayed-message', { arguments: args }),
    )
    expect(closing.code).toBe(406)
  })

  it('routes as its type does, by the bindings of the moment', async () => {
    const { exchange, queue } = await declare('topic')
    await channel.bindQueue(queue, exchange, 'a.#')
    send(exchange, 'bound later', 300, 'b.c')
    send(exchange, 'unbound', 300, 'a.b')
    await channel.waitForConfirms()
    await channel.bindQueue(queue, exchange, 'b.*')
    await channel.unbindQueue(queue, exchange, 'a.#')
    await pause(500)
    expect(await drain(channel, queue)).toEqual(['bound later'])
  })

  it('retries by dead letters: each message waits once', async () => {
    const { exchange, queue } = await declare()
    const work = unique('work')
    await channel.assertQueue(work, { deadLetterExchange: exchange, deadLetterRoutingKey: 'key' })
    send('', 'again', 300, work)
    const message = await take(channel, work)
    channel.nack(message, false, false)
    const back = await take(channel, queue)
    expect(back.properties.headers).toMatchObject({ 'x-delay': -300, 'x-first-death-queue': work })
  })

  it('keeps what comes through another exchange', async () => {
    const { exchange, queue } = await declare()
    const front = unique('front')
    await channel.assertExchange(front, 'fanout')
    await channel.bindExchange(exchange, front, '')
    send(front, 'through', 200)
    expect((await take(channel, queue)).fields).toMatchObject({ exchange: front })
  })

  it('has what was kept after a kill -9, and loses it with the exchange', async () => {
    const { exchange, queue } = await declare()
    const gone = await declare()
    send(exchange, 'kept', 6_000)
    send(gone.exchange, 'gone', 6_000)
    send(exchange, 'due while it was down', 100)
    await channel.waitForConfirms()
    await restart(broker)
    await open()
    await channel.deleteExchange(gone.exchange)
    expect(await drain(channel, queue)).toEqual([])
    const inbox = await consume(channel, queue, { noAck: true })
    expect(await inbox.has(2)).toEqual(['due while it was down', 'kept'])
    expect(await drain(channel, gone.queue)).toEqual([])
  })

  it('releases each message once, whenever the broker is killed', async () => {
    const { exchange, queue } = await declare()
    const texts = Array.from({ length: COUNT }, (_, index) => `message ${index}`)
    for (const [index, text] of texts.entries()) send(exchange, text, 1_000 + (index % 500))
    await channel.waitForConfirms()
    for (let kill = 0; kill < KILLS; kill++) {
      await eventually('some are released', async () => {
        const { messageCount } = await channel.checkQueue(queue)
        return messageCount > (COUNT / (KILLS + 1)) * kill
      })
      await restart(broker)
      await open()
      const { messageCount } = await channel.checkQueue(queue)
      report(`kill ${kill + 1}: ${messageCount} of ${COUNT} were released`)
    }
    await eventually('all are released', async () => {
      const { messageCount } = await channel.checkQueue(queue)
      return messageCount >= COUNT
    })
    const found = await drain(channel, queue)
    expect(found).toHaveLength(COUNT)
    expect(new Set(found)).toEqual(new Set(texts))
  })
})

it('x-delayed-message with pika', async () => {
  const broker = await launchMillrace()
  try {
    const { code, output } = await runAgainst(
      broker,
      [debianPython, '-m', 'unittest', 'amqp_pika_delayed'],
      { cwd: directoryOf('python') },
    )
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/OK\s*$/) as string })
    expect(output).toMatch(/^Ran 4 tests/m)
  } finally {
    await broker.release()
  }
})

describe('a delayed exchange natively', () => {
  const scratch = createScratch('delayed')
  let broker: LaunchedBroker

  beforeAll(async () => {
    broker = await launchBroker({ dataDir: scratch.next('data') })
  })

  afterAll(async () => {
    await broker?.stop()
    scratch.remove()
  })

  it('is declared, published to and described by the SDK', async () => {
    const client = await connectSdk(broker.url)
    const later = client.exchange('reminders', { codec: 'string' })
    await later.declare({ type: 'delayed', delayedType: 'direct' })
    const queue = client.queue<string>('mail', { codec: 'string' })
    await queue.declare()
    await queue.bind('reminders', { routingKey: 'mail' })
    await later.publish('mail', 'late', { delayMs: 700, headers: { a: '1' } })
    await later.publish('mail', 'at once')
    expect(await later.describe()).toMatchObject({ kept: 1, bindings: 1 })
    const got: [string, string | undefined][] = []
    for await (const delivery of queue.consume()) {
      got.push([delivery.payload, delivery.headers.get('mr-delay') ?? undefined])
      await delivery.ack()
      if (got.length === 2) break
    }
    expect(got).toEqual([
      ['at once', undefined],
      ['late', '-700'],
    ])
    await expect(later.publish('mail', 'x', { delayMs: 2 ** 32 })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
    await client.close()
  })

  it('is made and published to from the command line', async () => {
    const run = async (...args: readonly string[]): Promise<string> => {
      let output = ''
      const onOutput = (chunk: Buffer): void => void (output += chunk.toString())
      const { code, stderr } = await runMillrace(broker.url, args, { onOutput })
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      return output
    }
    await run('exchange', 'create', 'cli', '--type', 'delayed', '--delayed-type', 'topic')
    await run('queue', 'create', 'cli-queue')
    await run('binding', 'create', 'cli', 'queue:cli-queue', '--key', 'a.*')
    await run('pub', 'exchange:cli/a.b', 'later', '--delay', '10m')
    const stdout = await run('exchange', 'describe', 'cli')
    expect(stdout).toMatch(/kept +1/)
    expect(stdout).toMatch(/delayedType +topic/)
    const page = await fetch(`http://127.0.0.1:${broker.httpPort}/metrics/per-object`)
    expect(await page.text()).toContain('millrace_exchange_kept{namespace="/",exchange="cli"} 1')
  })
})
