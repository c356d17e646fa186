/** What a TLS port hands on: who the peer is, on one socket that is counted once. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import type { Entry } from '../../src/net/acceptor.ts'
import { Certificates } from '../../src/net/certificates.ts'
import { CoarseTimers } from '../../src/net/coarse-timers.ts'
import { ConnectionCounter } from '../../src/net/connection-counter.ts'
import { TlsAcceptor } from '../../src/net/tls-acceptor.ts'
import { type CertificatePair, makeAuthority, makeCertificate } from '../support/certificates.ts'
import { ManualEnvironment } from '../support/manual-environment.ts'

let directory: string
let authority: CertificatePair
let alice: CertificatePair
let acceptor: TlsAcceptor
let counter: ConnectionCounter
let entries: Entry[]
let port: number

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-tls-acceptor-'))
  authority = makeAuthority(directory, 'authority')
  makeCertificate(directory, authority, { name: 'broker' })
  alice = makeCertificate(directory, authority, {
    ...{ name: 'alice', subject: '/O=Example/CN=alice' },
    alternativeNames: 'DNS:alice.example,email:alice@example.org,URI:spiffe://example/alice',
  })
})

afterAll(() => rmSync(directory, { recursive: true }))

beforeEach(async () => {
  const { clock, timers, log } = new ManualEnvironment()
  const certificates = new Certificates(
    {
      certFile: join(directory, 'broker.crt'),
      keyFile: join(directory, 'broker.key'),
      clientCaFile: authority.certFile,
      clientAuth: 'optional',
      minVersion: 'TLSv1.2',
    },
    {
      files: { read: (path) => readFileSync(path, 'utf8'), signature: () => Promise.resolve('') },
      ...{ log, timers, nowMs: () => Date.now() },
    },
  )
  entries = []
  counter = new ConnectionCounter(2)
  acceptor = new TlsAcceptor({
    ...{ name: 'test', host: '127.0.0.1', port: 0, log, counter, certificates },
    ...{ timers: new CoarseTimers(clock, timers), handshakeMsMax: 10_000 },
    onEntry: (entry) => entries.push(entry),
    plainRefusal: () => undefined,
  })
  port = await acceptor.listen()
})

afterEach(() => {
  for (const { socket } of entries) socket.destroy()
  acceptor.close()
})

const dial = async (options: object = {}): Promise<TLSSocket> => {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: authority.cert,
    ...options,
  })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  return socket
}

const entered = async (count: number): Promise<Entry> => {
  while (entries.length < count) await new Promise((resolve) => setImmediate(resolve))
  return entries[count - 1] as Entry
}

it('names the peer of a verified certificate', async () => {
  await dial({ cert: alice.cert, key: alice.key })
  const { isTls, tlsPeer } = await entered(1)
  expect([isTls, tlsPeer]).toEqual([
    true,
    {
      commonName: 'alice',
      names: ['alice.example', 'alice@example.org', 'spiffe://example/alice'],
      fingerprint256: new X509Certificate(alice.cert).fingerprint256,
    },
  ])
})

it('names the peer of a resumed session as well', async () => {
  const options = { cert: alice.cert, key: alice.key, maxVersion: 'TLSv1.2' }
  const first = await dial(options)
  await entered(1)
  const session = first.getSession()
  const second = await dial({ ...options, session })
  expect(second.isSessionReused()).toBe(true)
  expect((await entered(2)).tlsPeer?.commonName).toBe('alice')
})

it('names nobody without a certificate', async () => {
  await dial()
  expect((await entered(1)).tlsPeer).toBeUndefined()
})

it('counts a connection once, however often it leaves', async () => {
  const sockets = [await dial(), await dial()]
  const { leave, socket } = await entered(2)
  expect(counter.count).toBe(2)
  const third = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  third.on('error', () => undefined)
  await new Promise<void>((resolve) => third.once('close', () => resolve()))
  leave()
  leave()
  expect(counter.count).toBe(1)
  socket.destroy()
  for (const one of sockets) one.destroy()
  while (counter.count > 0) await new Promise((resolve) => setImmediate(resolve))
})

it('leaves nothing behind when it closes in the middle of a handshake', async () => {
  const { connect: connectPlain } = await import('node:net')
  const socket = connectPlain(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(Buffer.from('160301', 'hex'))
  while (counter.count === 0) await new Promise((resolve) => setImmediate(resolve))
  acceptor.close()
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  while (counter.count > 0) await new Promise((resolve) => setImmediate(resolve))
})
