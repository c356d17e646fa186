/** What a session promises, over everything that carries it. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeFetch, Opcode } from '@millrace/protocol'
import { createWebSocketStream, WebSocket } from 'ws'
import { type CertificatePair, makeAuthority, makeCertificate } from '../support/certificates.ts'
import { type FakeServer, startFakeServer } from '../support/fake-server.ts'
import { RawPeer } from '../support/raw-peer.ts'

let directory: string
let authority: CertificatePair
let fake: FakeServer
let peer: RawPeer

const overWebSocket = async (scheme: string, port: number): Promise<RawPeer> => {
  const options = { ca: authority.cert, servername: 'localhost' }
  const webSocket = new WebSocket(`${scheme}://127.0.0.1:${port}/ws`, 'millrace.v1', options)
  await once(webSocket, 'open')
  return RawPeer.over(createWebSocketStream(webSocket))
}

const transports: Readonly<Record<string, () => Promise<RawPeer>>> = {
  tcp: () => RawPeer.dial(fake.port),
  tls: () => RawPeer.dialTls(fake.server.ports.nativeTls ?? 0, { ca: authority.cert }),
  ws: () => overWebSocket('ws', fake.httpPort),
  wss: () => overWebSocket('wss', fake.server.ports.https ?? 0),
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-transports-'))
  authority = makeAuthority(directory, 'authority')
  makeCertificate(directory, authority, { name: 'broker' })
})

afterAll(() => rmSync(directory, { recursive: true }))

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe.each(Object.keys(transports))('over %s', (name) => {
  const dial = transports[name] as () => Promise<RawPeer>

  beforeEach(async () => {
    fake = await startFakeServer({
      'tls.certFile': join(directory, 'broker.crt'),
      'tls.keyFile': join(directory, 'broker.key'),
      'limits.outboundBytes': 1 << 20,
    })
    peer = await dial()
  })

  afterEach(async () => {
    peer.close()
    while (fake.server.connectionCount() > 0) await turn()
    expect(fake.broker.openLeases).toBe(0)
    await fake.stop()
  })

  it('carries records both ways', async () => {
    await peer.handshake()
    const handle = await peer.openTopic('orders')
    const sent = Array.from({ length: 20 }, (_, index) => 'x'.repeat(index * 10_000))
    for (const payload of sent) {
      peer.produce(handle, payload)
      await peer.take(Opcode.PRODUCED)
    }
    const fetch = { handle, partition: 0, offset: 0, flags: 0, minBytes: 0, maxWaitMs: 0 }
    peer.send(Opcode.FETCH, encodeFetch({ ...fetch, maxBytes: 1 << 20 }))
    const { body } = await peer.take(Opcode.FETCHED)
    expect(body.length).toBeGreaterThan(10_000)
  })

  it('answers CLOSE and closes', async () => {
    await peer.handshake()
    peer.send(Opcode.CLOSE)
    await peer.take(Opcode.CLOSED)
    await peer.closed()
  })

  it('says why it ends a session', async () => {
    peer.send(Opcode.TOPIC_LIST)
    expect((await peer.takeError()).code).toBe('ERR_UNEXPECTED_FRAME')
    await peer.closed()
  })

  it('says so when it stops, and ends the session', async () => {
    await peer.handshake()
    const stopped = fake.server.stop(1_000)
    await peer.take(Opcode.GO_AWAY)
    await peer.closed()
    await stopped
  })

  it('cuts off a peer that does not prove who it is in time', async () => {
    // A TLS client is through its handshake a little before the broker is.
    for (let count = 0; count < 50; count++) await turn()
    fake.environment.advance(10_500)
    expect((await peer.takeError()).code).toBe('ERR_HANDSHAKE_TIMEOUT')
    await peer.closed()
  })

  it('stops reading a peer that does not read, and cuts it off in the end', async () => {
    await peer.handshake()
    const handle = await peer.openTopic('orders')
    for (let index = 0; index < 20; index++) {
      peer.produce(handle, 'x'.repeat(200_000))
      await peer.take(Opcode.PRODUCED)
    }
    peer.socket.pause()
    const { rss } = process.memoryUsage()
    const all = { handle, partition: 0, offset: 0, flags: 0, minBytes: 0, maxWaitMs: 0 }
    const fetch = encodeFetch({ ...all, maxBytes: 4 << 20 })
    for (let index = 0; index < 50; index++) peer.send(Opcode.FETCH, fetch)
    const isCutOff = (): boolean =>
      fake.environment.lines.some(({ fields }) => fields['code'] === 'ERR_SLOW_CONSUMER')
    for (let round = 0; round < 400 && !isCutOff(); round++) {
      await turn()
      fake.environment.advance(100)
    }
    expect(isCutOff()).toBe(true)
    expect(process.memoryUsage().rss - rss).toBeLessThan(200 << 20)
  })
})
