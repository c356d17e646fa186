import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BrokerError } from '@millrace/codec'
import * as protocol from '@millrace/protocol'
import { Opcode } from '@millrace/protocol'
import type { Client } from '../../src/client.ts'
import { openClient } from '../../src/open-client.ts'
import { type ConnectOptions, resolveOptions } from '../../src/options.ts'
import { CLIENT_VERSION } from '../../src/session/handshake.ts'
import { FakeBroker } from '../support/fake-broker.ts'
import { FakePlatform, settle } from '../support/fake-platform.ts'
import { MemoryTransport } from '../support/memory-transport.ts'
import { ADDRESS, codeOf, openFake, textOf } from '../support/open-fake.ts'

interface Attempt {
  readonly platform: FakePlatform
  readonly broker: FakeBroker
  readonly transport: MemoryTransport
  open(options?: ConnectOptions): Promise<Client>
}

const attempt = (): Attempt => {
  const platform = new FakePlatform()
  const broker = new FakeBroker()
  const transport = new MemoryTransport((link) => broker.accept(link))
  const open = (options: ConnectOptions = {}): Promise<Client> =>
    openClient(transport, platform, ADDRESS, resolveOptions(options, '/sales'))
  return { platform, broker, transport, open }
}

describe('the handshake', () => {
  it('says in its first frame who it is, byte for byte', async () => {
    const { link } = await openFake(undefined, { namespace: 'n', clientName: 'c' })
    const body = protocol.encodeControl({
      magic: 'millrace',
      versions: [1],
      namespace: 'n',
      mechanism: 'ANONYMOUS',
      client: { name: 'c', version: CLIENT_VERSION },
      features: ['queues'],
      codecs: ['none'],
      heartbeatMs: 15_000,
      frameBytesMax: 262_144,
    })
    const header = [0, 0, 0, body.length + 8, 0x01, 0, 0, 0, 0, 0, 0, 1]
    expect([...(link.writes[0] as Uint8Array)]).toEqual([...header, ...body])
  })

  it('names the version of its package', () => {
    const text = readFileSync(join(__dirname, '../../package.json'), 'utf8')
    expect(CLIENT_VERSION).toBe((JSON.parse(text) as { version: string }).version)
  })

  it('takes the namespace of the URL unless the options name one', async () => {
    const { broker, open } = attempt()
    await open()
    await open({ namespace: '/other' })
    const namespaces = broker.requests.map(({ body }) => protocol.decodeConnect(body).namespace)
    expect(namespaces).toEqual(['/sales', '/other'])
  })

  it('reads a large frame that follows CONNECTED in the same chunk', async () => {
    const { broker, open } = attempt()
    broker.intercept = ({ correlation }) => {
      const reason = 'r'.repeat(20_000)
      const goAway = protocol.encodeGoAway({ code: 8, reason, reconnectAfterMs: 1 })
      const connected = protocol.encodeConnected(broker.connected)
      const first = protocol.encodeFrame(Opcode.CONNECTED, 0, correlation, connected)
      const second = protocol.encodeFrame(Opcode.GO_AWAY, 0, 0, goAway)
      broker.pushRaw(Uint8Array.from([...first, ...second]))
      return true
    }
    const client = await open()
    await settle()
    expect(client.broker.version).toBe(1)
  })

  it('rejects with the error the broker answers', async () => {
    const { broker, open } = attempt()
    broker.intercept = (request) => {
      broker.fail(request, new BrokerError('ERR_NAMESPACE_NOT_FOUND', ['/sales']))
      return true
    }
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_NAMESPACE_NOT_FOUND',
      message: "namespace '/sales' does not exist",
    })
  })

  it('refuses a version it did not offer', async () => {
    const { broker, open } = attempt()
    broker.connected = { ...broker.connected, version: 2 }
    expect(await textOf(open())).toMatch(/the broker chose version 2 of 1/)
    await settle()
    expect(broker.isClosed).toBe(true)
  })

  it('says what to try when nobody listens', async () => {
    const { transport, open } = attempt()
    transport.failure = new Error('connect ECONNREFUSED')
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_CONNECT_FAILED',
      retriable: true,
      message:
        'cannot reach millrace://127.0.0.1:7420: connect ECONNREFUSED: start a broker with ' +
        '`npm start`, or name one with connect(url) or MILLRACE_URL',
    })
  })

  it.each([9_999, 10_000])('gives up after connectTimeoutMs, not before (%d ms)', async (ms) => {
    const { platform, transport, open } = attempt()
    transport.isSilent = true
    let outcome: unknown = 'waiting'
    const opening = codeOf(open()).then((code) => (outcome = code))
    await settle()
    platform.advance(ms)
    await settle()
    expect(outcome).toBe(ms < 10_000 ? 'waiting' : 'ERR_CONNECT_FAILED')
    platform.advance(10_000)
    await opening
    expect(platform.timerCount).toBe(0)
  })

  it('gives up when the broker accepts and says nothing', async () => {
    const { platform, broker, open } = attempt()
    broker.intercept = () => true
    const text = textOf(open({ connectTimeoutMs: 500 }))
    await settle()
    platform.advance(500)
    expect(await text).toMatch(/no answer within 500 ms/)
    await settle()
    expect(broker.isClosed).toBe(true)
  })

  it.each(['before', 'while connecting', 'while shaking hands'])(
    'ends on abort %s',
    async (when) => {
      const { broker, transport, open } = attempt()
      const controller = new AbortController()
      if (when === 'before') controller.abort()
      transport.isSilent = when === 'while connecting'
      broker.intercept = () => true
      const code = codeOf(open({ signal: controller.signal }))
      await settle()
      controller.abort()
      expect(await code).toBe('ERR_ABORTED')
    },
  )

  it('reports a broker that hangs up, and one that speaks something else', async () => {
    const first = attempt()
    first.broker.intercept = () => {
      first.broker.link?.end()
      return true
    }
    expect(await textOf(first.open())).toMatch(/the broker ended it/)
    const second = attempt()
    second.broker.intercept = () => {
      second.broker.pushRaw(new TextEncoder().encode('HTTP/1.1 400 Bad Request\r\n'))
      return true
    }
    expect(await textOf(second.open())).toMatch(/speaks HTTP, not the Millrace protocol/)
  })

  it('answers challenges until the broker is satisfied', async () => {
    const { broker, open } = attempt()
    const steps: number[] = []
    broker.connected = { ...broker.connected, authenticated: false, challenge: Uint8Array.of(1) }
    broker.intercept = (request) => {
      if (request.opcode !== Opcode.AUTHENTICATE) return false
      steps.push(protocol.decodeAuthenticate(request.body).response[0] as number)
      const challenge = Uint8Array.of(2)
      const answer = { authenticated: steps.length === 2, challenge }
      broker.reply(request, protocol.encodeAuthenticated(answer))
      return true
    }
    const respond = (challenge: Uint8Array): Uint8Array =>
      Uint8Array.of((challenge[0] as number) * 10)
    await open({ authenticator: { mechanism: 'X', initial: Uint8Array.of(9), respond } })
    expect(steps).toEqual([10, 20])
    const { mechanism, initial } = protocol.decodeConnect(broker.requests[0]?.body as Uint8Array)
    expect([mechanism, initial]).toEqual(['X', Uint8Array.of(9)])
  })

  it('does not ask for ever, and not without an authenticator', async () => {
    const { broker, open } = attempt()
    broker.connected = { ...broker.connected, authenticated: false }
    expect(await codeOf(open())).toBe('ERR_NOT_AUTHENTICATED')
    let steps = 0
    broker.intercept = (request) => {
      if (request.opcode !== Opcode.AUTHENTICATE) return false
      steps += 1
      broker.reply(request, protocol.encodeAuthenticated({ authenticated: false }))
      return true
    }
    const authenticator = { mechanism: 'X', respond: () => new Uint8Array(0) }
    expect(await codeOf(open({ authenticator }))).toBe('ERR_AUTHENTICATION_FAILED')
    expect(steps).toBe(16)
  })
})

describe('the options', () => {
  it.each([
    ['connectTimeoutMs', 0],
    ['connectTimeoutMs', 3_600_001],
    ['requestTimeoutMs', 0],
    ['heartbeatMs', -1],
    ['heartbeatMs', 3_600_001],
    ['heartbeatMs', 1.5],
  ])('refuse %s of %d', (name, value) => {
    expect(() => resolveOptions({ [name]: value }, '/')).toThrow(`argument '${name}'`)
  })

  it('take the ends of their ranges', () => {
    const options = { connectTimeoutMs: 1, requestTimeoutMs: 3_600_000, heartbeatMs: 0 }
    expect(resolveOptions(options, '/')).toMatchObject(options)
  })
})
