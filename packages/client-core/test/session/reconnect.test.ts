/** What a client does when its connection is lost, or its broker goes away. */
import { BrokerError } from '@millrace/codec'
import * as protocol from '@millrace/protocol'
import { Opcode } from '@millrace/protocol'
import type { ClientStatus } from '../../src/status.ts'
import { addressOf, openCluster, prepare } from '../support/cluster.ts'
import type { Request } from '../support/fake-broker.ts'
import { settle } from '../support/fake-platform.ts'
import { codeOf, textOf } from '../support/open-fake.ts'

const goAway = (reconnectAfterMs = 0): Uint8Array =>
  protocol.encodeGoAway({ code: 8, reason: 'restart', reconnectAfterMs })

const typesOf = (statuses: readonly ClientStatus[]): string[] => statuses.map(({ type }) => type)

describe('a lost connection', () => {
  it('is made again, and requests go on', async () => {
    const { client, drop, recover, statuses } = await openCluster(1, (it) => it.createTopic('t'))
    await drop()
    expect(client.isOpen).toBe(false)
    await recover()
    expect(client.isOpen).toBe(true)
    expect((await client.admin.listTopics()).map(({ topic }) => topic)).toEqual(['t'])
    expect(typesOf(statuses)).toEqual(['reconnecting', 'connecting', 'connected'])
    await client.close()
  })

  it('is waited for by requests made meanwhile', async () => {
    const { client, drop, recover } = await openCluster(1, (it) => it.createTopic('t'))
    await drop()
    const creating = client.admin.createTopic('late')
    const fetching = client.fetch('t', 0, 0)
    await recover()
    await expect(creating).resolves.toMatchObject({ topic: 'late' })
    await expect(fetching).resolves.toMatchObject({ nextOffset: 0 })
    await client.close()
  })

  it('is not waited for longer than a request may take', async () => {
    const { client, transport, drop, platform } = await openCluster(1, undefined, {
      requestTimeoutMs: 1_000,
    })
    transport.unreachable.add(addressOf(0).url)
    await drop()
    const text = textOf(client.admin.listTopics())
    await settle()
    platform.advance(1_000)
    await settle()
    expect(await text).toContain('no answer within 1000 ms: there is no connection: ')
    await client.close()
  })

  it('has what is safe asked again, and fails the rest as unknown', async () => {
    const { client, brokers, drop, recover } = await openCluster(1, (it) => it.createTopic('t'))
    const [broker] = brokers
    broker!.intercept = () => true
    const safe = [
      client.admin.listTopics(),
      client.admin.describeTopic('t'),
      client.admin.listOffsets('t', 'end'),
      client.fetch('t', 0, 0),
    ]
    const unsafe = textOf(client.admin.createTopic('u'))
    await settle()
    broker!.intercept = undefined
    await drop()
    expect(await unsafe).toBe(
      'the connection was lost: ECONNRESET: it may or may not have happened',
    )
    await recover()
    await Promise.all(safe)
    await client.close()
  })

  it('has what was never sent asked on the next one, safe or not', async () => {
    const { client, brokers, drop, recover } = await openCluster(1, (it) => {
      it.connected = { ...it.connected, inFlightCountMax: 1 }
      it.intercept = ({ opcode }) => opcode === Opcode.TOPIC_LIST
    })
    const listing = client.admin.listTopics()
    const creating = client.admin.createTopic('behind')
    await settle()
    brokers[0]!.intercept = undefined
    await drop()
    await recover()
    await listing
    await expect(creating).resolves.toMatchObject({ topic: 'behind' })
    await client.close()
  })

  it('waits longer each time, with full jitter, up to the most', async () => {
    const { client, transport, drop, platform, statuses } = await openCluster(1)
    transport.unreachable.add(addressOf(0).url)
    platform.randomValue = 0.999_999
    await drop()
    for (let attempt = 0; attempt < 10; attempt++) {
      platform.advance(15_000)
      await settle()
    }
    const waits = statuses.flatMap((status) =>
      status.type === 'reconnecting' ? status.delayMs : [],
    )
    expect(waits.slice(0, 10)).toEqual([
      100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000,
    ])
    platform.randomValue = 0
    platform.advance(15_000)
    await settle()
    expect(statuses.at(-1)).toMatchObject({ type: 'reconnecting', delayMs: 1, attempt: 12 })
    await client.close()
  })

  it('begins with short waits again only when the last one lasted', async () => {
    const { client, drop, recover, platform, statuses } = await openCluster(1)
    await drop()
    await recover()
    await drop()
    await recover()
    platform.advance(5_000)
    await drop()
    const attempts = statuses.flatMap((it) => (it.type === 'reconnecting' ? it.attempt : []))
    expect(attempts).toEqual([1, 2, 1])
    await client.close()
  })

  it('is given up after attemptsMax, with the last error, and everybody is told', async () => {
    const cluster = await openCluster(1, undefined, { reconnect: { attemptsMax: 2 } })
    const { client, transport, drop, recover, statuses } = cluster
    const reading = codeOf(client.consume('t')[Symbol.asyncIterator]().next())
    await settle()
    transport.unreachable.add(addressOf(0).url)
    await drop()
    const waiting = codeOf(client.admin.listTopics())
    const sending = codeOf(client.producer('t').send(1))
    await recover()
    await recover()
    await expect(client.closed).resolves.toMatchObject({ code: 'ERR_CONNECT_FAILED' })
    expect(await Promise.all([waiting, sending, reading])).toEqual([
      'ERR_CONNECT_FAILED',
      'ERR_CONNECT_FAILED',
      'ERR_CONNECT_FAILED',
    ])
    await settle()
    expect(statuses.at(-1)).toMatchObject({
      type: 'closed',
      error: { code: 'ERR_CONNECT_FAILED' },
    })
    expect(() => client.producer('t')).toThrow('cannot reach')
  })

  it('is not tried again when the broker refuses for good', async () => {
    const { client, brokers, drop, recover } = await openCluster(1)
    brokers[0]!.intercept = (request) => {
      brokers[0]!.fail(request, new BrokerError('ERR_AUTHENTICATION_FAILED'))
      return true
    }
    await drop()
    await recover()
    await expect(client.closed).resolves.toMatchObject({ code: 'ERR_AUTHENTICATION_FAILED' })
  })

  it('leaves no timer when the client is closed meanwhile', async () => {
    const { client, drop, platform, statuses } = await openCluster(1)
    const producer = client.producer('t')
    await drop()
    producer.write('x')
    await client.close()
    await settle()
    expect(platform.timerCount).toBe(0)
    expect(await client.closed).toBeUndefined()
    expect(statuses.at(-1)).toEqual({ type: 'closed', error: undefined })
  })

  it('is noticed by a silent heartbeat too', async () => {
    const { client, brokers, platform } = await openCluster(1, (it) => {
      it.connected = { ...it.connected, heartbeatMs: 1_000 }
    })
    brokers[0]!.intercept = ({ opcode }) => opcode === Opcode.PING
    for (let tick = 0; tick < 5; tick++) {
      platform.advance(500)
      await settle()
    }
    brokers[0]!.intercept = undefined
    platform.advance(200)
    await settle()
    expect(brokers[0]!.connectionCount).toBe(2)
    expect(client.isOpen).toBe(true)
    await client.close()
  })
})

