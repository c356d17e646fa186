/** From the first byte to the open connection, and who is let in. */
import { BrokerError } from '@millrace/codec'
import {
  type AuthenticationStep,
  type Authenticator,
  type Meters,
  type Principal,
  TrafficCounters,
} from '@millrace/core'
import { PROTOCOL_HEADER } from '../src/codec/frame.ts'
import type { FieldTable } from '../src/codec/field-table.ts'
import { FRAME_BYTES_MIN, HANDSHAKE_FRAME_BYTES_MAX } from '../src/limits.ts'
import { type AmqpPeer, frameOf, methodFrame } from './support/amqp-peer.ts'
import { type AmqpWorld, type AmqpWorldOptions, openAmqpWorld } from './support/amqp-world.ts'

let world: AmqpWorld
let peer: AmqpPeer

const open = (options: AmqpWorldOptions = {}): void => {
  world = openAmqpWorld(options)
  peer = world.connect()
}

const failureClose = [
  {
    name: 'capabilities',
    value: {
      type: 'F',
      value: [{ name: 'authentication_failure_close', value: { type: 't', value: true } }],
    },
  },
] as const satisfies FieldTable

const startOk = (response: string | Uint8Array, mechanism = 'PLAIN', on = peer): void =>
  on.send(0, 'connection.start-ok', {
    clientProperties: failureClose,
    mechanism,
    response: Buffer.from(response),
    locale: 'en_US',
  })

const greet = async (): Promise<void> => {
  peer.sendBytes(PROTOCOL_HEADER)
  await peer.take()
}

const toTune = async (): Promise<void> => {
  await greet()
  startOk('\u0000guest\u0000guest')
  await peer.take()
}

it('greets as the broker that clients expect', async () => {
  open({ settings: { product: 'RabbitMQ', version: '3.13.7' } })
  peer.sendBytes(PROTOCOL_HEADER)
  const [start] = await peer.take()
  expect(start).toMatchObject({ channel: 0, name: 'connection.start' })
  const { serverProperties, mechanisms, locales, versionMajor, versionMinor } = start?.fields ?? {}
  expect([versionMajor, versionMinor]).toEqual([0, 9])
  expect(Buffer.from(mechanisms as Uint8Array).toString()).toBe('PLAIN AMQPLAIN')
  expect(Buffer.from(locales as Uint8Array).toString()).toBe('en_US')
  const table = serverProperties as FieldTable
  const textOf = (name: string) => {
    const value = table.find((field) => field.name === name)?.value
    return value?.type === 'S' ? Buffer.from(value.value).toString() : undefined
  }
  expect([textOf('product'), textOf('version')]).toEqual(['RabbitMQ', '3.13.7'])
  const capabilities = table.find(({ name }) => name === 'capabilities')?.value
  expect(capabilities?.type === 'F' && capabilities.value.map(({ name }) => name).sort()).toEqual([
    'authentication_failure_close',
    'basic.nack',
    'connection.blocked',
    'consumer_cancel_notify',
    'consumer_priorities',
    'direct_reply_to',
    'exchange_exchange_bindings',
    'per_consumer_qos',
    'publisher_confirms',
  ])
})

it.each(['GET / HTTP/1.1\r\n', 'AMQP\u0001\u0001\u0000\u0009', 'AMQP\u0000\u0001\u0000\u0000'])(
  'tells who says %j what it speaks, and ends',
  async (text) => {
    open()
    peer.sendBytes(Buffer.from(text, 'latin1'))
    await world.turn()
    expect(peer.connection.received).toEqual(Buffer.from(PROTOCOL_HEADER))
    expect(peer.isEnded).toBe(true)
  },
)

