/** TLS ports of the real server, by real TLS clients. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { Opcode } from '@millrace/protocol'
import type { ConfigValues } from '../../src/config/config-table.ts'
import type { CertificateFiles } from '../../src/net/certificates.ts'
import { TLS_HANDSHAKE_MS_MAX } from '../../src/limits.ts'
import { type CertificatePair, makeAuthority, makeCertificate } from '../support/certificates.ts'
import { type FakeServer, startFakeServer } from '../support/fake-server.ts'
import { RawPeer } from '../support/raw-peer.ts'

let directory: string
let authority: CertificatePair
let stranger: CertificatePair
let first: CertificatePair
let second: CertificatePair
let alice: CertificatePair
let mallory: CertificatePair
let fake: FakeServer
let contents: Map<string, string>

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-tls-'))
  authority = makeAuthority(directory, 'authority')
  stranger = makeAuthority(directory, 'stranger')
  first = makeCertificate(directory, authority, { name: 'first' })
  second = makeCertificate(directory, authority, { name: 'second' })
  const alternativeNames = 'DNS:alice.example,URI:spiffe://example/alice'
  alice = makeCertificate(directory, authority, {
    name: 'alice',
    subject: '/CN=alice',
    alternativeNames,
  })
  mallory = makeCertificate(directory, stranger, { name: 'mallory', subject: '/CN=alice' })
})

afterAll(() => rmSync(directory, { recursive: true }))

const files: CertificateFiles = {
  read: (path) => contents.get(path) ?? '',
  signature: () => Promise.resolve('same'),
}

const put = ({ cert, key }: CertificatePair): void => {
  contents.set('/cert', cert).set('/key', key).set('/ca', authority.cert)
}

const start = async (changes: Partial<ConfigValues> = {}): Promise<void> => {
  contents = new Map()
  put(first)
  const tls = { 'tls.certFile': '/cert', 'tls.keyFile': '/key' } as const
  fake = await startFakeServer({ ...tls, ...changes }, { certificateFiles: files })
}

afterEach(() => fake.stop())

const ports = (): { nativeTls: number; https: number } => {
  const { nativeTls = 0, https = 0 } = fake.server.ports
  return { nativeTls, https }
}

const trusted = (options: ConnectionOptions = {}): ConnectionOptions => ({
  ca: authority.cert,
  ...options,
})

const open = async (options: ConnectionOptions = {}): Promise<RawPeer> => {
  const peer = await RawPeer.dialTls(ports().nativeTls, trusted(options))
  await peer.handshake()
  return peer
}

const fingerprintOf = (peer: RawPeer): string =>
  (peer.socket as TLSSocket).getPeerCertificate().fingerprint256

const get = (path: string, options: object = {}): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const port = ports().https
    const sent = request({
      host: '127.0.0.1',
      port,
      path,
      ca: authority.cert,
      agent: false,
      ...options,
    })
    sent.on('error', reject)
    sent.on('response', (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    sent.end()
  })

const reasons = (event: string): unknown[] =>
  fake.environment.lines
    .filter((line) => line.event === event)
    .map(({ fields }) => fields['reason'])

/** Bytes to a port, everything that comes back. */
const raw = async (port: number, bytes: Uint8Array | string): Promise<Buffer> => {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => undefined)
  socket.write(bytes)
  await closed(socket)
  return Buffer.concat(chunks)
}

/** The code of the failure, whoever of the two noticed it. */
const failureOf = async (port: number, options: ConnectionOptions): Promise<string> => {
  const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ...options })
  socket.resume()
  let code = 'closed'
  socket.on('error', (error) => (code = (error as { code?: string }).code ?? error.message))
  await closed(socket)
  return code
}

/** An error on the way does not matter, as it does to `once`. */
const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()))

