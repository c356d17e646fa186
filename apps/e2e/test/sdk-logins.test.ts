/** The SDK over every transport and with every login, against one broker that lets nobody else in. */
import { createHmac } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AuthOptions, type ConnectOptions, connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { makeAuthority, makeCertificate } from './support/certificates.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const PASSWORD = 'correct horse battery staple'
const TOKEN_SECRET = 'a secret of thirty-two bytes, or more of them'

let scratch: Scratch
let broker: LaunchedBroker
let tls: { readonly ca: Buffer }

const file = (name: string, content: string): string => {
  const path = join(scratch.path, name)
  writeFileSync(path, content)
  return path
}

const read = (name: string): Buffer => readFileSync(join(scratch.path, name))

beforeAll(async () => {
  scratch = createScratch('sdk-logins')
  makeAuthority(scratch.path)
  makeCertificate(scratch.path, 'broker')
  makeCertificate(scratch.path, 'machine')
  tls = { ca: read('ca.crt') }
  const at = (name: string): string => join(scratch.path, name)
  const configuration = [
    'auth:',
    '  mode: required',
    '  bootstrapUser: admin',
    `  bootstrapPasswordFile: ${file('password', PASSWORD)}`,
    `  tokenKeyFile: ${file('secret', TOKEN_SECRET)}`,
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
  await client.admin.createTopic('orders')
  await client.admin.users.create('machine', { certificateNames: ['machine'] })
  await client.admin.permissions.grant({
    user: 'machine',
    actions: ['write', 'read'],
    kind: 'topic',
    pattern: 'orders',
  })
  await client.close()
})

afterAll(async () => {
  await broker?.stop()
  scratch?.remove()
})

const base64Url = (value: object | Buffer): string =>
  (Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))).toString('base64url')

/** Clocks may differ: the broker takes a token for so long after its end. */
const CLOCK_SKEW_S = 30

/** Good for so many seconds at the broker. */
const tokenFor = (seconds: number): string => {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    sub: 'admin',
    aud: 'millrace',
    iat: now - CLOCK_SKEW_S,
    exp: now + seconds - CLOCK_SKEW_S,
    scope: 'millrace:*:/:topic:orders',
  }
  const signed = `${base64Url({ alg: 'HS256', typ: 'JWT' })}.${base64Url(claims)}`
  return `${signed}.${base64Url(createHmac('sha256', TOKEN_SECRET).update(signed).digest())}`
}

const urlOf = (scheme: string): string => {
  const { ports } = broker
  const port = { millrace: 'native', millraces: 'nativeTls', ws: 'http', wss: 'https' }[scheme]
  return `${scheme}://127.0.0.1:${ports[port as string]}`
}

/** Produces, consumes and says goodbye. */
const use = async (url: string, options: ConnectOptions): Promise<string> => {
  const client = await connect(url, { ...options, reconnect: false })
  const text = `${url} ${Math.random()}`
  const { offset } = await client.producer<string>('orders', { codec: 'string' }).send(text)
  const consumer = client.consume<string>('orders', { codec: 'string', from: offset })
  const { value } = await consumer[Symbol.asyncIterator]().next()
  await client.drain()
  return value?.payload === text ? 'as sent' : `${String(value?.payload)} instead of ${text}`
}

const logins: readonly (readonly [string, () => AuthOptions])[] = [
  ['SCRAM-SHA-256', () => ({ username: 'admin', password: PASSWORD })],
  ['SCRAM-SHA-512', () => ({ username: 'admin', password: PASSWORD, mechanism: 'SCRAM-SHA-512' })],
  ['PLAIN', () => ({ username: 'admin', password: PASSWORD, mechanism: 'PLAIN' })],
  ['a token', () => ({ token: () => Promise.resolve(tokenFor(60)) })],
]