it.each([
  [
    '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001',
    'the peer speaks TLS here, and this connection',
  ],
  ['GET / HTTP/1.1\r\n', 'the peer does not begin as AMQP 0-9-1 does'],
])('has in the log and the counters who says %j', async (text, reason) => {
  const counted: string[] = []
  const meters: Meters = {
    traffic: () => new TrafficCounters(),
    countError: (code) => void counted.push(code),
    loginFailed: () => undefined,
  }
  open({ services: { meters } })
  peer.sendBytes(Buffer.from(text, 'latin1'))
  await world.turn()
  expect(world.events).toEqual(['amqp.session-ended'])
  expect(world.reasons).toEqual([expect.stringContaining(reason)])
  expect(counted).toEqual(['ERR_MALFORMED_FRAME'])
})

it('opens however the bytes are cut', async () => {
  open()
  const bytes = Buffer.concat([
    PROTOCOL_HEADER,
    methodFrame(0, 'connection.start-ok', {
      mechanism: 'PLAIN',
      response: Buffer.from('\u0000guest\u0000guest'),
    }),
    methodFrame(0, 'connection.tune-ok', { channelMax: 10, frameMax: 4_096, heartbeat: 0 }),
    methodFrame(0, 'connection.open', { virtualHost: '/' }),
    methodFrame(3, 'channel.open'),
  ])
  for (const byte of bytes) {
    peer.sendBytes(new Uint8Array([byte]))
    if (peer.connection.isPaused) await world.turn()
  }
  expect(await peer.takeNames()).toEqual([
    'connection.start',
    'connection.tune',
    'connection.open-ok',
    'channel.open-ok',
  ])
})

describe('tune', () => {
  it('offers what the settings say', async () => {
    open({ settings: { channelsMax: 7, frameBytesMax: 9_000, heartbeatSeconds: 11 } })
    await greet()
    startOk('\u0000guest\u0000guest')
    const [tune] = await peer.take()
    expect(tune).toMatchObject({
      name: 'connection.tune',
      fields: { channelMax: 7, frameMax: 9_000, heartbeat: 11 },
    })
  })

  it.each([
    [{ channelMax: 2_047, frameMax: 131_072 }, undefined],
    [{ channelMax: 1, frameMax: FRAME_BYTES_MIN }, undefined],
    [{ channelMax: 2_048, frameMax: 131_072 }, 'negotiated channel_max = 2048 is higher'],
    [{ channelMax: 0, frameMax: 131_072 }, 'negotiated channel_max = 0 (no limit) is higher'],
    [{ channelMax: 1, frameMax: 131_073 }, 'negotiated frame_max = 131073 is higher'],
    [{ channelMax: 1, frameMax: 0 }, 'negotiated frame_max = 0 (no limit) is higher'],
    [{ channelMax: 1, frameMax: FRAME_BYTES_MIN - 1 }, 'negotiated frame_max = 4095 is lower'],
  ])('takes what was offered or less: %j', async (asked, problem) => {
    open()
    await toTune()
    peer.send(0, 'connection.tune-ok', { ...asked, heartbeat: 0 })
    const [answer] = await peer.take()
    if (problem === undefined) expect(answer).toBeUndefined()
    else {
      expect(answer).toMatchObject({ name: 'connection.close', fields: { replyCode: 530 } })
      expect(answer?.fields['replyText']).toContain(`NOT_ALLOWED - ${problem}`)
    }
  })

  it('keeps to the channels that were agreed on', async () => {
    open()
    await toTune()
    peer.send(0, 'connection.tune-ok', { channelMax: 5, frameMax: 4_096, heartbeat: 0 })
    await peer.ask(0, 'connection.open', { virtualHost: '/' })
    expect((await peer.ask(5, 'channel.open')).name).toBe('channel.open-ok')
    expect(await peer.ask(6, 'channel.open')).toMatchObject({
      name: 'connection.close',
      fields: { replyCode: 530 },
    })
  })
})

