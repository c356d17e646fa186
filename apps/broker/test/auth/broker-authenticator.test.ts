import type { AuthenticationContext, TlsPeer } from '@millrace/core'
import { BrokerAuthenticator } from '../../src/auth/broker-authenticator.ts'
import { TokenVerifier } from '../../src/auth/token-verifier.ts'
import { readTokenKeys } from '../../src/auth/token-keys.ts'
import { contextOf, createRealm, nameOf, say, system } from './support.ts'

const peer: TlsPeer = {
  commonName: 'ann',
  names: ['ann.example', 'https://ann.example/'],
  fingerprint256: 'AA:BB',
}

const local = { remoteAddress: '127.0.0.1:5000', localAddress: '127.0.0.1:7420', isTls: false }

const create = async (changes: { isRequired?: boolean; allowsPlaintext?: boolean } = {}) => {
  const realm = await createRealm()
  const { desk, clock } = realm
  const keys = await readTokenKeys(Buffer.from('a secret that is long enough to be one'))
  const authenticator = new BrokerAuthenticator({
    isRequired: () => changes.isRequired ?? true,
    allowsPlaintext: changes.allowsPlaintext ?? false,
    desk,
    plain: { ...realm, underWay: new Map() },
    scram: { desk, makeNonce: () => 'nonce', standInKey: 'key', iterations: 4_096 },
    tokens: new TokenVerifier({ keys, clock, issuer: '', audience: 'millrace' }),
  })
  return { realm, authenticator }
}

const scram = ['SCRAM-SHA-512', 'SCRAM-SHA-256']
const all = [...scram, 'OAUTHBEARER', 'PLAIN']

it.each<[string, Partial<AuthenticationContext>, readonly string[]]>([
  ['over TLS', { isTls: true }, all],
  ['with a certificate', { isTls: true, tlsPeer: peer }, ['EXTERNAL', ...all]],
  ['from this machine', local, all],
  ['from this machine by its name in IPv6', { ...local, remoteAddress: '[::1]:1' }, all],
  ['from another machine as plain text', { isTls: false }, scram],
])('offers a peer %s what is safe there', async (_name, context, expected) => {
  const { authenticator } = await create()
  expect(authenticator.mechanismsFor(contextOf(context))).toEqual(expected)
})

it('offers passwords and tokens as plain text when it is told to', async () => {
  const { authenticator } = await create({ allowsPlaintext: true })
  expect(authenticator.mechanismsFor(contextOf({ isTls: false }))).toEqual(all)
})

it.each<[string, Partial<AuthenticationContext>, boolean]>([
  ['from this machine', local, true],
  ['from another machine', { ...local, remoteAddress: '192.0.2.1:1' }, false],
  ['from another machine over TLS', { isTls: true }, false],
  ['to another address of this machine', { ...local, localAddress: '192.0.2.9:7420' }, false],
])('lets in anybody %s while nobody has to log in: %s', async (_name, context, isOffered) => {
  const { authenticator } = await create({ isRequired: false })
  const exchange = authenticator.begin('ANONYMOUS', contextOf(context))
  expect(exchange !== undefined).toBe(isOffered)
  expect(authenticator.begin('PLAIN', contextOf(context))).toBeUndefined()
  if (exchange === undefined) return
  const outcome = await say(exchange, '')
  expect(outcome).toMatchObject({ kind: 'principal', principal: { isAnonymous: true } })
})

it('lets in nobody without a name once logins are required', async () => {
  const { authenticator } = await create()
  expect(authenticator.begin('ANONYMOUS', contextOf(local))).toBeUndefined()
})

describe('EXTERNAL', () => {
  const begin = async (changes: object, tlsPeer: TlsPeer = peer) => {
    const { realm, authenticator } = await create()
    await realm.addUser('root', 'correct horse')
    await realm.identity.putUser(system, { user: 'ann', create: true, ...changes })
    const exchange = authenticator.begin('EXTERNAL', contextOf({ isTls: true, tlsPeer }))
    return { realm, exchange: exchange! }
  }

  it.each(['ann.example', 'https://ann.example/', 'ann', 'AA:BB'])(
    'knows a user by the name %s of its certificate',
    async (name) => {
      const { exchange } = await begin({ certificateNames: [name] })
      expect(nameOf(await say(exchange, ''))).toBe('ann')
    },
  )

  it('knows nobody by a name that is not in the certificate, or is in it by the way', async () => {
    for (const name of ['example', 'ann.example.org', 'CN=ann', '*', 'bob']) {
      const { exchange } = await begin({ certificateNames: [name] })
      expect(await say(exchange, '')).toEqual({ kind: 'failure' })
    }
    const { exchange } = await begin({})
    expect(await say(exchange, '')).toEqual({ kind: 'failure' })
  })

  it('lets nobody act for somebody else, and nobody in who is disabled', async () => {
    const names = { certificateNames: ['ann'] }
    expect(nameOf(await say((await begin(names)).exchange, 'ann'))).toBe('ann')
    expect(await say((await begin(names)).exchange, 'root')).toEqual({ kind: 'failure' })
    const { exchange } = await begin({ ...names, isDisabled: true })
    expect(await say(exchange, '')).toEqual({ kind: 'failure' })
  })

  it('takes no empty name for one', async () => {
    const { exchange } = await begin({}, { commonName: '', names: [], fingerprint256: '' })
    expect(await say(exchange, '')).toEqual({ kind: 'failure' })
  })
})
