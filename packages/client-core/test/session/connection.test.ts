import { BrokerError } from '@millrace/codec'
import * as protocol from '@millrace/protocol'
import { Opcode } from '@millrace/protocol'
import type { ClientStatus } from '../../src/client.ts'
import type { Request } from '../support/fake-broker.ts'
import { settle } from '../support/fake-platform.ts'
import { type Fixture, codeOf, ADDRESS, openFake, textOf } from '../support/open-fake.ts'

/** Holds every request of one opcode. */
const hold = ({ broker }: Fixture, opcode: number): Request[] => {
  const held: Request[] = []
  broker.intercept = (request) => request.opcode === opcode && held.push(request) > 0
  return held
}

describe('a connection', () => {
  it('understands a broker whose bytes arrive one at a time', async () => {
    const { client, link } = await openFake((broker) => broker.createTopic('t', 3))
    link.chunkBytes = 1
    const description = await client.admin.describeTopic('t')
    expect(description.partitions).toHaveLength(3)
    await client.producer('t').send({ value: { a: 1 }, partition: 2 })
    const { messages } = await client.fetch('t', 2, 0)
    expect(messages[0]?.payload).toEqual({ a: 1 })
  })

  it('sends what one turn produced in one write', async () => {
    const { client, link } = await openFake((broker) => broker.createTopic('t'))
    const before = link.writes.length
    await Promise.all([1, 2, 3].map(() => client.admin.describeTopic('t')))
    expect(link.writes).toHaveLength(before + 1)
  })

  it('echoes the body of a ping', async () => {
    const { broker } = await openFake()
    broker.push(Opcode.PING, 77, Uint8Array.of(1, 2, 3))
    await settle()
    const pong = broker.requests.at(-1)
    expect(pong).toMatchObject({
      opcode: Opcode.PONG,
      correlation: 77,
      body: Uint8Array.of(1, 2, 3),
    })
  })

  it('keeps what waits while the link is full, and goes on when it drains', async () => {
    const { client, link, broker } = await openFake((fake) => fake.createTopic('t'))
    link.hasRoom = false
    const first = client.admin.describeTopic('t')
    await first
    const second = client.admin.describeTopic('t')
    await settle()
    expect(broker.countOf(Opcode.TOPIC_DESCRIBE)).toBe(1)
    link.drain()
    await second
    expect(broker.countOf(Opcode.TOPIC_DESCRIBE)).toBe(2)
  })

  it('leaves no more requests unanswered than the broker allows', async () => {
    const fixture = await openFake((fake) => {
      fake.connected = { ...fake.connected, inFlightCountMax: 3 }
      fake.createTopic('t')
    })
    const { broker, client } = fixture
    const held = hold(fixture, Opcode.TOPIC_DESCRIBE)
    const all = [1, 2, 3, 4, 5].map(() => client.admin.describeTopic('t'))
    await settle()
    expect(held).toHaveLength(3)
    broker.handle(held[1] as Request)
    await settle()
    expect(held).toHaveLength(4)
    for (const request of [0, 2, 3]) broker.handle(held[request] as Request)
    await settle()
    broker.handle(held[4] as Request)
    await expect(Promise.all(all)).resolves.toHaveLength(5)
  })

  it('refuses the request that no longer fits behind the limit', async () => {
    const fixture = await openFake((fake) => {
      fake.connected = { ...fake.connected, inFlightCountMax: 1 }
      fake.createTopic('t')
    })
    const { client } = fixture
    hold(fixture, Opcode.TOPIC_LIST)
    const all = Array.from({ length: 10_001 }, () => codeOf(client.admin.listTopics()))
    expect(await codeOf(client.admin.listTopics())).toBe('ERR_BUSY')
    await client.close()
    const codes = await Promise.all(all)
    expect(new Set(codes)).toEqual(new Set(['ERR_CLOSED']))
  })
})

describe('a request', () => {
  it('times out, says that it may have happened, and its late answer hurts nobody', async () => {
    const fixture = await openFake((fake) => fake.createTopic('t'), { requestTimeoutMs: 1_000 })
    const { broker, client, platform } = fixture
    const held = hold(fixture, Opcode.TOPIC_DESCRIBE)
    const text = textOf(client.admin.describeTopic('t'))
    await settle()
    platform.advance(999)
    await settle()
    expect(client.isOpen).toBe(true)
    platform.advance(1)
    expect(await text).toBe('no answer within 1000 ms: it may or may not have happened')
    broker.handle(held[0] as Request)
    broker.intercept = undefined
    await expect(client.admin.describeTopic('t')).resolves.toMatchObject({ topic: 't' })
  })

  it('that was never sent says so when it times out', async () => {
    const fixture = await openFake(
      (fake) => {
        fake.connected = { ...fake.connected, inFlightCountMax: 1 }
      },
      { requestTimeoutMs: 1_000 },
    )
    const { client, platform } = fixture
    const held = hold(fixture, Opcode.TOPIC_LIST)
    const texts = [textOf(client.admin.listTopics()), textOf(client.admin.listTopics())]
    await settle()
    platform.advance(1_000)
    expect(await Promise.all(texts)).toEqual([
      'no answer within 1000 ms: it may or may not have happened',
      'no answer within 1000 ms: it was not sent',
    ])
    expect(held).toHaveLength(1)
  })

  it('ends at once on abort, and leaves the connection as it was', async () => {
    const fixture = await openFake()
    const { broker, client } = fixture
    const held = hold(fixture, Opcode.TOPIC_LIST)
    const controller = new AbortController()
    const listing = client.admin.listTopics({ signal: controller.signal })
    await settle()
    controller.abort('enough')
    await expect(listing).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: 'enough' })
    broker.handle(held[0] as Request)
    broker.intercept = undefined
    await expect(client.admin.listTopics()).resolves.toEqual([])
    expect(await codeOf(client.admin.listTopics({ signal: controller.signal }))).toBe('ERR_ABORTED')
  })
})

