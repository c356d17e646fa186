/** `auth` of `connect`: what goes to the broker, what does not, and how it is renewed. */
import { BrokerError, utf8Decode } from '@millrace/codec'
import * as protocol from '@millrace/protocol'
import { Opcode } from '@millrace/protocol'
import { openClient } from '../../src/open-client.ts'
import { type ConnectOptions, resolveOptions } from '../../src/options.ts'
import type { BrokerAddress } from '../../src/transport.ts'
import { type Cluster, openCluster } from '../support/cluster.ts'
import type { FakeBroker, Request } from '../support/fake-broker.ts'
import { FakeBroker as Broker } from '../support/fake-broker.ts'
import { FakePlatform, settle } from '../support/fake-platform.ts'
import { MemoryTransport } from '../support/memory-transport.ts'
import { codeOf, textOf } from '../support/open-fake.ts'

const connectBodies = (broker: FakeBroker): protocol.Connect[] =>
  broker.requests
    .filter(({ opcode }) => opcode === Opcode.CONNECT)
    .map(({ body }) => protocol.decodeConnect(body))

const initialOf = (broker: FakeBroker): string[] =>
  connectBodies(broker).map(({ initial }) => utf8Decode(initial ?? new Uint8Array(0)))

const open = async (scheme: BrokerAddress['scheme'], host: string, auth: unknown) => {
  const platform = new FakePlatform()
  const broker = new Broker()
  const transport = new MemoryTransport((link) => broker.accept(link))
  const address = { scheme, host, port: 1, path: '', url: `${scheme}://${host}:1` }
  const options = resolveOptions({ auth, reconnect: false } as ConnectOptions, '/')
  const client = await openClient(transport, platform, address, options)
  await client.close()
  return broker
}

const password = { username: 'ann', password: 'secret', mechanism: 'PLAIN' } as const

describe('PLAIN', () => {
  it('is one message', async () => {
    const broker = await open('millrace', '127.0.0.1', password)
    expect(connectBodies(broker)).toMatchObject([{ mechanism: 'PLAIN' }])
    expect(initialOf(broker)).toEqual(['\0ann\0secret'])
  })

  it.each(['127.0.0.1', '127.8.9.1', 'localhost', '::1'])(
    'goes in the clear to %s',
    async (host) => {
      await open('millrace', host, password)
    },
  )

  it.each(['10.0.0.1', 'broker.example', '127.0.0.1.example', '1270.0.0.1'])(
    'goes to %s encrypted only, unless the program insists',
    async (host) => {
      for (const scheme of ['millrace', 'ws'] as const) {
        const text = await textOf(open(scheme, host, password))
        expect(text).toContain('unencrypted')
        expect(text).not.toContain('secret')
      }
      await open('millraces', host, password)
      await open('wss', host, password)
      await open('millrace', host, { ...password, allowInsecure: true })
    },
  )
})

describe('a token', () => {
  it('is shown as RFC 7628 says, fetched for each connection', async () => {
    let count = 0
    const auth = { token: () => Promise.resolve(`token-${++count}`) }
    const { client, brokers, drop, recover } = await openCluster(
      1,
      (broker) => void broker,
      // The fake broker's host is not this machine.
      { auth: { ...auth, allowInsecure: true } },
    )
    await drop()
    await recover()
    expect(connectBodies(brokers[0]!)[0]?.mechanism).toBe('OAUTHBEARER')
    expect(initialOf(brokers[0]!)).toEqual([
      'n,,\u0001auth=Bearer token-1\u0001\u0001',
      'n,,\u0001auth=Bearer token-2\u0001\u0001',
    ])
    await client.close()
  })

  it('goes encrypted only', async () => {
    expect(await textOf(open('millrace', '10.0.0.1', { token: 't' }))).toContain('unencrypted')
    await open('millraces', '10.0.0.1', { token: 't' })
  })

  it('that cannot be fetched, or is none, is an error without it', async () => {
    const failing = { token: () => Promise.reject(new Error('issuer away')) }
    expect(await textOf(open('millraces', 'b', failing))).toContain('issuer away')
    expect(await codeOf(open('millraces', 'b', failing))).toBe('ERR_CONNECT_FAILED')
    const odd = await textOf(open('millraces', 'b', { token: 'a b\u0001' }))
    expect(odd).toContain('auth.token')
    expect(odd).not.toContain('a b')
  })
})

