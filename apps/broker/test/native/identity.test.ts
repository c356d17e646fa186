/** Logins and permissions as a peer of the native protocol meets them, over the real engine. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeError } from '@millrace/protocol'
import * as wire from '@millrace/protocol'
import { findHandler } from '../../src/native/request-table.ts'
import { killLeftOvers, temporary } from '../support/command.ts'
import { startFakeServer } from '../support/fake-server.ts'
import { batchOf, connectBody, RawPeer } from '../support/raw-peer.ts'
import { type RealServer, startRealServer } from '../support/real-server.ts'

const { Opcode } = wire
const PASSWORD = 'correct horse battery'

const plain = (user: string, password = PASSWORD) => ({
  mechanism: 'PLAIN',
  initial: Buffer.from(`\0${user}\0${password}`),
})

const connectAs = async (port: number, user: string): Promise<RawPeer> =>
  RawPeer.open(port, plain(user))

/** The code that a CONNECT is refused with. */
const refusalOf = async (port: number, options: Partial<wire.Connect>): Promise<string> => {
  const peer = await RawPeer.dial(port)
  peer.send(Opcode.CONNECT, wire.encodeConnect({ ...connectBody, ...options }))
  const frame = await peer.next()
  const code = frame?.opcode === Opcode.ERROR ? decodeError(frame.body).code : 'none'
  peer.close()
  return code
}

const callFor = async (peer: RawPeer, opcode: number, body?: Uint8Array): Promise<string> => {
  const correlation = peer.send(opcode, body)
  for (;;) {
    const frame = await peer.next()
    if (frame === undefined) return 'closed'
    if (frame.correlation !== correlation) continue
    return frame.opcode === Opcode.ERROR ? decodeError(frame.body).code : 'none'
  }
}

const rights = ['configure', 'write', 'read', 'administer'] as const
const everybody = ['root', 'nobody', ...rights] as const

let server: RealServer
let directory: { path: string; remove: () => Promise<void> }

const startWithUsers = async (): Promise<void> => {
  directory = await temporary()
  const file = join(directory.path, 'password')
  writeFileSync(file, `${PASSWORD}\n`)
  server = await startRealServer({
    'topics.autoCreate': false,
    'auth.bootstrapUser': 'root',
    'auth.bootstrapPasswordFile': file,
  })
  const root = await connectAs(server.port, 'root')
  const call = async (opcode: number, body: Uint8Array): Promise<void> => {
    const code = await callFor(root, opcode, body)
    if (code !== 'none') throw new Error(`${wire.opcodeName(opcode)}: ${code}`)
  }
  for (const user of ['nobody', ...rights])
    await call(Opcode.USER_PUT, wire.encodeUserPut({ user, create: true, password: PASSWORD }))
  for (const user of rights)
    for (const [effect, kind, pattern] of [
      ['allow', 'topic', '*'],
      ['allow', 'broker', '*'],
      ['deny', 'topic', 'secret'],
    ] as const) {
      const grant = { user, effect, actions: [user], namespace: '/', kind, pattern }
      await call(Opcode.PERMISSION_GRANT, wire.encodePermission(grant))
    }
  for (const topic of ['here', 'secret'])
    await call(Opcode.TOPIC_CREATE, wire.encodeTopicCreate({ topic, settings: {} }))
  root.close()
}

beforeAll(startWithUsers)
afterAll(async () => {
  await server.stop()
  await directory.remove()
  killLeftOvers()
})

type Right = (typeof rights)[number]
const visible: readonly Right[] = ['configure', 'write', 'read']
const administer: readonly Right[] = ['administer']
const anybody: readonly string[] = everybody

const permission = { user: '*', effect: 'deny', actions: ['read'], namespace: '/' }
const onNothing = wire.encodePermission({ ...permission, kind: 'queue', pattern: 'none' })

