/** Nothing twice, nothing lost: what an idempotent producer does when answers fail or do not come. */
import {
  BrokerError,
  type ErrorCode,
  batchBaseSequence,
  batchProducerEpoch,
  batchProducerId,
  decodeRecords,
  utf8Decode,
} from '@millrace/codec'
import * as protocol from '@millrace/protocol'
import { Opcode } from '@millrace/protocol'
import type { ConnectOptions } from '../../src/options.ts'
import type { Producer } from '../../src/producer/producer.ts'
import type { ProducerOptions } from '../../src/producer/producer-options.ts'
import { type Cluster, openCluster } from '../support/cluster.ts'
import type { FakeBroker, FakeTopic, Request } from '../support/fake-broker.ts'
import { settle } from '../support/fake-platform.ts'
import { codeOf, textOf } from '../support/open-fake.ts'

interface Stage extends Cluster {
  readonly broker: FakeBroker
  readonly producer: Producer<string>
  /** PRODUCE requests that wait for the test's verdict. */
  readonly held: Request[]
  /** One batch per text; the outcome is the offset or the code. */
  sendEach(...texts: string[]): Promise<Promise<unknown>[]>
  accept(...indexes: number[]): Promise<void>
  /** Does what it can with it, and the answer is lost. */
  swallow(...indexes: number[]): Promise<void>
  refuse(index: number, code?: ErrorCode): Promise<void>
  /** Lets a pause before a resend pass. */
  pause(): Promise<void>
  stored(): string[]
}

const stage = async (
  options: ProducerOptions<string> = {},
  connectOptions: ConnectOptions = {},
): Promise<Stage> => {
  const cluster = await openCluster(1, (it) => void it.createTopic('t'), {
    requestTimeoutMs: 1_000,
    ...connectOptions,
  })
  const { client, brokers, platform } = cluster
  const broker = brokers[0] as FakeBroker
  const producer = client.producer<string>('t', { codec: 'string', ...options })
  await producer.ready()
  const held: Request[] = []
  broker.intercept = (request) => request.opcode === Opcode.PRODUCE && held.push(request) > 0
  return {
    ...cluster,
    broker,
    producer,
    held,
    sendEach: async (...texts) => {
      const outcomes: Promise<unknown>[] = []
      for (const text of texts) {
        const sending = producer.send(text)
        outcomes.push(codeOf(sending).then(async (code) => code ?? (await sending).offset))
        await settle()
      }
      return outcomes
    },
    accept: async (...indexes) => {
      for (const index of indexes) broker.handle(held[index] as Request)
      await settle()
    },
    swallow: async (...indexes) => {
      const { push } = broker
      broker.push = () => undefined
      for (const index of indexes) broker.handle(held[index] as Request)
      broker.push = push
      await settle()
    },
    refuse: async (index, code = 'ERR_STORAGE_FULL') => {
      broker.fail(held[index] as Request, new BrokerError(code))
      await settle()
    },
    pause: async () => {
      platform.advance(50)
      await settle()
    },
    stored: () =>
      (broker.topics.get('t')?.partitions[0]?.batches ?? []).flatMap(({ bytes }) =>
        decodeRecords(bytes).map(({ value }) => utf8Decode(value as Uint8Array)),
      ),
  }
}

const batchOf = ({ body }: Request): Uint8Array => protocol.decodeProduce(body).batch

const stampsOf = (requests: readonly Request[]): number[][] =>
  requests.map((request) => {
    const batch = batchOf(request)
    return [batchProducerId(batch), batchProducerEpoch(batch), batchBaseSequence(batch)]
  })

const ID = 1_001