describe('virtual hosts', () => {
  it('are namespaces', async () => {
    open()
    await peer.open({ vhost: 'shop' })
    await peer.openChannel()
    expect(world.messaging.sessions[0]?.options.namespace).toBe('shop')
  })

  it('are refused when there is none of the name', async () => {
    open()
    await toTune()
    peer.send(0, 'connection.tune-ok', { channelMax: 5, frameMax: 4_096, heartbeat: 0 })
    expect(await peer.ask(0, 'connection.open', { virtualHost: 'nope' })).toMatchObject({
      fields: {
        replyCode: 530,
        replyText: 'NOT_ALLOWED - vhost nope not found',
        classId: 10,
        methodId: 40,
      },
    })
  })
})

describe('before a peer is known', () => {
  it('reads small frames only', async () => {
    open()
    peer.sendBytes(PROTOCOL_HEADER)
    const other = world.connect()
    other.sendBytes(PROTOCOL_HEADER)
    const head = (bytes: number): Buffer => {
      const frame = Buffer.alloc(7)
      frame[0] = 1
      frame.writeUInt32BE(bytes - 8, 3)
      return frame
    }
    peer.sendBytes(head(HANDSHAKE_FRAME_BYTES_MAX))
    other.sendBytes(head(HANDSHAKE_FRAME_BYTES_MAX + 1))
    expect([peer.isEnded, other.isEnded]).toEqual([false, true])
  })

  it.each([
    ['channel 1', methodFrame(1, 'channel.open')],
    ['the end of the handshake', methodFrame(0, 'connection.open', { virtualHost: '/' })],
    ['an answer of the broker', methodFrame(0, 'connection.tune')],
    ['a body', frameOf(3, 0, Buffer.from('x'))],
    ['a message', methodFrame(1, 'basic.publish')],
  ])('hangs up on %s without a word', async (_name, bytes) => {
    open()
    await greet()
    peer.sendBytes(bytes)
    expect(await peer.take()).toEqual([])
    expect(peer.isEnded).toBe(true)
  })

  it('hangs up on who takes too long', async () => {
    open()
    peer.sendBytes(PROTOCOL_HEADER)
    world.timers.advance(10_000)
    expect(peer.isEnded).toBe(true)
  })

  it('lets who has opened take its time', async () => {
    open()
    await peer.open()
    world.timers.advance(3_600_000)
    expect(peer.isEnded).toBe(false)
  })

  it('counts it among the strangers', async () => {
    const calls: string[] = []
    const pass = { hold: () => undefined, release: () => void calls.push('release') }
    const enter = () => (calls.push('enter'), pass)
    open({ services: { strangers: { enter } } })
    expect(calls).toEqual(['enter'])
    await peer.open()
    expect(calls).toEqual(['enter', 'release'])
  })

  it('turns away a stranger too many', () => {
    const enter = (): never => {
      throw new BrokerError('ERR_CONNECTION_LIMIT', [3])
    }
    open({ services: { strangers: { enter } } })
    expect(peer.isEnded).toBe(true)
  })
})

const refusal =
  'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. ' +
  'For details see the broker logfile.'

describe('where nobody need log in', () => {
  it.each(['\u0000guest\u0000guest', '\u0000app\u0000secret', 'app\u0000app\u0000x'])(
    'takes the words %j',
    async (words) => {
      open()
      await peer.open({ response: words })
      expect(world.messaging.sessions).toHaveLength(0)
      await peer.openChannel()
      expect(world.messaging.sessions[0]?.options.principal.isAnonymous).toBe(true)
    },
  )

  it.each(['\u0000guest\u0000wrong', 'guest', '', '\u0000\u0000', 'eve\u0000guest\u0000guest'])(
    'refuses the words %j',
    async (words) => {
      open()
      await greet()
      startOk(words)
      const [close] = await peer.take()
      expect(close).toMatchObject({ fields: { replyCode: 403, replyText: refusal } })
      expect(peer.isEnded).toBe(true)
    },
  )

  it('says nothing to who could not hear it', async () => {
    open()
    await greet()
    peer.send(0, 'connection.start-ok', {
      mechanism: 'PLAIN',
      response: Buffer.from('\u0000guest\u0000wrong'),
    })
    expect(await peer.take()).toEqual([])
    expect(peer.isEnded).toBe(true)
  })

  it('refuses a mechanism that it did not offer', async () => {
    open()
    await greet()
    startOk('x', 'GSSAPI')
    const [close] = await peer.take()
    expect(close?.fields['replyText']).toMatch(/^ACCESS_REFUSED - Login was refused .* GSSAPI/)
  })
})