describe.each(['millrace', 'millraces', 'ws', 'wss'])('over %s', (scheme) => {
  test.each(logins)('a client logs in by %s and is served', async (_name, auth) => {
    expect(await use(urlOf(scheme), { auth: auth(), tls })).toBe('as sent')
  })

  test('nobody gets in without a login, or with a wrong one', async () => {
    const without = connect(urlOf(scheme), { tls })
    await expect(without).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED_MECHANISM' })
    const auth = { username: 'admin', password: 'wrong' }
    await expect(connect(urlOf(scheme), { tls, auth })).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_AUTHENTICATION_FAILED|ERR_LOGIN_DELAYED/) as string,
    })
  })

  test('ten mebibytes go through and come back', async () => {
    const auth = { username: 'admin', password: PASSWORD }
    const client = await connect(urlOf(scheme), { auth, tls, reconnect: false })
    const producer = client.producer<Uint8Array>('orders', { codec: 'bytes' })
    const large = Buffer.alloc(10 * 1024 * 1024, 'x')
    const small = Array.from({ length: 500 }, (_, at) => Buffer.alloc(20_000, at % 256))
    const [first] = await Promise.all([large, ...small].map((value) => producer.send(value)))
    const sizes: number[] = []
    const from = first?.offset as number
    const consumer = client.consume<Uint8Array>('orders', { codec: 'bytes', from, follow: false })
    for await (const { payload } of consumer) sizes.push(payload?.length ?? 0)
    expect(sizes).toEqual([large.length, ...small.map(({ length }) => length)])
    await client.close()
  })
})

test('a client certificate is a login of its own', async () => {
  const auth = { mechanism: 'EXTERNAL' } as const
  const own = { ...tls, cert: read('machine.crt'), key: read('machine.key') }
  expect(await use(urlOf('millraces'), { auth, tls: own })).toBe('as sent')
  const without = connect(urlOf('millraces'), { auth, tls })
  await expect(without).rejects.toMatchObject({ retriable: false })
})

test('a broker whose certificate is not trusted is not believed', async () => {
  for (const scheme of ['millraces', 'wss']) {
    await expect(connect(urlOf(scheme))).rejects.toMatchObject({
      code: 'ERR_CONNECT_FAILED',
      message: expect.stringMatching(/certificate/) as string,
    })
    const other = { ...tls, servername: 'elsewhere' }
    await expect(connect(urlOf(scheme), { tls: other })).rejects.toMatchObject({
      code: 'ERR_CONNECT_FAILED',
    })
  }
})

test('TLS to a plain port and the reverse fail with a word about it', async () => {
  const crossed = [
    urlOf('millrace').replace('millrace:', 'millraces:'),
    urlOf('millraces').replace('millraces:', 'millrace:'),
  ]
  for (const url of crossed) {
    await expect(connect(url, { tls, connectTimeoutMs: 5_000 })).rejects.toMatchObject({
      code: 'ERR_CONNECT_FAILED',
    })
  }
})

test('a token is renewed before it expires, and the connection stays the same', async () => {
  let fetched = 0
  const auth = {
    token: () => {
      fetched += 1
      return tokenFor(3)
    },
  }
  const client = await connect(broker.url, { auth })
  const statuses: string[] = []
  client.on('status', ({ type }) => statuses.push(type))
  const producer = client.producer<string>('orders', { codec: 'string' })
  const until = Date.now() + 7_000
  while (Date.now() < until) {
    await producer.send('x')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  expect(fetched).toBeGreaterThanOrEqual(3)
  expect(statuses).toEqual([])
  await client.drain()
})

test('a token that cannot be renewed in time is replaced by the next connection', async () => {
  let fetched = 0
  const auth = {
    token: () => {
      fetched += 1
      if (fetched === 2) throw new Error('the issuer is away')
      return tokenFor(2)
    },
  }
  const client = await connect(broker.url, { auth, reconnect: { delayMsMin: 5 } })
  const producer = client.producer<string>('orders', { codec: 'string' })
  const until = Date.now() + 5_000
  while (Date.now() < until) {
    await producer.send('y')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  expect(fetched).toBeGreaterThanOrEqual(3)
  await client.drain()
})