describe('several brokers', () => {
  it('are tried in turn, at first and later', async () => {
    const { connect, transport, platform } = prepare(3)
    transport.unreachable.add(addressOf(0).url)
    const client = await connect()
    expect(transport.dialed).toEqual([addressOf(0).url, addressOf(1).url])
    transport.link?.end()
    await settle()
    platform.advance(100)
    await settle()
    expect(transport.dialed.at(-1)).not.toBe(addressOf(1).url)
    await client.close()
  })

  it('are all named when none answers', async () => {
    const { connect, transport } = prepare(2)
    transport.failure = new Error('ECONNREFUSED')
    const text = await textOf(connect())
    expect(text).toContain(addressOf(0).url)
    expect(text).toContain(addressOf(1).url)
    expect(text).toContain('npm start')
  })

  it('are given up only when each of them refuses for good', async () => {
    const { client, brokers, drop, recover } = await openCluster(2)
    const refuse = (index: number): void => {
      brokers[index]!.intercept = (request) => {
        brokers[index]!.fail(request, new BrokerError('ERR_NAMESPACE_NOT_FOUND', ['x']))
        return true
      }
    }
    refuse(1)
    await drop()
    await recover()
    await recover()
    expect(client.isOpen).toBe(true)
    refuse(0)
    await drop()
    await recover()
    await recover()
    await expect(client.closed).resolves.toMatchObject({ code: 'ERR_NAMESPACE_NOT_FOUND' })
  })
})