const NOW_MS = 1_700_000_000_000

interface Asked {
  readonly mechanism: string
  readonly words: string
}

/** Users whose password is `secret`, tokens that say whose they are, and a certificate. */
const users = (asked: Asked[], lifetimeMs?: number): Authenticator => ({
  mechanisms: ['EXTERNAL', 'OAUTHBEARER', 'PLAIN'],
  mechanismsFor: () => ['EXTERNAL', 'OAUTHBEARER', 'PLAIN'],
  begin: (mechanism) => ({
    step: async (response): Promise<AuthenticationStep> => {
      const words = Buffer.from(response).toString()
      asked.push({ mechanism, words })
      const [, name = '', secret] = words.split('\u0000')
      if (words === 'ask me') return { kind: 'challenge', bytes: Buffer.from('who?') }
      const principalOf = (user: string): Principal => ({ name: user, isAnonymous: false })
      const expiresAtMs =
        lifetimeMs === undefined ? undefined : NOW_MS + world.timers.nowMs + lifetimeMs
      if (mechanism === 'EXTERNAL') return { kind: 'principal', principal: principalOf('cert') }
      if (mechanism === 'OAUTHBEARER')
        return { kind: 'principal', principal: principalOf('token-user'), expiresAtMs }
      if (secret !== 'secret') return { kind: 'failure' }
      return { kind: 'principal', principal: principalOf(name), expiresAtMs }
    },
  }),
})

