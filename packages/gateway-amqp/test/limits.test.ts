/** What may wait of one channel, at its limit and one beyond. */
import { FRAME_OVERHEAD_BYTES } from '../src/codec/frame.ts'
import {
  DIRECT_REPLY_BYTES_MAX,
  FRAME_BYTES_DEFAULT,
  PUBLICATIONS_IN_FLIGHT_COUNT_MAX,
  TRANSACTION_BYTES_MAX,
  TRANSACTION_STEPS_COUNT_MAX,
} from '../src/limits.ts'
import type { AmqpChannel } from '../src/amqp-channel.ts'
import { DirectReplies } from '../src/direct-reply.ts'
import { FrameOutput } from '../src/frame-output.ts'
import { Publication } from '../src/publication.ts'
import { ReplyConsumer } from '../src/reply-consumer.ts'
import { type StagedSettlement, Transaction } from '../src/transaction.ts'
import {
  type AmqpPeer,
  FakeConnection,
  frameOf,
  headerFrame,
  methodFrame,
} from './support/amqp-peer.ts'
import { ManualTimers } from './support/amqp-world.ts'
import { openRealWorld, type RealWorld, takeUntil } from './support/real-world.ts'

const NO_PROPERTIES_BYTES = 2

describe('a transaction', () => {
  const publicationOf = (bytes: number): Publication => {
    const publication = new Publication()
    publication.payload = new Uint8Array(bytes - publication.properties.length)
    return publication
  }
  const refusal = `a transaction holds at most ${TRANSACTION_STEPS_COUNT_MAX} steps or ${TRANSACTION_BYTES_MAX} bytes`
  const settlement = {} as StagedSettlement
  /** Each time the same bytes: they are counted, not kept apart. */
  const quarter = publicationOf(TRANSACTION_BYTES_MAX / 4)

  it('holds so many bytes, of payloads and properties', () => {
    const transaction = new Transaction()
    for (let count = 0; count < 4; count++) transaction.addMessage(quarter)
    transaction.addSettlement(settlement)
    expect(transaction.messages).toHaveLength(4)
  })

  it('and not one more', () => {
    const transaction = new Transaction()
    for (let count = 0; count < 3; count++) transaction.addMessage(quarter)
    const tooLarge = publicationOf(TRANSACTION_BYTES_MAX / 4 + 1)
    expect(() => transaction.addMessage(tooLarge)).toThrow(refusal)
  })

  it('holds so many bytes again after its end', () => {
    const transaction = new Transaction()
    for (let count = 0; count < 4; count++) transaction.addMessage(quarter)
    transaction.clear()
    for (let count = 0; count < 4; count++) transaction.addMessage(quarter)
    expect(() => transaction.addMessage(new Publication())).toThrow(refusal)
  })

  it('holds so many steps, of both kinds together', () => {
    const transaction = new Transaction()
    const message = new Publication()
    for (let count = 0; count < TRANSACTION_STEPS_COUNT_MAX / 2; count++) {
      transaction.addMessage(message)
      transaction.addSettlement(settlement)
    }
    expect(() => transaction.addSettlement(settlement)).toThrow(refusal)
  })
})

describe('direct replies to a peer that reads nothing', () => {
  const listener = () => {
    const connection = new FakeConnection()
    connection.hasRoom = false
    const timers = new ManualTimers()
    const output = new FrameOutput(connection, {
      timers,
      onBlocked: () => undefined,
      onSent: () => undefined,
    })
    const session = {
      output,
      directReplies: new DirectReplies(),
      services: { environment: { random: { uint32: () => 1 } } },
      noteDelivered: () => undefined,
    }
    let tag = 0
    const host = { caller: { namespace: '/' } }
    const channel = { number: 1, session, host, handOut: () => ++tag }
    const consumer = new ReplyConsumer(channel as unknown as AmqpChannel, 'tag')
    const isWritten = (): boolean => {
      const before = connection.writeCount
      consumer.deliverReply({
        namespace: '/',
        routingKey: consumer.address,
        properties: new Uint8Array(NO_PROPERTIES_BYTES),
        payload: Buffer.from('answer'),
      })
      output.flush()
      return connection.writeCount > before
    }
    const fill = (bytes: number): void => {
      output.raw(new Uint8Array(bytes))
      output.flush()
    }
    return { output, isWritten, fill }
  }

  it('are written while so many bytes wait', () => {
    const { fill, isWritten } = listener()
    fill(DIRECT_REPLY_BYTES_MAX)
    expect(isWritten()).toBe(true)
    expect(isWritten()).toBe(false)
  })

  it('are dropped when one more waits, until it reads on', () => {
    const { fill, isWritten, output } = listener()
    fill(DIRECT_REPLY_BYTES_MAX + 1)
    expect(isWritten()).toBe(false)
    output.onDrain()
    expect(isWritten()).toBe(true)
  })
})