describe('a broker that misbehaves', () => {
  const cases: readonly (readonly [string, (fixture: Fixture) => void, RegExp])[] = [
    [
      'garbage',
      ({ broker }) => broker.pushRaw(new Uint8Array(64).fill(0xff)),
      /not valid: frame of/,
    ],
    ['an answer nobody asked for', ({ broker }) => broker.push(0x91, 4711), /nothing was asked/],
    [
      'an answer of another kind',
      ({ broker }) => {
        broker.intercept = (request) => {
          broker.push(Opcode.PRODUCED, request.correlation, new Uint8Array(32))
          return true
        }
      },
      /PRODUCED is not allowed where TOPIC_LISTED was asked for/,
    ],
    [
      'an answer that cannot be read',
      ({ broker }) => {
        broker.intercept = (request) => {
          broker.reply(request, Uint8Array.of(0xc1))
          return true
        }
      },
      /an answer is not valid: malformed body/,
    ],
    [
      'a delivery for nobody',
      ({ broker }) => broker.push(Opcode.DELIVER, 9, new Uint8Array(24)),
      /DELIVER is not allowed for subscription 9, which does not exist/,
    ],
    [
      'a request only clients make',
      ({ broker }) => broker.push(Opcode.FETCH, 1),
      /FETCH is not allowed from a broker/,
    ],
    [
      'an error about the connection',
      ({ broker }) => {
        const error = new BrokerError('ERR_HEARTBEAT_TIMEOUT', [5])
        broker.push(Opcode.ERROR, 0, protocol.encodeErrorBody(protocol.errorBodyOf(error)))
      },
      /the broker says: nothing received for 5 ms/,
    ],
    ['a hang-up', ({ broker }) => broker.link?.end(), /the broker ended it/],
    ['a broken line', ({ broker }) => broker.link?.end(new Error('ECONNRESET')), /ECONNRESET/],
  ]

  it('ignores a push that only a later broker knows', async () => {
    const { client, broker } = await openFake()
    broker.push(0x3f, 0, Uint8Array.of(1, 2, 3))
    await settle()
    expect(await client.admin.listTopics()).toEqual([])
  })

  it.each(cases)('%s: everybody who waits is told why', async (_name, misbehave, text) => {
    const fixture = await openFake()
    const { broker, client } = fixture
    const statuses: ClientStatus[] = []
    client.on('status', (status) => statuses.push(status))
    broker.intercept = () => true
    const waiting = client.admin.listTopics().catch((error: unknown) => error)
    await settle()
    misbehave(fixture)
    if (broker.requests.length > 0) broker.intercept?.(broker.requests.at(-1) as Request)
    await expect(waiting).resolves.toMatchObject({
      code: 'ERR_CONNECTION_LOST',
      retriable: true,
      message: expect.stringMatching(text) as string,
    })
    await expect(client.closed).resolves.toMatchObject({ code: 'ERR_CONNECTION_LOST' })
    await settle()
    expect(statuses).toMatchObject([{ type: 'closed', error: { code: 'ERR_CONNECTION_LOST' } }])
    expect(client.isOpen).toBe(false)
    expect(await codeOf(client.admin.listTopics())).toBe('ERR_CONNECTION_LOST')
    expect(() => client.producer('t')).toThrow(/the connection was lost/)
    expect(broker.isClosed).toBe(true)
  })
})

describe('a broker that claims it may send 4 GiB at once', () => {
  it('is not believed', async () => {
    const { broker, client } = await openFake((fake) => {
      fake.connected = { ...fake.connected, bodyBytesMax: 0xffff_ffff }
    })
    const body = new Uint8Array(protocol.BODY_BYTES_MAX + 1)
    broker.push(Opcode.DELIVER, 1, body)
    expect((await client.closed)?.message).toContain(
      `body of ${body.length} bytes exceeds the limit of ${protocol.BODY_BYTES_MAX}`,
    )
  })
})

describe('a broker that goes away', () => {
  it('still answers what was asked, and gets nothing new', async () => {
    const fixture = await openFake()
    const { broker, client } = fixture
    const statuses: ClientStatus[] = []
    client.on('status', (status) => statuses.push(status))
    const held = hold(fixture, Opcode.TOPIC_LIST)
    const listing = client.admin.listTopics()
    await settle()
    const goAway = { code: 8, reason: 'restart', reconnectAfterMs: 250 }
    broker.push(Opcode.GO_AWAY, 0, protocol.encodeGoAway(goAway))
    await settle()
    const { url } = ADDRESS
    expect(statuses).toEqual([
      { type: 'going-away', url, reason: 'restart', reconnectAfterMs: 250 },
    ])
    expect(await codeOf(client.admin.listTopics())).toBe('ERR_GOING_AWAY')
    broker.handle(held[0] as Request)
    await expect(listing).resolves.toEqual([])
  })
})