describe('with logins', () => {
  let asked: Asked[]

  const openWithUsers = (lifetimeMs?: number): void => {
    asked = []
    open({ services: { authenticator: users(asked, lifetimeMs) } })
  }

  const principal = () => world.messaging.sessions[0]?.options.principal

  it('offers its mechanisms', async () => {
    openWithUsers()
    peer.sendBytes(PROTOCOL_HEADER)
    const [start] = await peer.take()
    const mechanisms = start?.fields['mechanisms'] as Uint8Array
    expect(Buffer.from(mechanisms).toString()).toBe('PLAIN AMQPLAIN EXTERNAL')
  })

  it('knows who said the right words', async () => {
    openWithUsers()
    await peer.open({ response: '\u0000anna\u0000secret' })
    await peer.openChannel()
    expect(principal()).toEqual({ name: 'anna', isAnonymous: false })
  })

  it('refuses the wrong words', async () => {
    openWithUsers()
    await greet()
    startOk('\u0000anna\u0000wrong')
    expect((await peer.take())[0]?.fields).toMatchObject({ replyCode: 403, replyText: refusal })
  })

  it('reads the words from a table', async () => {
    openWithUsers()
    await greet()
    const hex = '054c4f47494e5300000004616e6e610850415353574f52445300000006736563726574'
    startOk(Buffer.from(hex, 'hex'), 'AMQPLAIN')
    expect(await peer.takeNames()).toEqual(['connection.tune'])
    expect(asked).toEqual([{ mechanism: 'PLAIN', words: '\u0000anna\u0000secret' }])
  })

  it('refuses a table that is none', async () => {
    openWithUsers()
    await greet()
    startOk(Buffer.from('0000', 'hex'), 'AMQPLAIN')
    expect((await peer.take())[0]?.fields).toMatchObject({ replyCode: 403 })
  })

  it('asks a certificate', async () => {
    openWithUsers()
    await greet()
    startOk('', 'EXTERNAL')
    expect(await peer.takeNames()).toEqual(['connection.tune'])
    expect(asked).toEqual([{ mechanism: 'EXTERNAL', words: '' }])
  })

  it.each(['u', ''])('takes a token for a password, of user %j', async (user) => {
    openWithUsers()
    await peer.open({ response: `\u0000${user}\u0000eyJh.eyJi.c2ln` })
    await peer.openChannel()
    expect(asked[0]?.mechanism).toBe('OAUTHBEARER')
    expect(asked[0]?.words).toContain('Bearer eyJh.eyJi.c2ln')
    expect(principal()?.name).toBe('token-user')
  })

  it('passes a question on', async () => {
    openWithUsers()
    await greet()
    startOk('ask me', 'EXTERNAL')
    const [secure] = await peer.take()
    expect(secure?.name).toBe('connection.secure')
    expect(Buffer.from(secure?.fields['challenge'] as Uint8Array).toString()).toBe('who?')
    peer.send(0, 'connection.secure-ok', { response: Buffer.from('me') })
    expect(await peer.takeNames()).toEqual(['connection.tune'])
  })

  it('ends with the credentials, unless they are renewed', async () => {
    openWithUsers(60_000)
    await peer.open({ response: '\u0000anna\u0000secret' })
    await peer.openChannel()
    world.timers.advance(40_000)
    const newSecret = Buffer.from('secret')
    expect((await peer.ask(0, 'connection.update-secret', { newSecret, reason: 'r' })).name).toBe(
      'connection.update-secret-ok',
    )
    expect(world.messaging.renewals).toBe(1)
    world.timers.advance(30_000)
    expect(await peer.take()).toEqual([])
    world.timers.advance(30_000)
    expect((await peer.take())[0]?.fields).toMatchObject({ replyCode: 320 })
  })

  it('refuses to renew with wrong words', async () => {
    openWithUsers()
    await peer.open({ response: '\u0000anna\u0000secret' })
    const newSecret = Buffer.from('wrong')
    const answer = await peer.ask(0, 'connection.update-secret', { newSecret, reason: 'r' })
    expect(answer.fields).toMatchObject({ replyCode: 403, classId: 10, methodId: 70 })
  })

  it('lets nobody become somebody else', async () => {
    openWithUsers()
    await peer.open({ response: '\u0000anna\u0000secret' })
    const newSecret = Buffer.from('eyJh.eyJi.c2ln')
    const answer = await peer.ask(0, 'connection.update-secret', { newSecret, reason: 'r' })
    expect(answer.fields).toMatchObject({ replyCode: 403 })
  })
})

describe('heartbeats', () => {
  it('leave when nothing else did', async () => {
    open()
    await peer.open({ heartbeat: 20 })
    world.timers.advance(5_000)
    await peer.take()
    world.timers.advance(5_000)
    expect(await peer.takeNames()).toEqual(['heartbeat'])
  })

  it('are missed for two intervals', async () => {
    open()
    await peer.open({ heartbeat: 20 })
    for (let look = 0; look < 8; look++) world.timers.advance(5_000)
    expect(peer.isEnded).toBe(false)
    world.timers.advance(5_000)
    expect(peer.isEnded).toBe(true)
  })

  it('keep a peer alive that says nothing else', async () => {
    open()
    await peer.open({ heartbeat: 20 })
    for (let look = 0; look < 40; look++) {
      world.timers.advance(5_000)
      if (look % 4 === 0) peer.sendBytes(frameOf(8, 0, Buffer.alloc(0)))
    }
    expect(peer.isEnded).toBe(false)
  })

  it('are not asked of a peer that wants none', async () => {
    open()
    await peer.open({ heartbeat: 0 })
    world.timers.advance(3_600_000)
    expect(await peer.take()).toEqual([])
  })

  it('belong to channel 0', async () => {
    open()
    await peer.open()
    peer.sendBytes(frameOf(8, 1, Buffer.alloc(0)))
    expect((await peer.take())[0]?.fields).toMatchObject({ replyCode: 505 })
  })
})