/** Every request of an open session: who may, and a body for a topic. */
const matrix: readonly [keyof typeof Opcode, readonly string[], (topic: string) => Uint8Array][] = [
  [
    'TOPIC_CREATE',
    ['configure'],
    (topic) => wire.encodeTopicCreate({ topic, settings: {}, ifNotExists: true }),
  ],
  ['TOPIC_DESCRIBE', visible, (topic) => wire.encodeTopicDescribe({ topic })],
  ['TOPIC_ALTER', ['configure'], (topic) => wire.encodeTopicAlter({ topic, settings: {} })],
  ['TOPIC_DELETE', ['configure'], (topic) => wire.encodeTopicDelete({ topic, revision: 9_999 })],
  ['TOPIC_OPEN', visible, (topic) => wire.encodeTopicOpen({ topic })],
  [
    'TOPIC_TRUNCATE',
    ['configure'],
    (topic) => wire.encodeTopicTruncate({ topic, partition: 0, from: 0 }),
  ],
  ['LIST_OFFSETS', ['read'], (topic) => wire.encodeListOffsets({ topic, at: 'latest' })],
  [
    'RECORDS_DELETE',
    ['configure'],
    (topic) => wire.encodeRecordsDelete({ topic, partitions: [{ partition: 0, before: 0 }] }),
  ],
  [
    'SUBSCRIBE',
    ['read'],
    (topic) => wire.encodeSubscribe({ subscription: 1, topic, from: 'latest', credit: 0 }),
  ],
]

/** Requests without a topic of their own. */
const general: readonly [keyof typeof Opcode, readonly string[], () => Uint8Array | undefined][] = [
  ['TOPIC_LIST', anybody, () => wire.encodeTopicList({})],
  ['INIT_PRODUCER', anybody, () => wire.encodeControl({})],
  ['UNSUBSCRIBE', anybody, () => wire.encodeUnsubscribe({ subscription: 9 })],
  ['USER_PUT', administer, () => wire.encodeUserPut({ user: 'nobody', create: false })],
  ['USER_DELETE', administer, () => wire.encodeUserDelete({ user: 'nobody', revision: 9_999 })],
  ['USER_LIST', administer, () => wire.encodeUserList({})],
  ['PERMISSION_GRANT', administer, () => onNothing],
  ['PERMISSION_REVOKE', administer, () => onNothing],
  ['PERMISSION_LIST', administer, () => wire.encodePermissionList({ skip: 0 })],
  [
    'ACCESS_EXPLAIN',
    administer,
    () =>
      wire.encodeAccessExplain({
        ...{ user: 'nobody ', action: 'read' },
        ...{ namespace: '/', kind: 'topic', name: 'here' },
      }),
  ],
  ['STORAGE_CHECK', administer, () => wire.encodeControl({})],
  ['BACKUP', administer, () => wire.encodeControl({ name: '../not a name' })],
]

/** Asked with a handle that a TOPIC_OPEN gave. */
const byHandle: readonly [
  keyof typeof Opcode,
  readonly string[],
  (handle: number) => Uint8Array,
][] = [
  [
    'PRODUCE',
    ['write'],
    (handle) => wire.encodeProduce({ handle, partition: 0, durability: 0, batch: batchOf(['x']) }),
  ],
  [
    'FETCH',
    ['read'],
    (handle) =>
      wire.encodeFetch({
        ...{ handle, partition: 0, offset: 0, maxBytes: 1_000 },
        ...{ minBytes: 0, maxWaitMs: 0, flags: 0 },
      }),
  ],
]

const mayUse = (who: string, needed: readonly string[]): boolean =>
  who === 'root' || needed.includes(who)