describe('the stamp', () => {
  it('counts the records of each partition, under one number for the whole producer', async () => {
    const { client, brokers } = await openCluster(1, (it) => void it.createTopic('t', 2))
    const producer = client.producer<string>('t')
    for (const [value, partition] of [
      ['a', 0],
      ['b', 1],
      ['c', 0],
    ] as const) {
      await producer.send({ value, partition })
      await producer.send({ value, partition })
    }
    const requests = brokers[0]!.requests.filter(({ opcode }) => opcode === Opcode.PRODUCE)
    expect(stampsOf(requests)).toEqual([
      [ID, 0, 0],
      [ID, 0, 1],
      [ID, 0, 0],
      [ID, 0, 1],
      [ID, 0, 2],
      [ID, 0, 3],
    ])
    expect(brokers[0]!.countOf(Opcode.INIT_PRODUCER)).toBe(1)
    await client.close()
  })

  it('is another number for another producer, and none without idempotence', async () => {
    const { client, brokers } = await openCluster(1, (it) => void it.createTopic('t'))
    await client.producer('t').send(1)
    await client.producer('t').send(1)
    await client.producer('t', { idempotent: false }).send(1)
    await client.producer('t', { durability: 'none' }).send(1)
    await settle()
    const requests = brokers[0]!.requests.filter(({ opcode }) => opcode === Opcode.PRODUCE)
    expect(stampsOf(requests)).toEqual([
      [ID, 0, 0],
      [ID + 1, 0, 0],
      [-1, -1, -1],
      [-1, -1, -1],
    ])
    await client.close()
  })

  it('cannot be asked for where nothing is ever sent again', async () => {
    const { client } = await openCluster()
    expect(() => client.producer('t', { durability: 'none', idempotent: true })).toThrow(
      "argument 'idempotent' is not valid",
    )
    await client.close()
  })

  it('says what to do when the broker has none to give', async () => {
    const { client, brokers } = await openCluster(1, (it) => void it.createTopic('t'))
    brokers[0]!.intercept = (request) => {
      if (request.opcode !== Opcode.INIT_PRODUCER) return false
      brokers[0]!.fail(request, new BrokerError('ERR_UNKNOWN_OPCODE', [request.opcode]))
      return true
    }
    expect(await textOf(client.producer('t').send(1))).toContain('idempotent: false')
    await client.close()
  })
})

