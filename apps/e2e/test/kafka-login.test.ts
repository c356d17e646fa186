/** Kafka clients that log in: by password over TCP and TLS, by certificate, and not at all. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { makeAuthority, makeCertificate } from './support/certificates.ts'
import { runProgram } from './support/kafka-clients.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const PASSWORD = 'correct horse battery staple'

let scratch: Scratch
let broker: LaunchedBroker

const at = (name: string): string => join(scratch.path, name)

const file = (name: string, content: string): string => {
  writeFileSync(at(name), content)
  return at(name)
}

beforeAll(async () => {
  scratch = createScratch('kafka-login')
  makeAuthority(scratch.path)
  makeCertificate(scratch.path, 'broker')
  makeCertificate(scratch.path, 'machine')
  const configuration = [
    'auth:',
    '  mode: required',
    '  bootstrapUser: admin',
    `  bootstrapPasswordFile: ${file('password', PASSWORD)}`,
    'tls:',
    `  certFile: ${at('broker.crt')}`,
    `  keyFile: ${at('broker.key')}`,
    `  clientCaFile: ${at('ca.crt')}`,
    '  clientAuth: optional',
  ]
  broker = await launchBroker({
    dataDir: scratch.next('data'),
    args: [
      ...[
        '--native-tls-port',
        '0',
        '--http-tls-port',
        '0',
        '--kafka-tls-port',
        '0',
        '--amqp-tls-port',
        '0',
      ],
      ...['--config', file('config.yaml', configuration.join('\n'))],
    ],
  })
  const client = await connect(broker.url, { auth: { username: 'admin', password: PASSWORD } })
  for (const topic of ['orders', 'secrets']) await client.admin.createTopic(topic)
  await client.admin.users.create('machine', { certificateNames: ['machine'] })
  await client.admin.permissions.grant({
    user: 'machine',
    actions: ['read', 'write'],
    kind: 'topic',
    pattern: 'orders',
  })
  await client.close()
})

afterAll(async () => {
  await broker?.stop()
  scratch?.remove()
})

/** kcat's own words for a setting. */
const settings = (values: Readonly<Record<string, string>>): string[] =>
  Object.entries(values).flatMap(([name, value]) => ['-X', `${name}=${value}`])

const passwordOf = (mechanism: string, password = PASSWORD) => ({
  'sasl.mechanism': mechanism,
  'sasl.username': 'admin',
  'sasl.password': password,
})

const kcat = (listener: 'kafka' | 'kafkaTls', how: object, args: readonly string[], input = '') => {
  const address = `127.0.0.1:${broker.ports[listener]}`
  const all = ['-b', address, '-m', '2', ...settings({ ...how }), ...args]
  return runProgram('kcat', all, input)
}

const tls = (): object => ({ 'ssl.ca.location': at('ca.crt') })

describe.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])('%s', (mechanism) => {
  it.each(['kafka', 'kafkaTls'] as const)('opens %s', async (listener) => {
    const isTls = listener === 'kafkaTls'
    const how = {
      'security.protocol': isTls ? 'sasl_ssl' : 'sasl_plaintext',
      ...(isTls ? tls() : {}),
      ...passwordOf(mechanism),
    }
    const line = `${mechanism} over ${listener}`
    await kcat(listener, how, ['-P', '-t', 'orders'], `${line}\n`)
    const read = await kcat(listener, how, ['-C', '-t', 'orders', '-o', '-1', '-c', '1', '-q'])
    expect(read.trim()).toBe(line)
  })

  it('does not open with a wrong password', async () => {
    const how = { 'security.protocol': 'sasl_plaintext', ...passwordOf(mechanism, 'a guess') }
    await expect(kcat('kafka', how, ['-L'])).rejects.toThrow(/authentication failed|wait/)
  })
})

it('does not let in who says nothing', async () => {
  await expect(kcat('kafka', {}, ['-L'])).rejects.toThrow()
})

it('knows a machine by its certificate, and shows it what it may see', async () => {
  const certificate = {
    'security.protocol': 'ssl',
    ...tls(),
    'ssl.certificate.location': at('machine.crt'),
    'ssl.key.location': at('machine.key'),
  }
  const listed = await kcat('kafkaTls', certificate, ['-L'])
  expect(listed).toContain('topic "orders"')
  expect(listed).not.toContain('secrets')
  await kcat('kafkaTls', certificate, ['-P', '-t', 'orders'], 'by a machine\n')
  const read = ['-C', '-t', 'secrets', '-o', 'beginning', '-e', '-q']
  await expect(kcat('kafkaTls', certificate, read)).rejects.toThrow(/authorization failed/i)
})
