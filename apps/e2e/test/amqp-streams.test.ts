/** Streams as amqplib reads them: from where, and what of them. */
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib'
import { closingOf, consume, type Inbox } from './support/amqp/amqplib.ts'
import { type AmqpBroker, amqpBrokers, unique } from './support/amqp/brokers.ts'
import { passes } from './support/amqp/exceptions.ts'
import { eventually } from './support/eventually.ts'

describe.each(amqpBrokers)('streams of $name', ({ name, launch }) => {
  let broker: AmqpBroker
  let connection: ChannelModel
  let channel: ConfirmChannel
  let stream: string

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
    const args = { 'x-queue-type': 'stream' }
    stream = (await channel.assertQueue(unique('stream'), { arguments: args })).queue
  })

  afterEach(async () => {
    await channel.deleteQueue(stream)
    await channel.close()
  })

  const send = async (...regions: readonly (string | undefined)[]): Promise<void> => {
    for (const [index, region] of regions.entries()) {
      const headers = region === undefined ? {} : { 'x-stream-filter-value': region }
      channel.sendToQueue(stream, Buffer.from(`${region ?? 'none'} ${index}`), { headers })
    }
    await channel.waitForConfirms()
  }

  const read = async (args: Record<string, unknown>, prefetch = 100): Promise<Inbox> => {
    await channel.prefetch(prefetch)
    return consume(channel, stream, { arguments: { 'x-stream-offset': 'first', ...args } })
  }

  it('are read from the beginning, as often as one likes', async () => {
    await send('eu', undefined, 'us')
    for (let round = 0; round < 2; round++) {
      const inbox = await read({})
      expect(await inbox.has(3)).toEqual(['eu 0', 'none 1', 'us 2'])
      await channel.cancel(inbox.consumerTag)
    }
  })

  it('are read from an offset, which each message has', async () => {
    await send('a', 'b', 'c')
    const inbox = await read({ 'x-stream-offset': 1 })
    await eventually('the last', () => inbox.texts().at(-1) === 'c 2')
    expect(inbox.texts().slice(-2)).toEqual(['b 1', 'c 2'])
    expect(inbox.messages.at(-1)?.properties.headers?.['x-stream-offset']).toBe(2)
  })

  // Not a skip: where there are no filters there is nothing to test.
  const filtered = (title: string, test: () => Promise<void>): void => {
    if (passes(name, 'filters of streams')) it(title, test)
  }

  filtered('are read through a filter of one value or several, or of none', async () => {
    await send('eu', 'us', undefined, 'eu', 'asia')
    const one = await read({ 'x-stream-filter': 'eu' })
    const two = await read({ 'x-stream-filter': ['us', 'asia'] })
    const rest = await read({ 'x-stream-filter': ['asia'], 'x-stream-match-unfiltered': true })
    expect(await one.has(2)).toEqual(['eu 0', 'eu 3'])
    expect(await two.has(2)).toEqual(['us 1', 'asia 4'])
    expect(await rest.has(2)).toEqual(['none 2', 'asia 4'])
    // Later messages go through the same filters, and nothing came in between.
    await send('us', 'eu', undefined, 'asia')
    expect(await one.has(3)).toEqual(['eu 0', 'eu 3', 'eu 1'])
    expect(await two.has(4)).toEqual(['us 1', 'asia 4', 'us 0', 'asia 3'])
    expect(await rest.has(4)).toEqual(['none 2', 'asia 4', 'none 2', 'asia 3'])
  })

  filtered('are read past thousands that a filter does not want, on a credit of one', async () => {
    await send(...Array.from({ length: 20_000 }, (_, index) => (index % 5_000 ? 'no' : 'yes')))
    const inbox = await read({ 'x-stream-filter': 'yes' }, 1)
    for (const [index, offset] of [0, 5_000, 10_000, 15_000].entries()) {
      expect((await inbox.has(index + 1))[index]).toBe(`yes ${offset}`)
      const message = inbox.messages[index]!
      expect(message.fields.deliveryTag).toBe(index + 1)
      expect(message.properties.headers?.['x-stream-offset']).toBe(offset)
      channel.ack(message)
    }
  })

  filtered('keep an argument for the size of filters', async () => {
    const sized = unique('sized')
    const args = { 'x-queue-type': 'stream', 'x-stream-filter-size-bytes': 32 }
    await channel.assertQueue(sized, { arguments: args })
    await channel.assertQueue(sized, { arguments: args })
    await channel.deleteQueue(sized)
  })

  const wrong: readonly [what: string, args: object][] = [
    ['a filter that is a number', { 'x-stream-filter': 7 }],
    ['a word for a boolean', { 'x-stream-filter': 'a', 'x-stream-match-unfiltered': 'yes' }],
  ]
  for (const [what, args] of wrong)
    filtered(`refuse ${what}`, async () => {
      const other = await connection.createChannel()
      await other.prefetch(1)
      const closing = await closingOf(other, () =>
        other.consume(stream, () => undefined, { arguments: args }),
      )
      expect(closing).toEqual({ code: 406, classId: 60, methodId: 20 })
    })

  it.each([{ 'x-stream-offset': 'first' }, { 'x-stream-filter': 'a' }])(
    'have %p for themselves',
    async (args) => {
      if ('x-stream-filter' in args && !passes(name, 'filters of streams')) return
      const other = await connection.createChannel()
      const { queue } = await other.assertQueue('', { exclusive: true })
      const closing = await closingOf(other, () =>
        other.consume(queue, () => undefined, { arguments: args }),
      )
      expect(closing.code).toBe(406)
    },
  )
})