describe.each(everybody)('%s', (who) => {
  let peer: RawPeer
  beforeAll(async () => {
    peer = await connectAs(server.port, who)
  })
  afterAll(() => peer.close())

  it.each(matrix)('%s needs one of %j', async (name, needed, body) => {
    const on = (topic: string) => callFor(peer, Opcode[name], body(topic))
    expect((await on('here')) === 'ERR_NOT_AUTHORIZED').toBe(!mayUse(who, needed))
    if (name === 'SUBSCRIBE')
      await callFor(peer, Opcode.UNSUBSCRIBE, wire.encodeUnsubscribe({ subscription: 1 }))
    if (who !== 'root') expect(await on('secret')).toBe('ERR_NOT_AUTHORIZED')
    if (!mayUse(who, needed)) expect(await on('missing')).toBe('ERR_NOT_AUTHORIZED')
  })

  it.each(general)('%s needs one of %j', async (name, needed, body) => {
    const code = await callFor(peer, Opcode[name], body())
    expect(code === 'ERR_NOT_AUTHORIZED').toBe(!mayUse(who, needed))
  })

  it.each(byHandle)('%s needs one of %j', async (name, needed, body) => {
    peer.send(Opcode.TOPIC_OPEN, wire.encodeTopicOpen({ topic: 'here' }))
    const opened = await peer.next()
    if (opened?.opcode === Opcode.ERROR) {
      expect(mayUse(who, visible)).toBe(false)
      return
    }
    const { handle } = wire.decodeTopicOpened((opened as { body: Uint8Array }).body)
    const code = await callFor(peer, Opcode[name], body(handle))
    expect(code).toBe(mayUse(who, needed) ? 'none' : 'ERR_NOT_AUTHORIZED')
  })
})

it('has every request of an open session in its tables', () => {
  const covered = new Set<string>([...matrix, ...general, ...byHandle].map(([name]) => name))
  // From EXCHANGE_DECLARE on they are about exchanges and queues, whose resources are others.
  const asked = Object.entries(Opcode).filter(
    ([, opcode]) => findHandler(opcode)?.isCounted === true && opcode < Opcode.EXCHANGE_DECLARE,
  )
  expect(asked.map(([name]) => name).filter((name) => !covered.has(name))).toEqual([])
})

describe('a login', () => {
  it.each([
    ['a wrong password', plain('root', 'wrong password'), 'ERR_AUTHENTICATION_FAILED'],
    ['a user that is not there', plain('eve'), 'ERR_AUTHENTICATION_FAILED'],
    ['nothing at all', {}, 'ERR_UNSUPPORTED_MECHANISM'],
    ['a mechanism of no name', { mechanism: 'CRAM-MD5' }, 'ERR_UNSUPPORTED_MECHANISM'],
    ['a certificate that was not shown', { mechanism: 'EXTERNAL' }, 'ERR_UNSUPPORTED_MECHANISM'],
    ['a token without a key', { mechanism: 'OAUTHBEARER' }, 'ERR_UNSUPPORTED_MECHANISM'],
    [
      'an unknown namespace and a wrong password',
      { ...plain('root', 'wrong again'), namespace: 'shop' },
      'ERR_AUTHENTICATION_FAILED',
    ],
    [
      'an unknown namespace and the right password',
      { ...plain('root'), namespace: 'shop' },
      'ERR_NAMESPACE_NOT_FOUND',
    ],
  ])('with %s is refused', async (_name, options, code) => {
    expect(await refusalOf(server.port, options)).toBe(code)
  })

  it('goes through the steps of SCRAM and hears the last word', async () => {
    const peer = await RawPeer.dial(server.port)
    const options = { mechanism: 'SCRAM-SHA-256', initial: Buffer.from('n,,n=root,r=abc') }
    peer.send(Opcode.CONNECT, wire.encodeConnect({ ...connectBody, ...options }))
    const connected = wire.decodeConnected((await peer.take(Opcode.CONNECTED)).body)
    expect(connected.authenticated).toBe(false)
    expect(connected.mechanisms).toEqual(['SCRAM-SHA-512', 'SCRAM-SHA-256', 'PLAIN'])
    const challenge = Buffer.from(connected.challenge as Uint8Array).toString()
    const { final, signature } = scramFinal(challenge)
    const body = wire.encodeAuthenticate({ response: Buffer.from(final) })
    peer.send(Opcode.AUTHENTICATE, body)
    const { authenticated, challenge: last } = wire.decodeAuthenticated(
      (await peer.take(Opcode.AUTHENTICATED)).body,
    )
    expect(authenticated).toBe(true)
    expect(Buffer.from(last as Uint8Array).toString()).toBe(signature)
    expect(await callFor(peer, Opcode.USER_LIST, wire.encodeUserList({}))).toBe('none')
    peer.close()
  })

  it('may not ask for anything before it is done', async () => {
    const peer = await RawPeer.dial(server.port)
    const options = { mechanism: 'SCRAM-SHA-256', initial: Buffer.from('n,,n=root,r=abc') }
    peer.send(Opcode.CONNECT, wire.encodeConnect({ ...connectBody, ...options }))
    await peer.take(Opcode.CONNECTED)
    peer.send(Opcode.TOPIC_LIST, wire.encodeTopicList({}))
    expect((await peer.takeError()).code).toBe('ERR_NOT_AUTHENTICATED')
    await peer.closed()
  })
})