it.each([
  ['no name', { username: '', password: 'x' }],
  ['no password', { username: 'x' }],
  ['another mechanism', { username: 'x', password: 'y', mechanism: 'MD5' }],
  ['nothing', {}],
])('refuses %s before it connects', (_name, auth) => {
  expect(() => resolveOptions({ auth } as ConnectOptions, '/')).toThrow('auth')
})

it('takes an authenticator or auth, not both', () => {
  const authenticator = { mechanism: 'X', respond: () => new Uint8Array(0) }
  expect(() => resolveOptions({ auth: password, authenticator }, '/')).toThrow('give one of them')
})

it('needs a platform with cryptography for SCRAM', async () => {
  const auth = { username: 'a', password: 'b' }
  expect(await codeOf(open('millrace', 'b', auth))).toBe('ERR_UNSUPPORTED_FEATURE')
})

describe('credentials that expire', () => {
  interface Stage extends Cluster {
    readonly broker: FakeBroker
    /** AUTHENTICATE requests that wait for an answer. */
    readonly held: Request[]
    fetchedCount(): number
  }

  const stage = async (fetch: (count: number) => string = String): Promise<Stage> => {
    let count = 0
    const held: Request[] = []
    const token = (): string => fetch(++count)
    const cluster = await openCluster(
      1,
      (broker) => {
        broker.connected = { ...broker.connected, expiresInMs: 10_000 }
        broker.intercept = (request) =>
          request.opcode === Opcode.AUTHENTICATE && held.push(request) > 0
      },
      { auth: { token, allowInsecure: true } },
    )
    const broker = cluster.brokers[0] as FakeBroker
    return { ...cluster, broker, held, fetchedCount: () => count }
  }

  const answer = ({ broker, held }: Stage, index: number, expiresInMs: number): void => {
    const body = protocol.encodeAuthenticated({ authenticated: true, expiresInMs })
    broker.reply(held[index] as Request, body)
  }

  it('are renewed on the open connection after four fifths of their time, again and again', async () => {
    const at = await stage()
    at.platform.advance(7_999)
    await settle()
    expect(at.held).toHaveLength(0)
    at.platform.advance(1)
    await settle()
    const shown = protocol.decodeAuthenticate((at.held[0] as Request).body)
    expect(shown.mechanism).toBe('OAUTHBEARER')
    expect(utf8Decode(shown.response)).toContain('Bearer 2')
    answer(at, 0, 20_000)
    await settle()
    at.platform.advance(16_000)
    await settle()
    expect(at.held).toHaveLength(2)
    expect(at.statuses).toEqual([])
    await at.client.close()
    expect(at.platform.timerCount).toBe(0)
  })

  it('are asked for again while there is time, when nobody gives new ones', async () => {
    const at = await stage((count) => {
      if (count === 2) throw new Error('away')
      return `t${count}`
    })
    at.platform.advance(8_000)
    await settle()
    expect([at.fetchedCount(), at.held.length]).toEqual([2, 0])
    at.platform.advance(1_000)
    await settle()
    expect([at.fetchedCount(), at.held.length]).toEqual([3, 1])
    await at.client.close()
  })

  it('and are over end the session; the next connection brings new ones', async () => {
    const at = await stage()
    const error = protocol.errorBodyOf(new BrokerError('ERR_CREDENTIALS_EXPIRED'))
    at.broker.push(Opcode.ERROR, 0, protocol.encodeErrorBody(error))
    await settle()
    await at.recover()
    expect(at.client.isOpen).toBe(true)
    expect(initialOf(at.broker).at(-1)).toContain('Bearer 2')
    await at.client.close()
  })
})