describe('with the engine behind it', () => {
  let world: RealWorld
  let peer: AmqpPeer

  const ask = async (name: Parameters<AmqpPeer['askAs']>[1], fields: object = {}) => {
    peer.send(1, name, fields)
    const [answer] = await takeUntil(peer, 1)
    return answer
  }

  beforeEach(async () => {
    world = await openRealWorld()
    peer = await world.connectOpen()
    await ask('queue.declare', { queue: 'q' })
  })

  afterEach(async () => {
    peer.close()
    await world.stop()
  })

  /** A message, in frames as large as they may be. */
  const framesOf = (bytes: number, exchange = ''): Buffer => {
    const frames = [
      methodFrame(1, 'basic.publish', { exchange, routingKey: 'q' }),
      headerFrame(1, bytes),
    ]
    const body = Buffer.alloc(FRAME_BYTES_DEFAULT - FRAME_OVERHEAD_BYTES)
    for (let left = bytes; left > 0; left -= body.length) {
      frames.push(frameOf(3, 1, body.subarray(0, left)))
    }
    return Buffer.concat(frames)
  }

  it('a channel has so many publications waiting, and is not read when there is one more', async () => {
    await ask('confirm.select')
    const one = Buffer.concat([
      methodFrame(1, 'basic.publish', { routingKey: 'q' }),
      headerFrame(1, 0),
    ])
    peer.sendBytes(Buffer.alloc(one.length * PUBLICATIONS_IN_FLIGHT_COUNT_MAX, one))
    expect(peer.connection.isPaused).toBe(false)
    peer.sendBytes(one)
    expect(peer.connection.isPaused).toBe(true)
    let confirmed = 0
    while (confirmed <= PUBLICATIONS_IN_FLIGHT_COUNT_MAX) {
      for (const { name, fields } of await takeUntil(peer, 1)) {
        expect(name).toBe('basic.ack')
        confirmed = Number(fields['deliveryTag'])
      }
    }
    expect(confirmed).toBe(PUBLICATIONS_IN_FLIGHT_COUNT_MAX + 1)
    expect(peer.connection.isPaused).toBe(false)
  })

  it('a transaction that was let in is taken, up to its last byte', async () => {
    await ask('tx.select')
    const message = framesOf(TRANSACTION_BYTES_MAX / 4 - NO_PROPERTIES_BYTES)
    for (let count = 0; count < 4; count++) peer.sendBytes(message)
    expect(await ask('tx.commit')).toMatchObject({ name: 'tx.commit-ok' })
    const counted = await ask('queue.declare', { queue: 'q', passive: true })
    expect(counted?.fields).toMatchObject({ messageCount: 4 })
  })

  it('a message counts for each queue that a transaction would bring it to', async () => {
    await ask('queue.declare', { queue: 'r' })
    for (const queue of ['q', 'r']) await ask('queue.bind', { queue, exchange: 'amq.fanout' })
    await ask('tx.select')
    const message = framesOf(TRANSACTION_BYTES_MAX / 4, 'amq.fanout')
    for (let count = 0; count < 2; count++) peer.sendBytes(message)
    const refused = await ask('tx.commit')
    expect(refused).toMatchObject({ name: 'channel.close', fields: { replyCode: 406 } })
    peer.send(1, 'channel.close-ok')
    await ask('channel.open')
    for (const queue of ['q', 'r']) {
      const counted = await ask('queue.declare', { queue, passive: true })
      expect(counted?.fields).toMatchObject({ messageCount: 0 })
    }
  })
})