/** The client's last message, from the RFC. */
const scramFinal = (serverFirst: string): { final: string; signature: string } => {
  const [, nonce, salt, iterations] = /^r=(.+),s=(.+),i=(\d+)$/.exec(serverFirst) ?? []
  const bytes = Buffer.from(salt as string, 'base64')
  const salted = pbkdf2Sync(PASSWORD, bytes, Number(iterations), 32, 'sha256')
  const mac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const clientKey = mac(salted, 'Client Key')
  const stored = createHash('sha256').update(clientKey).digest()
  const bare = `c=biws,r=${nonce}`
  const text = `n=root,r=abc,${serverFirst},${bare}`
  const proof = mac(stored, text).map((byte, at) => byte ^ (clientKey[at] as number))
  return {
    final: `${bare},p=${Buffer.from(proof).toString('base64')}`,
    signature: `v=${mac(mac(salted, 'Server Key'), text).toString('base64')}`,
  }
}

describe('a right', () => {
  it('counts on open connections as soon as it is given or taken', async () => {
    const root = await connectAs(server.port, 'root')
    const peer = await connectAs(server.port, 'nobody')
    const grant = { user: 'nobody', effect: 'allow', namespace: '/', kind: 'topic' }
    const body = wire.encodePermission({ ...grant, actions: ['write'], pattern: 'here' })
    expect(await callFor(root, Opcode.PERMISSION_GRANT, body)).toBe('none')
    const handle = await peer.openTopic('here')
    const produce = (): Promise<string> =>
      callFor(
        peer,
        Opcode.PRODUCE,
        wire.encodeProduce({ handle, partition: 0, durability: 0, batch: batchOf(['x']) }),
      )
    expect(await produce()).toBe('none')
    expect(await callFor(root, Opcode.PERMISSION_REVOKE, body)).toBe('none')
    expect(await produce()).toBe('ERR_NOT_AUTHORIZED')
    expect(await callFor(root, Opcode.PERMISSION_GRANT, body)).toBe('none')
    expect(await produce()).toBe('none')
    await callFor(root, Opcode.PERMISSION_REVOKE, body)
    root.close()
    peer.close()
  })

  it('that is missing closes nothing and names who, what and with what', async () => {
    const peer = await connectAs(server.port, 'nobody')
    peer.send(Opcode.TOPIC_DESCRIBE, wire.encodeTopicDescribe({ topic: 'here' }))
    expect((await peer.takeError()).message).toBe("'nobody' may not see 'topic:here'")
    await peer.ping()
    peer.close()
  })
})

