import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CERTIFICATE_EXPIRY_WARNING_MS, CERTIFICATE_LOOK_MS } from '../../src/limits.ts'
import {
  type CertificateFiles,
  Certificates,
  type TlsSettings,
  tlsSettingsOf,
} from '../../src/net/certificates.ts'
import { type CertificatePair, makeAuthority, makeCertificate } from '../support/certificates.ts'
import { defaultValues } from '../support/fake-server.ts'
import { ManualEnvironment } from '../support/manual-environment.ts'

const settings: TlsSettings = {
  certFile: '/cert',
  keyFile: '/key',
  clientCaFile: '',
  clientAuth: 'none',
  minVersion: 'TLSv1.2',
}

class MemoryFiles implements CertificateFiles {
  readonly contents = new Map<string, string>()
  version = 1
  reads = 0

  read(path: string): string {
    this.reads += 1
    const content = this.contents.get(path)
    if (content === undefined) throw Object.assign(new Error('on purpose'), { code: 'ENOENT' })
    return content
  }

  signature(path: string): Promise<string> {
    return Promise.resolve(`${path} ${this.version}`)
  }
}

let directory: string
let authority: CertificatePair
let first: CertificatePair
let second: CertificatePair
let files: MemoryFiles
let environment: ManualEnvironment
let nowMs: number

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-certificates-'))
  authority = makeAuthority(directory, 'authority')
  first = makeCertificate(directory, authority, { name: 'first' })
  second = makeCertificate(directory, authority, { name: 'second' })
})

afterAll(() => rmSync(directory, { recursive: true }))

beforeEach(() => {
  nowMs = Date.now()
  environment = new ManualEnvironment()
  files = new MemoryFiles()
  put(first)
})

const put = ({ cert, key }: CertificatePair): void => {
  files.contents.set('/cert', cert)
  files.contents.set('/key', key)
}

const open = (changes: Partial<TlsSettings> = {}): Certificates => {
  const { log, timers } = environment
  return new Certificates({ ...settings, ...changes }, { files, log, timers, nowMs: () => nowMs })
}

const events = (): string[] => environment.lines.map(({ event }) => event)

/** Lets the promises of a look run. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const pass = async (ms: number): Promise<void> => {
  environment.advance(ms)
  await settle()
}

it('loads certificate and key, and says which', () => {
  const { context } = open()
  expect([context.cert, context.key, context.minVersion]).toEqual([
    first.cert,
    first.key,
    'TLSv1.2',
  ])
  expect(environment.lines).toEqual([
    expect.objectContaining({
      level: 'info',
      event: 'tls.certificate-loaded',
      fields: expect.objectContaining({ subject: 'CN=localhost' }),
    }),
  ])
})

it('names the setting and the file that is wrong, never what is in it', () => {
  files.contents.delete('/key')
  expect(() => open()).toThrow("'tls.keyFile' (/key): there is no such file")
  files.contents.set('/key', second.key)
  expect(() => open()).toThrow("'tls.keyFile' (/key): it does not belong to the certificate")
  files.contents.set('/cert', 'no PEM')
  expect(() => open()).toThrow("'tls.certFile' (/cert): ")
  put(first)
  const ca = { clientAuth: 'required', clientCaFile: '/ca' } as const
  expect(() => open(ca)).toThrow("'tls.clientCaFile' (/ca): there is no such file")
  files.contents.set('/ca', authority.cert)
  expect(open(ca).context.ca).toBe(authority.cert)
})

it('warns of a certificate that ends soon, and of one that has ended', () => {
  const lifetimeMs = 30 * 24 * 3_600_000
  nowMs += lifetimeMs - CERTIFICATE_EXPIRY_WARNING_MS + 60_000
  open()
  nowMs += CERTIFICATE_EXPIRY_WARNING_MS
  open()
  expect(events()).toEqual(['tls.certificate-expires-soon', 'tls.certificate-expired'])
})

it('tells its listeners of a new set', () => {
  const certificates = open()
  const seen: unknown[] = []
  certificates.onChange(({ cert }) => seen.push(cert))
  put(second)
  expect(certificates.reload()).toBe(true)
  expect(seen).toEqual([second.cert])
})

it('keeps the old set when the new one does not fit together', () => {
  const certificates = open()
  const seen: unknown[] = []
  certificates.onChange((context) => seen.push(context))
  files.contents.set('/cert', second.cert)
  expect(certificates.reload()).toBe(false)
  expect(certificates.context.cert).toBe(first.cert)
  expect(seen).toEqual([])
  expect(environment.lines.at(-1)).toEqual({
    level: 'error',
    event: 'tls.reload-failed',
    fields: expect.objectContaining({ reason: expect.stringContaining("'tls.keyFile' (/key)") }),
  })
})

it('loads what has changed once it stays the same for two looks', async () => {
  const certificates = open()
  certificates.watch()
  await pass(CERTIFICATE_LOOK_MS)
  put(second)
  files.version = 2
  await pass(CERTIFICATE_LOOK_MS)
  files.version = 3
  await pass(CERTIFICATE_LOOK_MS)
  expect(certificates.context.cert).toBe(first.cert)
  await pass(CERTIFICATE_LOOK_MS)
  expect(certificates.context.cert).toBe(second.cert)
})

it('notices a change that came before the first look', async () => {
  const certificates = open()
  put(second)
  certificates.watch()
  await pass(CERTIFICATE_LOOK_MS)
  await pass(CERTIFICATE_LOOK_MS)
  expect(certificates.context.cert).toBe(second.cert)
})

it('reads nothing while nothing changes, and tries a bad set once', async () => {
  const certificates = open()
  certificates.watch()
  await pass(CERTIFICATE_LOOK_MS)
  await pass(CERTIFICATE_LOOK_MS)
  const { reads } = files
  for (let look = 0; look < 5; look++) await pass(CERTIFICATE_LOOK_MS)
  expect(files.reads).toBe(reads)
  files.contents.set('/cert', second.cert)
  files.version = 2
  for (let look = 0; look < 5; look++) await pass(CERTIFICATE_LOOK_MS)
  expect(events().filter((event) => event === 'tls.reload-failed')).toHaveLength(1)
})

it('looks no more once it is stopped', async () => {
  const certificates = open()
  certificates.watch()
  await pass(CERTIFICATE_LOOK_MS)
  certificates.stop()
  expect(environment.waitingCount).toBe(0)
})

it.each([
  [{ 'tls.keyFile': '/key' }, "'tls.keyFile' needs 'tls.certFile' too"],
  [{ 'tls.certFile': '/cert' }, "'tls.certFile' needs 'tls.keyFile' too"],
  [
    { 'tls.certFile': '/c', 'tls.keyFile': '/k', 'tls.clientAuth': 'required' },
    "'tls.clientAuth' is \"required\" and needs 'tls.clientCaFile'",
  ],
  [
    { 'tls.certFile': '/c', 'tls.keyFile': '/k', 'tls.clientCaFile': '/ca' },
    "'tls.clientCaFile' is not used while 'tls.clientAuth' is \"none\"",
  ],
] as const)('refuses settings that do not fit together: %j', (changes, message) => {
  expect(() => tlsSettingsOf(defaultValues(changes))).toThrow(message)
})

it('takes no certificate for no TLS', () => {
  expect(tlsSettingsOf(defaultValues())).toBeUndefined()
  const changes = { 'tls.certFile': '/c', 'tls.keyFile': '/k', 'tls.minVersion': '1.3' }
  expect(tlsSettingsOf(defaultValues(changes))?.minVersion).toBe('TLSv1.3')
})