describe('a lost connection', () => {
  it('has every unanswered batch sent again, the same bytes, in order, before new ones', async () => {
    const { sendEach, swallow, accept, held, drop, recover, stored } = await stage()
    const outcomes = await sendEach('a', 'b', 'c')
    await swallow(0, 1)
    await drop()
    outcomes.push(...(await sendEach('d')))
    await recover()
    expect(held).toHaveLength(7)
    for (const index of [0, 1, 2]) {
      expect(batchOf(held[index + 3] as Request)).toEqual(batchOf(held[index] as Request))
    }
    await accept(3, 4, 5, 6)
    expect(await Promise.all(outcomes)).toEqual([0, 1, 2, 3])
    expect(stored()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('again and again stores everything once', async () => {
    const { sendEach, swallow, accept, held, drop, recover, stored } = await stage()
    const outcomes: Promise<unknown>[] = []
    for (const text of ['a', 'b', 'c', 'd']) {
      outcomes.push(...(await sendEach(text)))
      await swallow(held.length - 1)
      await drop()
      await recover()
    }
    await accept(...[...held.keys()].slice(-4))
    expect(await Promise.all(outcomes)).toEqual([0, 1, 2, 3])
    expect(stored()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('long after is no duplicate either, though the offset is not known any more', async () => {
    const { sendEach, swallow, accept, held, drop, recover, stored } = await stage()
    const outcomes = await sendEach('a', 'b', 'c', 'd', 'e', 'f')
    await swallow(0, 1, 2, 3, 4, 5)
    await drop()
    await recover()
    await accept(...[...held.keys()].slice(6))
    expect(await Promise.all(outcomes)).toEqual([-1, 1, 2, 3, 4, 5])
    expect(stored()).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })

  it('keeps what comes meanwhile, up to bufferedBytesMax, and then says so', async () => {
    const { producer, drop, recover, accept, held, stored } = await stage({ bufferedBytesMax: 200 })
    await drop()
    const text = 'x'.repeat(100)
    expect(producer.write(text)).toBe(true)
    expect(producer.write(text)).toBe(false)
    producer.write(text)
    producer.write(text)
    expect(() => producer.write(text)).toThrow('await ready() when write() returns false')
    const waiting = producer.send('y')
    await recover()
    await accept(0)
    await settle()
    await accept(...[...held.keys()].slice(1))
    await waiting
    expect(stored()).toEqual([text, text, text, text, 'y'])
  })

  it('that lasts too long fails what waits, and what was sent as unknown', async () => {
    const { producer, drop, transport, platform, client } = await stage({
      deliveryTimeoutMs: 5_000,
    })
    const sent = textOf(producer.send('sent'))
    await settle()
    transport.failure = new Error('ECONNREFUSED')
    await drop()
    const waiting = textOf(producer.send('waiting'))
    await settle()
    platform.advance(4_999)
    await settle()
    const late = textOf(producer.send('late'))
    platform.advance(1)
    await settle()
    expect(await sent).toContain('may or may not have been stored')
    expect(await waiting).toBe(
      'no answer within 5000 ms: it could not be sent: there is no connection',
    )
    expect(producer.bufferedBytes).toBeGreaterThan(0)
    platform.advance(5_000)
    await settle()
    expect(await late).toContain('could not be sent')
    expect(producer.bufferedBytes).toBe(0)
    await client.close()
  })

  it('before the topic was ever open fails what waits for it in time', async () => {
    const { client, transport, drop, platform } = await openCluster()
    transport.failure = new Error('ECONNREFUSED')
    await drop()
    const producer = client.producer<string>('new', { deliveryTimeoutMs: 5_000 })
    const sending = codeOf(producer.send('a'))
    await settle()
    platform.advance(5_000)
    await settle()
    expect(await sending).toBe('ERR_TIMED_OUT')
    await client.close()
  })

  it('does not create a topic again that was deleted meanwhile', async () => {
    const { producer, broker, drop, recover, client } = await stage()
    await drop()
    broker.topics.clear()
    const sending = codeOf(producer.send('a'))
    await recover()
    expect(await sending).toBe('ERR_TOPIC_NOT_FOUND')
    expect(broker.topics.size).toBe(0)
    await client.close()
  })

  it('to a topic that was created again meanwhile stores everything there, once', async () => {
    const { sendEach, swallow, accept, broker, held, drop, recover, stored } = await stage()
    const outcomes = await sendEach('a', 'b')
    await swallow(0)
    await drop()
    broker.topics.clear()
    broker.createTopic('t')
    await recover()
    expect(stampsOf(held.slice(2))).toEqual([
      [ID, 1, 0],
      [ID, 1, 1],
    ])
    await accept(2, 3)
    expect(await Promise.all(outcomes)).toEqual([0, 1])
    expect(stored()).toEqual(['a', 'b'])
  })
})

describe('a broker that goes away', () => {
  it('answers what it has before anything goes to the next connection', async () => {
    const { sendEach, accept, broker, held, platform, stored } = await stage()
    const outcomes = await sendEach('a')
    const old = broker.link
    broker.push(
      Opcode.GO_AWAY,
      0,
      protocol.encodeGoAway({ code: 8, reason: 'x', reconnectAfterMs: 0 }),
    )
    await settle()
    platform.advance(100)
    await settle()
    outcomes.push(...(await sendEach('b')))
    expect(held).toHaveLength(1)
    const now = broker.link
    broker.link = old
    broker.store(broker.topics.get('t') as FakeTopic, 0, batchOf(held[0] as Request))
    const produced = { baseOffset: 0, nextOffset: 1, timestampMs: -1, leaderEpoch: 0 } as const
    broker.reply(held[0] as Request, protocol.encodeProduced({ ...produced, durability: 2 }))
    broker.link = now
    await settle()
    expect(held).toHaveLength(2)
    const [, second] = held
    expect(stampsOf([second as Request])).toEqual([[ID, 0, 1]])
    expect(await outcomes[0]).toBe(0)
    await accept(1)
    expect(stored()).toEqual(['a'])
  })
})

describe('an answer that does not come', () => {
  it('has the batch sent again once everything else is answered', async () => {
    const { sendEach, swallow, accept, held, platform, pause, stored } = await stage()
    const outcomes = await sendEach('a', 'b')
    await swallow(0)
    await accept(1)
    platform.advance(1_000)
    await settle()
    await pause()
    expect(batchOf(held[2] as Request)).toEqual(batchOf(held[0] as Request))
    await accept(2)
    expect(await Promise.all(outcomes)).toEqual([0, 1])
    expect(stored()).toEqual(['a', 'b'])
  })
})

describe('a refusal', () => {
  it('has it and those behind it sent again, as they are, in order', async () => {
    const { sendEach, refuse, accept, held, pause, stored } = await stage()
    const outcomes = await sendEach('a', 'b', 'c')
    await refuse(0, 'ERR_STORAGE_FULL')
    await accept(1, 2)
    await pause()
    expect(stampsOf(held.slice(3))).toEqual(stampsOf(held.slice(0, 3)))
    await accept(3, 4, 5)
    expect(await Promise.all(outcomes)).toEqual([0, 1, 2])
    expect(stored()).toEqual(['a', 'b', 'c'])
  })

  it('for good has those behind it stamped again, in a new epoch', async () => {
    const { sendEach, refuse, accept, held, pause, stored } = await stage()
    const outcomes = await sendEach('a', 'b', 'c')
    await refuse(0, 'ERR_INVALID_BATCH')
    await accept(1, 2)
    await pause()
    expect(stampsOf(held.slice(3))).toEqual([
      [ID, 1, 0],
      [ID, 1, 1],
    ])
    await accept(3, 4)
    expect(await Promise.all(outcomes)).toEqual(['ERR_INVALID_BATCH', 0, 1])
    expect(stored()).toEqual(['b', 'c'])
  })

  it('of the last one has the next one begin a new epoch', async () => {
    const { sendEach, refuse, accept, held, stored } = await stage()
    const outcomes = await sendEach('a')
    await refuse(0, 'ERR_NOT_AUTHORIZED')
    outcomes.push(...(await sendEach('b')))
    expect(stampsOf(held.slice(1))).toEqual([[ID, 1, 0]])
    await accept(1)
    expect(await Promise.all(outcomes)).toEqual(['ERR_NOT_AUTHORIZED', 0])
    expect(stored()).toEqual(['b'])
  })

  it('of one, with the fate of the next unknown, changes no stamp before that is known', async () => {
    const { sendEach, refuse, swallow, accept, held, platform, pause, stored } = await stage()
    const outcomes = await sendEach('a', 'b', 'c')
    await refuse(0, 'ERR_INVALID_BATCH')
    await swallow(1)
    await accept(2)
    platform.advance(1_000)
    await settle()
    await pause()
    expect(stampsOf(held.slice(3))).toEqual(stampsOf(held.slice(1, 2)))
    await accept(3)
    await pause()
    expect(stampsOf(held.slice(4))).toEqual([
      [ID, 1, 0],
      [ID, 1, 1],
    ])
    await accept(4, 5)
    expect(await Promise.all(outcomes)).toEqual(['ERR_INVALID_BATCH', 0, 1])
    expect(stored()).toEqual(['b', 'c'])
  })
})

describe('an answer that does not say what became of it', () => {
  it('leaves the stamp as it is: the next answer shows it', async () => {
    const { sendEach, swallow, refuse, held, pause, accept, stored } = await stage()
    const outcomes = await sendEach('a', 'b')
    await swallow(0)
    await refuse(0, 'ERR_STORAGE_FAILED')
    await refuse(1, 'ERR_INVALID_BATCH')
    await pause()
    expect(stampsOf(held.slice(2))).toEqual([[ID, 0, 0]])
    await accept(2)
    outcomes.push(...(await sendEach('c')))
    expect(stampsOf(held.slice(3))).toEqual([[ID, 1, 0]])
    await accept(3)
    expect(await Promise.all(outcomes)).toEqual([0, 'ERR_INVALID_BATCH', 1])
    expect(stored()).toEqual(['a', 'c'])
  })

  it('for good says that it may have been stored', async () => {
    const { producer, refuse } = await stage()
    const text = textOf(producer.send('a'))
    await settle()
    await refuse(0, 'ERR_INTERNAL')
    expect(await text).toBe(
      'internal error: the messages in flight may or may not have been stored',
    )
  })
})

describe('a broker that forgot', () => {
  const forget = ({ broker }: Stage): void => {
    const topic = broker.topics.get('t') as FakeTopic
    topic.partitions[0]?.producers.clear()
  }

  it('is sent what it never had under another number', async () => {
    const at = await stage()
    const first = await at.sendEach('a')
    await at.accept(0)
    forget(at)
    const outcomes = await at.sendEach('b', 'c')
    await at.accept(1, 2)
    await at.pause()
    expect(stampsOf(at.held.slice(3))).toEqual([
      [ID + 1, 0, 0],
      [ID + 1, 0, 1],
    ])
    await at.accept(3, 4)
    expect(await Promise.all([...first, ...outcomes])).toEqual([0, 1, 2])
    expect(at.stored()).toEqual(['a', 'b', 'c'])
  })

  it('leaves unknown what it may have had, and says so', async () => {
    const at = await stage()
    void (await at.sendEach('a'))
    await at.accept(0)
    const text = textOf(at.producer.send('b'))
    await settle()
    await at.swallow(1)
    forget(at)
    await at.drop()
    const [later] = await at.sendEach('c')
    await at.recover()
    await at.accept(2)
    expect(await text).toContain('the messages in flight may or may not have been stored')
    await settle()
    await at.accept(3)
    await at.pause()
    await at.accept(4)
    expect(await later).toBe(2)
    expect(at.stored()).toEqual(['a', 'b', 'c'])
  })

  it('the end of what it had acknowledged gets what follows in a new epoch', async () => {
    const at = await stage()
    void (await at.sendEach('a', 'b'))
    await at.accept(0, 1)
    const topic = at.broker.topics.get('t') as FakeTopic
    const state = topic.partitions[0]?.producers.get(ID)
    Object.assign(state as object, { nextSequence: 1 })
    const [outcome] = await at.sendEach('c')
    await at.accept(2)
    await at.pause()
    expect(stampsOf(at.held.slice(3))).toEqual([[ID, 1, 0]])
    await at.accept(3)
    expect(await outcome).toBe(2)
  })

  it('and knows a batch that was never sent has given the number to somebody else', async () => {
    const at = await stage()
    const [outcome] = await at.sendEach('a')
    await at.refuse(0, 'ERR_DUPLICATE_SEQUENCE')
    await at.pause()
    expect(stampsOf(at.held.slice(1))).toEqual([[ID + 1, 0, 0]])
    await at.accept(1)
    expect(await outcome).toBe(0)
  })
})

it('sequences go on at 0 behind the largest', async () => {
  const { Sequencer } = await import('../../src/producer/sequencer.ts')
  const sequencer = new Sequencer()
  sequencer.use({ producerId: 1, epoch: 0 })
  const stamps: (number | undefined)[] = []
  const fake = (count: number): never =>
    ({
      count,
      isAssigned: false,
      restamp: ({ baseSequence }: { baseSequence: number }) => void stamps.push(baseSequence),
    }) as never
  sequencer.assign(fake(0x7fff_fffe))
  sequencer.assign(fake(1))
  sequencer.assign(fake(3))
  sequencer.assign(fake(1))
  expect(stamps).toEqual([0, 0x7fff_fffe, 0x7fff_ffff, 2])
})

it('a number whose epochs are used up is replaced', async () => {
  const { Sequencer } = await import('../../src/producer/sequencer.ts')
  const sequencer = new Sequencer()
  sequencer.use({ producerId: 1, epoch: 0x7ffe })
  sequencer.restart()
  expect(sequencer.isReady).toBe(true)
  sequencer.restart()
  expect(sequencer.isReady).toBe(false)
})