describe('credentials that expire', () => {
  const SECRET = 'a secret that is long enough to be one'
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const tokenOf = (sub: string, exp: number, claims = {}): string => {
    const text = `${encode({ alg: 'HS256' })}.${encode({ sub, exp, aud: 'millrace', ...claims })}`
    return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
  }
  const bearer = (token: string): Uint8Array =>
    Buffer.from(`n,,\u0001auth=Bearer ${token}\u0001\u0001`)
  const NOW_S = 1_700_000_000

  const start = async () => {
    const file = join(directory.path, 'token-key')
    writeFileSync(file, `${SECRET}\n`)
    return startFakeServer({ 'auth.tokenKeyFile': file })
  }

  const connectWith = async (port: number, token: string) => {
    const peer = await RawPeer.dial(port)
    const options = { mechanism: 'OAUTHBEARER', initial: bearer(token) }
    peer.send(Opcode.CONNECT, wire.encodeConnect({ ...connectBody, ...options }))
    return { peer, connected: wire.decodeConnected((await peer.take(Opcode.CONNECTED)).body) }
  }

  const renew = async (peer: RawPeer, token: string, mechanism?: string) => {
    const body = wire.encodeAuthenticate({ mechanism, response: bearer(token) })
    peer.send(Opcode.AUTHENTICATE, body)
    return wire.decodeAuthenticated((await peer.take(Opcode.AUTHENTICATED)).body)
  }

  it('end the session when they are not renewed', async () => {
    const fake = await start()
    const { peer, connected } = await connectWith(fake.port, tokenOf('ann', NOW_S + 60))
    expect(connected.expiresInMs).toBe(90_000)
    fake.environment.advance(89_000)
    await peer.ping()
    fake.environment.advance(2_000)
    expect((await peer.takeError()).code).toBe('ERR_CREDENTIALS_EXPIRED')
    await peer.closed()
    await fake.stop()
  })

  it('are renewed on the open connection', async () => {
    const fake = await start()
    const { peer } = await connectWith(fake.port, tokenOf('ann', NOW_S + 60))
    fake.environment.advance(50_000)
    const renewed = await renew(peer, tokenOf('ann', NOW_S + 600))
    expect(renewed).toMatchObject({ authenticated: true, expiresInMs: 580_000 })
    fake.environment.advance(100_000)
    await peer.ping()
    await renew(peer, tokenOf('ann', NOW_S + 900), 'OAUTHBEARER')
    peer.close()
    await fake.stop()
  })

  it.each([
    ['another name', tokenOf('bob', NOW_S + 600)],
    ['a bad token', tokenOf('ann', NOW_S - 600)],
  ])('renewed with %s end the session', async (_name, token) => {
    const fake = await start()
    const { peer } = await connectWith(fake.port, tokenOf('ann', NOW_S + 60))
    const body = wire.encodeAuthenticate({ response: bearer(token) })
    peer.send(Opcode.AUTHENTICATE, body)
    expect((await peer.takeError()).code).toBe('ERR_AUTHENTICATION_FAILED')
    await peer.closed()
    await fake.stop()
  })

  it('are in no line of the log, right or wrong', async () => {
    const fake = await start()
    const good = tokenOf('ann', NOW_S + 60)
    const bad = tokenOf('ann', NOW_S - 600)
    const { peer } = await connectWith(fake.port, good)
    await refusalOf(fake.port, { mechanism: 'OAUTHBEARER', initial: bearer(bad) })
    await refusalOf(fake.port, plain('ann', 'hunter2 hunter2'))
    await refusalOf(fake.port, plain('hunter2 hunter2', 'ann'))
    await refusalOf(fake.port, { mechanism: 'SCRAM-SHA-256', initial: Buffer.from('hunter2') })
    peer.close()
    const text = JSON.stringify(fake.environment.lines)
    expect(text).toContain('auth.failed')
    for (const secret of [
      'hunter2',
      SECRET,
      ...good.split('.').slice(1),
      ...bad.split('.').slice(1),
    ])
      expect(text).not.toContain(secret)
    await fake.stop()
  })
})

it('notes in the log who changed what, without the password', async () => {
  const fake = await startFakeServer()
  const peer = await RawPeer.open(fake.port)
  const put = { user: 'ann', create: true, administrator: true, password: 'hunter2 hunter2' }
  expect(await callFor(peer, Opcode.USER_PUT, wire.encodeUserPut(put))).toBe('none')
  const grant = { ...permission, user: 'ann', kind: 'topic', pattern: 'x' }
  const body = wire.encodePermission(grant)
  expect(await callFor(peer, Opcode.PERMISSION_GRANT, body)).toBe('none')
  expect(await callFor(peer, Opcode.PERMISSION_REVOKE, body)).toBe('none')
  const noted = fake.environment.lines.filter(({ event }) => event.startsWith('identity.'))
  expect(noted.map(({ event }) => event)).toEqual([
    'identity.user-stored',
    'identity.permission-granted',
    'identity.permission-revoked',
  ])
  expect(noted[0]?.fields).toMatchObject({ by: 'anonymous', user: 'ann', created: true })
  expect(JSON.stringify(fake.environment.lines)).not.toContain('hunter2')
  peer.close()
  await fake.stop()
})