describe('with a certificate', () => {
  beforeEach(() => start())

  it('speaks the native protocol over TLS, as over TCP', async () => {
    const peer = await open()
    const handle = await peer.openTopic('orders')
    peer.produce(handle, 'x'.repeat(100_000))
    await peer.take(Opcode.PRODUCED)
    expect(fake.server.connectionCount()).toBe(1)
    peer.close()
    while (fake.server.connectionCount() > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  it('answers health over TLS', async () => {
    expect(await get('/livez')).toEqual({ status: 200, body: '{"status":"live"}\n' })
    expect((await get('/nothing')).status).toBe(404)
  })

  it('resumes sessions', async () => {
    const peer = await RawPeer.dialTls(ports().nativeTls, trusted({ maxVersion: 'TLSv1.2' }))
    await peer.handshake()
    const session = (peer.socket as TLSSocket).getSession()
    peer.close()
    const again = await open({ maxVersion: 'TLSv1.2', session })
    expect((again.socket as TLSSocket).isSessionReused()).toBe(true)
    again.close()
  })

  it('does not renegotiate', async () => {
    const peer = await open({ maxVersion: 'TLSv1.2' })
    let hasRenegotiated = false
    ;(peer.socket as TLSSocket).renegotiate({}, () => (hasRenegotiated = true))
    // Whole handshakes of others, begun later, are done: this one got no answer.
    for (let round = 0; round < 3; round++) expect((await get('/livez')).status).toBe(200)
    expect(hasRenegotiated).toBe(false)
    peer.close()
  })

  it('ignores what a client of the native port offers by ALPN', async () => {
    const peer = await open({ ALPNProtocols: ['h2', 'http/1.1'] })
    expect((peer.socket as TLSSocket).alpnProtocol).toBe(false)
    peer.close()
  })

  it('survives a handshake in bytes', async () => {
    const relay = connect(ports().nativeTls, '127.0.0.1')
    relay.setNoDelay(true)
    const socket = connectTls({
      socket: dripping(relay),
      ca: authority.cert,
      servername: 'localhost',
    })
    await once(socket, 'secureConnect')
    socket.destroy()
    relay.destroy()
  })

  it('shows new connections the new certificate and leaves the others alone', async () => {
    const old = await open()
    put(second)
    fake.server.reloadCertificates?.()
    const fresh = await open()
    expect(fingerprintOf(fresh)).not.toBe(fingerprintOf(old))
    await Promise.all([old.ping(), fresh.ping()])
    expect((await get('/livez')).status).toBe(200)
    old.close()
    fresh.close()
  })

  it('goes on with the old certificate when the new one is bad', async () => {
    const old = await open()
    contents.set('/cert', 'half a file')
    fake.server.reloadCertificates?.()
    const fresh = await open()
    expect(fingerprintOf(fresh)).toBe(fingerprintOf(old))
    expect(reasons('tls.reload-failed')).toHaveLength(1)
    old.close()
    fresh.close()
  })

  it('tells a plain client of the native TLS port in plain frames', async () => {
    const peer = await RawPeer.dial(ports().nativeTls)
    peer.send(Opcode.CONNECT)
    const { code, message } = await peer.takeError()
    expect([code, message]).toEqual(['ERR_MALFORMED_FRAME', expect.stringContaining('speaks TLS')])
    await peer.closed()
    expect(reasons('tls.plain-bytes')).toHaveLength(1)
  })

  it('tells a plain client of the HTTPS port in plain HTTP', async () => {
    const answer = await raw(ports().https, 'GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n')
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 [\s\S]*speaks TLS/)
  })

  it('tells a TLS client of the plain ports, and logs it', async () => {
    expect(await failureOf(fake.port, trusted())).toMatch(/WRONG_VERSION_NUMBER/)
    expect(await failureOf(fake.httpPort, trusted())).toMatch(/WRONG_VERSION_NUMBER/)
    expect(reasons('native.session-ended')).toEqual([expect.stringContaining('speaks TLS')])
    expect(reasons('http.foreign-bytes')).toEqual([expect.stringContaining('http.tlsPort')])
  })

  it('logs a handshake that fails, and goes on', async () => {
    const garbage = Buffer.concat([Buffer.from('1603010005', 'hex'), Buffer.from('hello')])
    await raw(ports().nativeTls, garbage)
    await failureOf(
      ports().nativeTls,
      trusted({ maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0', minVersion: 'TLSv1' }),
    )
    expect(reasons('tls.handshake-failed')).toHaveLength(2)
    expect((await get('/livez')).status).toBe(200)
    expect(fake.server.connectionCount()).toBe(0)
  })

  it.each(['nativeTls', 'https'] as const)(
    'cuts off a handshake that does not end, at its deadline and not before: %s',
    async (name) => {
      const socket = await connected(ports()[name])
      socket.write(Buffer.from('160301', 'hex'))
      await accepted(name === 'nativeTls')
      fake.environment.advance(TLS_HANDSHAKE_MS_MAX - 200)
      expect(reasons('tls.handshake-failed')).toEqual([])
      fake.environment.advance(400)
      await closed(socket)
      expect(reasons('tls.handshake-failed')).toEqual(['no handshake within 5000 ms'])
    },
  )

  it('counts connections during their handshake', async () => {
    const silent = await connected(ports().nativeTls)
    await accepted(true)
    silent.destroy()
    while (fake.server.connectionCount() > 0) await new Promise((resolve) => setImmediate(resolve))
  })
})

const connected = async (port: number): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** The server has the connection, and has read what was sent at once with it. */
const accepted = async (isCounted: boolean): Promise<void> => {
  while (isCounted && fake.server.connectionCount() === 0) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** A stream that passes what is written to it on byte by byte. */
const dripping = (socket: Socket): Duplex => {
  const drip = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      for (const byte of chunk) socket.write(Buffer.of(byte))
      done()
    },
  })
  socket.on('data', (chunk: Buffer) => drip.push(chunk))
  return drip
}

describe('with client certificates', () => {
  const ca = { 'tls.clientCaFile': '/ca' } as const
  const asAlice = (): ConnectionOptions => trusted({ cert: alice.cert, key: alice.key })
  const asMallory = (): ConnectionOptions => trusted({ cert: mallory.cert, key: mallory.key })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'requires a certificate of the authority when told to: %s',
    async (maxVersion) => {
      await start({ ...ca, 'tls.clientAuth': 'required' })
      const peer = await open({ ...asAlice(), maxVersion })
      peer.close()
      await failureOf(ports().nativeTls, trusted({ maxVersion }))
      await failureOf(ports().nativeTls, { ...asMallory(), maxVersion })
      expect(reasons('tls.certificate-refused')).toEqual([
        'the peer shows no certificate',
        expect.stringMatching(/UNABLE_TO_|SELF_SIGNED|LEAF_SIGNATURE/),
      ])
      expect((await get('/livez', { cert: alice.cert, key: alice.key })).status).toBe(200)
      await expect(get('/livez')).rejects.toThrow()
    },
  )

  it('takes none for none when they are optional, and a bad one for a mistake', async () => {
    await start({ ...ca, 'tls.clientAuth': 'optional' })
    const peers = [await open(), await open(asAlice())]
    await failureOf(ports().nativeTls, asMallory())
    expect(reasons('tls.certificate-refused')).toHaveLength(1)
    for (const peer of peers) peer.close()
  })
})