describe('the first connection', () => {
  it('is tried once, unless retryInitial says otherwise', async () => {
    const { connect, transport, platform } = prepare(1)
    transport.failure = new Error('ECONNREFUSED')
    expect(await codeOf(connect())).toBe('ERR_CONNECT_FAILED')
    expect(transport.dialed).toHaveLength(1)
    const connecting = connect({ retryInitial: true })
    await settle()
    platform.advance(100)
    await settle()
    transport.failure = undefined
    platform.advance(15_000)
    await settle()
    await (await connecting).close()
  })

  it('is not tried again when it is refused for good, and ends on abort', async () => {
    const { connect, brokers, transport } = prepare(1)
    brokers[0]!.intercept = (request) => {
      brokers[0]!.fail(request, new BrokerError('ERR_AUTHENTICATION_FAILED'))
      return true
    }
    expect(await codeOf(connect({ retryInitial: true }))).toBe('ERR_AUTHENTICATION_FAILED')
    transport.failure = new Error('ECONNREFUSED')
    const controller = new AbortController()
    const connecting = codeOf(connect({ retryInitial: true, signal: controller.signal }))
    await settle()
    controller.abort()
    expect(await connecting).toBe('ERR_ABORTED')
  })
})

describe('a broker that goes away', () => {
  it('answers what it was asked, while new requests go to another one', async () => {
    const { client, brokers, platform, statuses } = await openCluster(2, (it) => {
      it.createTopic('t')
    })
    const held: Request[] = []
    brokers[0]!.intercept = (request) =>
      request.opcode === Opcode.TOPIC_CREATE && held.push(request) > 0
    const creating = client.admin.createTopic('slow')
    await settle()
    brokers[0]!.push(Opcode.GO_AWAY, 0, goAway(5_000))
    await settle()
    const listing = client.admin.listTopics()
    platform.advance(100)
    await settle()
    await listing
    expect(brokers[1]!.countOf(Opcode.TOPIC_LIST)).toBe(1)
    expect(brokers[0]!.countOf(Opcode.CLOSE)).toBe(0)
    brokers[0]!.handle(held[0] as Request)
    await settle()
    await expect(creating).resolves.toMatchObject({ topic: 'slow' })
    expect(brokers[0]!.countOf(Opcode.CLOSE)).toBe(1)
    expect(typesOf(statuses)).toEqual(['going-away', 'reconnecting', 'connecting', 'connected'])
    await client.close()
  })

  it('is waited for as long as it asks, when there is no other', async () => {
    const { client, brokers, platform } = await openCluster(1)
    brokers[0]!.push(Opcode.GO_AWAY, 0, goAway(5_000))
    await settle()
    platform.advance(4_999)
    await settle()
    expect(brokers[0]!.connectionCount).toBe(1)
    platform.advance(102)
    await settle()
    expect(brokers[0]!.connectionCount).toBe(2)
    await client.close()
  })

  it('cannot hold a client off for hours', async () => {
    const { client, brokers, platform } = await openCluster(1)
    brokers[0]!.push(Opcode.GO_AWAY, 0, goAway(86_400_000))
    await settle()
    platform.advance(60_101)
    await settle()
    expect(brokers[0]!.connectionCount).toBe(2)
    await client.close()
  })

  it('that refuses before it said so has its request asked elsewhere', async () => {
    const { client, brokers, platform } = await openCluster(2)
    brokers[0]!.intercept = (request) => {
      if (request.opcode !== Opcode.TOPIC_CREATE) return false
      brokers[0]!.fail(request, new BrokerError('ERR_GOING_AWAY'))
      return true
    }
    const creating = client.admin.createTopic('t')
    await settle()
    platform.advance(100)
    await expect(creating).resolves.toMatchObject({ topic: 't' })
    expect(brokers[1]!.topics.has('t')).toBe(true)
    await client.close()
  })
})

describe('the status', () => {
  it('is an iterator that begins with the present one and ends with closed', async () => {
    const { client, drop, recover } = await openCluster(1)
    const seen: string[] = []
    const watching = (async () => {
      for await (const { type } of client.status()) seen.push(type)
    })()
    await settle()
    await drop()
    await recover()
    await client.close()
    await watching
    expect(seen).toEqual(['connected', 'reconnecting', 'connecting', 'connected', 'closed'])
  })

  it('that nobody reads keeps the last hundred changes', async () => {
    const { client, transport, drop, recover } = await openCluster(1)
    const iterator = client.status()
    transport.unreachable.add(addressOf(0).url)
    await drop()
    for (let attempt = 0; attempt < 100; attempt++) await recover()
    await client.close()
    const seen: string[] = []
    for await (const { type } of iterator) seen.push(type)
    expect(seen).toHaveLength(100)
    expect(seen.at(-1)).toBe('closed')
  })

  it('may be left at any time', async () => {
    const { client } = await openCluster(1)
    for await (const { type } of client.status()) {
      expect(type).toBe('connected')
      break
    }
    await client.close()
  })
})
