/**
 * A broker that lets nobody in without a login: over TLS, where certificates count, and plainly. Its
 * administrator is `admin`; `machine` is known by its certificate and has `machine.*` to itself.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from '../broker.ts'
import { makeAuthority, makeCertificate } from '../certificates.ts'
import { createScratch } from '../scratch.ts'
import { TOKEN_SECRET } from './tokens.ts'

export const PASSWORD = 'correct horse battery staple'

export interface SecuredBroker {
  readonly broker: LaunchedBroker
  /** Where `ca.crt` is, and NAME.crt and NAME.key of every certificate. */
  readonly directory: string
  read(name: string): Buffer
  /** The broker shows this one from now on: it is told by a signal. */
  showCertificate(name: string): void
  /** With the administrator's login, or another, or none. */
  urlOf(listener: 'amqp' | 'amqpTls', login?: string): string
  release(): Promise<void>
}

const adminLogin = `admin:${encodeURIComponent(PASSWORD)}`

const certificates = ['first', 'second', 'machine', 'nobody']

const makeCertificates = (directory: string): void => {
  makeAuthority(directory)
  makeAuthority(directory, 'other')
  for (const name of certificates) makeCertificate(directory, name)
  makeCertificate(directory, 'mallory', 'other')
}

const makeMachine = async ({ url }: LaunchedBroker): Promise<void> => {
  const client = await connect(url, { auth: { username: 'admin', password: PASSWORD } })
  const { users, permissions } = client.admin
  await users.create('machine', { certificateNames: ['machine'] })
  const all = ['configure', 'write', 'read'] as const
  await permissions.grant({ user: 'machine', actions: all, kind: 'queue', pattern: 'machine.*' })
  const exchange = { kind: 'exchange', pattern: 'amq.default' } as const
  await permissions.grant({ user: 'machine', actions: ['write'], ...exchange })
  await client.close()
}

export const launchSecured = async (name: string): Promise<SecuredBroker> => {
  const scratch = createScratch(name)
  const at = (file: string): string => join(scratch.path, file)
  const write = (file: string, content: string): string => {
    writeFileSync(at(file), content)
    return at(file)
  }
  const copyCertificate = (from: string): void => {
    copyFileSync(at(`${from}.key`), at('live.key'))
    copyFileSync(at(`${from}.crt`), at('live.crt'))
  }
  makeCertificates(scratch.path)
  copyCertificate('first')
  const configuration = [
    'auth:',
    '  mode: required',
    '  bootstrapUser: admin',
    `  bootstrapPasswordFile: ${write('password', PASSWORD)}`,
    `  tokenKeyFile: ${write('secret', TOKEN_SECRET)}`,
    'tls:',
    `  certFile: ${at('live.crt')}`,
    `  keyFile: ${at('live.key')}`,
    `  clientCaFile: ${at('ca.crt')}`,
    '  clientAuth: optional',
  ]
  const listeners = ['native', 'http', 'kafka', 'amqp']
  const broker = await launchBroker({
    dataDir: scratch.next('data'),
    args: [
      ...listeners.flatMap((listener) => [`--${listener}-tls-port`, '0']),
      ...['--config', write('config.yaml', configuration.join('\n'))],
    ],
  })
  await makeMachine(broker)
  return {
    broker,
    directory: scratch.path,
    read: (file) => readFileSync(at(file)),
    showCertificate: (certificate) => {
      copyCertificate(certificate)
      process.kill(broker.pid, 'SIGHUP')
    },
    urlOf: (listener, login = adminLogin) => {
      const scheme = listener === 'amqp' ? 'amqp' : 'amqps'
      return `${scheme}://${login === '' ? '' : `${login}@`}localhost:${broker.ports[listener]}`
    },
    release: async () => {
      await broker.stop()
      scratch.remove()
    },
  }
}
