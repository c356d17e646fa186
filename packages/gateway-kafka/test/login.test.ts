/** Who a peer is: anonymous, by SASL in both of its forms, again, and not at all. */
import { BrokerError } from '@millrace/codec'
import type { AuthenticationStep, Authenticator, Principal, Services } from '@millrace/core'
import { KafkaError } from '../src/errors.ts'
import { HANDSHAKE_FRAME_BYTES_MAX } from '../src/limits.ts'
import { apiVersions } from '../src/schema/apis/api-versions.ts'
import { metadata } from '../src/schema/apis/metadata.ts'
import { saslAuthenticate, saslHandshake } from '../src/schema/apis/sasl.ts'
import type { KafkaPeer } from './support/kafka-peer.ts'
import { type KafkaWorld, openKafkaWorld } from './support/kafka-world.ts'
import { metadataOf } from './support/requests.ts'
import { oneTurn, until } from './support/settled.ts'

const NOW_MS = Date.now()

/** Two steps: a question, then whoever `name:secret` says. */
const askedTwice = (lifetimeMs?: number): Authenticator => ({
  mechanisms: ['PLAIN', 'EXTERNAL', 'ANONYMOUS'],
  mechanismsFor: () => ['PLAIN', 'EXTERNAL'],
  begin: (mechanism) => {
    if (mechanism !== 'PLAIN') return undefined
    let count = 0
    const step = async (response: Uint8Array): Promise<AuthenticationStep> => {
      if (count++ === 0) return { kind: 'challenge', bytes: Buffer.from('who?') }
      const [name, secret] = Buffer.from(response).toString().split(':')
      if (secret === 'wait')
        return { kind: 'failure', error: new BrokerError('ERR_LOGIN_DELAYED', [5]) }
      if (secret !== 'secret') return { kind: 'failure' }
      const principal: Principal = { name: name ?? '', isAnonymous: false }
      const finalBytes = Buffer.from('welcome')
      const expiresAtMs = lifetimeMs === undefined ? undefined : NOW_MS + lifetimeMs
      return { kind: 'principal', principal, finalBytes, expiresAtMs }
    }
    return { step }
  },
})

let world: KafkaWorld
let peer: KafkaPeer

const open = async (services: Partial<Services> = {}): Promise<void> => {
  world = await openKafkaWorld({ services: { authenticator: askedTwice(), ...services } })
  peer = world.connect()
}

afterEach(() => world.stop())

const say = (text: string, on: KafkaPeer = peer) =>
  on.ask(saslAuthenticate, 2, { authBytes: Buffer.from(text) })

const handshake = (mechanism = 'PLAIN', version = 1) =>
  peer.ask(saslHandshake, version, { mechanism })

const login = async (words = 'anna:secret') => {
  expect((await handshake()).errorCode).toBe(KafkaError.NONE)
  expect(Buffer.from((await say('hello')).authBytes).toString()).toBe('who?')
  return say(words)
}

const software = { clientSoftwareName: 'test', clientSoftwareVersion: '1' }

it('tells a stranger what is served, and nothing else', async () => {
  await open()
  expect((await peer.ask(apiVersions, 3, software)).errorCode).toBe(KafkaError.NONE)
  peer.send(metadata, 9, metadataOf(null))
  await until('the connection ends', () => peer.isEnded)
  expect(peer.connection.received).toHaveLength(0)
})

it('serves who has logged in, with the last word of the mechanism', async () => {
  await open()
  const answered = await login()
  expect(answered).toMatchObject({ errorCode: KafkaError.NONE, sessionLifetimeMs: 0 })
  expect(Buffer.from(answered.authBytes).toString()).toBe('welcome')
  expect((await peer.ask(metadata, 9, metadataOf(null))).topics).toEqual([])
})

it('offers its mechanisms to who asks for another', async () => {
  await open()
  expect(await handshake('GSSAPI')).toEqual({
    errorCode: KafkaError.UNSUPPORTED_SASL_MECHANISM,
    mechanisms: ['PLAIN'],
  })
  expect((await handshake()).errorCode).toBe(KafkaError.NONE)
})

it.each([
  ['anna:wrong', 'authentication failed'],
  ['anna:wait', 'too many failed logins: wait 5 ms'],
])('tells of a failure and ends: %s', async (words, errorMessage) => {
  await open()
  expect(await login(words)).toMatchObject({
    errorCode: KafkaError.SASL_AUTHENTICATION_FAILED,
    errorMessage,
  })
  await until('the connection ends', () => peer.isEnded)
})

it('refuses words without a handshake', async () => {
  await open()
  expect((await say('hello')).errorCode).toBe(KafkaError.ILLEGAL_SASL_STATE)
  await until('the connection ends', () => peer.isEnded)
})

it('speaks the older form, where the words come alone', async () => {
  await open()
  expect((await handshake('PLAIN', 0)).errorCode).toBe(KafkaError.NONE)
  const alone = (text: string): void => {
    const size = Buffer.alloc(4)
    size.writeInt32BE(text.length)
    peer.sendBytes(Buffer.concat([size, Buffer.from(text)]))
  }
  alone('hello')
  expect(Buffer.from(await peer.takeFrame()).toString()).toBe('who?')
  alone('anna:secret')
  expect(Buffer.from(await peer.takeFrame()).toString()).toBe('welcome')
  expect((await peer.ask(metadata, 9, metadataOf(null))).topics).toEqual([])
})

it('renews a login, and lets nobody become somebody else', async () => {
  await open()
  await login()
  expect((await login()).errorCode).toBe(KafkaError.NONE)
  expect((await login('boris:secret')).errorCode).toBe(KafkaError.SASL_AUTHENTICATION_FAILED)
  await until('the connection ends', () => peer.isEnded)
})

it('ends with the credentials, unless they are renewed', async () => {
  await open({ authenticator: askedTwice(60_000) })
  const { sessionLifetimeMs } = await login()
  expect(sessionLifetimeMs).toBeGreaterThan(0)
  expect(sessionLifetimeMs).toBeLessThanOrEqual(60_000)
  await login()
  world.timers.advance(sessionLifetimeMs)
  expect(peer.isEnded).toBe(true)
})

it('ends a stranger that does not log in in time, and not who has', async () => {
  await open()
  const stranger = world.connect()
  await stranger.ask(apiVersions, 3, software)
  await login()
  world.timers.advance(10_000)
  expect([stranger.isEnded, peer.isEnded]).toEqual([true, false])
})

it('reads small requests only from a stranger', async () => {
  await open()
  const sizeOf = (size: number): Buffer => {
    const bytes = Buffer.alloc(6)
    bytes.writeInt32BE(size)
    return bytes
  }
  const other = world.connect()
  await oneTurn()
  peer.sendBytes(sizeOf(HANDSHAKE_FRAME_BYTES_MAX))
  other.sendBytes(sizeOf(HANDSHAKE_FRAME_BYTES_MAX + 1))
  expect([peer.isEnded, other.isEnded]).toEqual([false, true])
})

it('counts strangers until they are known', async () => {
  const calls: string[] = []
  const strangers = {
    enter: () => {
      calls.push('enter')
      const hold = (): void => undefined
      return { hold, release: () => void calls.push('release') }
    },
  }
  await open({ strangers })
  expect(calls).toEqual(['enter'])
  await login()
  expect(calls).toContain('release')
})

it('turns away a stranger too many', async () => {
  const enter = (): never => {
    throw new BrokerError('ERR_CONNECTION_LIMIT', [3])
  }
  await open({ strangers: { enter } })
  expect(peer.isEnded).toBe(true)
})
