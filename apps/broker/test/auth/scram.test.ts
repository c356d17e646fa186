import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { beginScram, type ScramOptions } from '../../src/auth/scram-exchange.ts'
import { parseClientFinal, parseClientFirst } from '../../src/auth/scram-messages.ts'
import { deriveScram, formatScram, parseScram } from '../../src/auth/scram-verifier.ts'
import { contextOf, createRealm, nameOf, type Realm, say, system, textOf } from './support.ts'

const optionsOf = (realm: Realm, nonce = 'server-nonce'): ScramOptions => ({
  desk: realm.desk,
  makeNonce: () => nonce,
  standInKey: 'key of this broker',
  iterations: 4_096,
})

/** The client's side, written from the RFC and not from our server. */
class Client {
  readonly hash: 'sha256' | 'sha512'
  readonly header: string
  readonly bare: string
  #signature = ''

  constructor(hash: 'sha256' | 'sha512', user: string, header = 'n,,') {
    this.hash = hash
    this.header = header
    this.bare = `n=${user},r=client-nonce`
  }

  get first(): string {
    return this.header + this.bare
  }

  final(serverFirst: string, password: string, changes: { nonce?: string; header?: string } = {}) {
    const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst) ?? []
    const bytes = this.hash === 'sha256' ? 32 : 64
    const key = Buffer.from(salt as string, 'base64')
    const salted = pbkdf2Sync(password, key, Number(iterations), bytes, this.hash)
    const mac = (k: Buffer, text: string) => createHmac(this.hash, k).update(text).digest()
    const clientKey = mac(salted, 'Client Key')
    const storedKey = createHash(this.hash).update(clientKey).digest()
    const header = Buffer.from(changes.header ?? this.header).toString('base64')
    const withoutProof = `c=${header},r=${changes.nonce ?? nonce}`
    const text = `${this.bare},${serverFirst},${withoutProof}`
    this.#signature = mac(mac(salted, 'Server Key'), text).toString('base64')
    const proof = mac(storedKey, text).map((byte, at) => byte ^ (clientKey[at] as number))
    return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`
  }

  get signature(): string {
    return `v=${this.#signature}`
  }
}

it('gives the messages of the example in RFC 7677', async () => {
  const realm = await createRealm()
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
  const verifier = await deriveScram('sha256', 'pencil', salt, 4_096)
  const credentials = { 'SCRAM-SHA-256': formatScram(verifier) }
  const user = { user: 'user', create: true, isAdministrator: true, credentials }
  await realm.identity.putUser(system, user)
  const options = optionsOf(realm, '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0')
  const exchange = beginScram('SCRAM-SHA-256', contextOf(), options)
  const challenge = await say(exchange, 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO')
  expect(textOf(challenge)).toBe(
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  )
  const final = await say(
    exchange,
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,' +
      'p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  )
  expect(nameOf(final)).toBe('user')
  expect(textOf(final)).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
})

describe.each([
  ['SCRAM-SHA-256', 'sha256'],
  ['SCRAM-SHA-512', 'sha512'],
] as const)('%s', (mechanism, hash) => {
  const begin = async (name = 'ann') => {
    const realm = await createRealm()
    await realm.addUser('ann', 'pencil pencil')
    await realm.addUser('a,b=c', 'pencil pencil')
    const exchange = beginScram(mechanism, contextOf(), optionsOf(realm))
    const client = new Client(hash, name)
    return { realm, exchange, client }
  }

  it('lets in who knows the password, and proves itself', async () => {
    const { exchange, client } = await begin()
    const challenge = textOf(await say(exchange, client.first))
    const outcome = await say(exchange, client.final(challenge, 'pencil pencil'))
    expect(nameOf(outcome)).toBe('ann')
    expect(textOf(outcome)).toBe(client.signature)
  })

  it('takes the nonce of librdkafka, some versions of which say their own part twice', async () => {
    const { exchange, client } = await begin()
    const challenge = textOf(await say(exchange, client.first))
    const changes = { nonce: 'client-nonceclient-nonceserver-nonce' }
    const outcome = await say(exchange, client.final(challenge, 'pencil pencil', changes))
    expect(nameOf(outcome)).toBe('ann')
  })

  it('knows a name with a comma and an equals sign', async () => {
    const { exchange, client } = await begin('a=2Cb=3Dc')
    const challenge = textOf(await say(exchange, client.first))
    expect(nameOf(await say(exchange, client.final(challenge, 'pencil pencil')))).toBe('a,b=c')
  })

  it('asks for the first message when there is none', async () => {
    const { exchange, client } = await begin()
    expect(await say(exchange, '')).toEqual({ kind: 'challenge', bytes: new Uint8Array(0) })
    const challenge = textOf(await say(exchange, client.first))
    expect(nameOf(await say(exchange, client.final(challenge, 'pencil pencil')))).toBe('ann')
  })

  it.each([
    ['a wrong password', {}, 'pencil pencim'],
    ['a nonce that is not ours', { nonce: 'client-nonceserver-noncf' }, 'pencil pencil'],
    ['a longer nonce that ends with ours', { nonce: 'xclient-nonceserver-nonce' }, 'pencil pencil'],
    [
      'its nonce three times',
      { nonce: `${'client-nonce'.repeat(3)}server-nonce` },
      'pencil pencil',
    ],
    ['our part alone', { nonce: 'server-nonce' }, 'pencil pencil'],
    ['its own nonce alone', { nonce: 'client-nonce' }, 'pencil pencil'],
    ['another header than before', { header: 'y,,' }, 'pencil pencil'],
  ])('refuses %s', async (_name, changes, password) => {
    const { exchange, client } = await begin()
    const challenge = textOf(await say(exchange, client.first))
    const outcome = await say(exchange, client.final(challenge, password, changes))
    expect(outcome).toEqual({ kind: 'failure' })
    expect(await say(exchange, client.final(challenge, 'pencil pencil'))).toEqual({
      kind: 'failure',
    })
  })

  it('challenges a user that is not there like any other, each time alike', async () => {
    const { realm, client } = await begin('nobody')
    const first = await say(beginScram(mechanism, contextOf(), optionsOf(realm)), client.first)
    const again = beginScram(mechanism, contextOf(), optionsOf(realm))
    const challenge = await say(again, client.first)
    expect(textOf(challenge)).toBe(textOf(first))
    expect(textOf(challenge)).toMatch(/^r=client-nonceserver-nonce,s=[A-Za-z0-9+/]{22}==,i=4096$/)
    const other = new Client(hash, 'somebody')
    const third = await say(beginScram(mechanism, contextOf(), optionsOf(realm)), other.first)
    expect(textOf(third)).not.toBe(textOf(first))
    const outcome = await say(again, client.final(textOf(challenge), 'pencil pencil'))
    expect(outcome).toEqual({ kind: 'failure' })
  })

  it('refuses who has been disabled, deleted or changed between the messages', async () => {
    for (const change of ['disable', 'delete', 'password']) {
      const { realm, exchange, client } = await begin()
      const challenge = textOf(await say(exchange, client.first))
      const final = client.final(challenge, 'pencil pencil')
      if (change === 'delete') await realm.identity.deleteUser(system, { user: 'ann' })
      else if (change === 'password') await realm.setPassword('ann', 'another one')
      else await realm.identity.putUser(system, { user: 'ann', create: false, isDisabled: true })
      expect(await say(exchange, final)).toEqual({ kind: 'failure' })
    }
  })

  it('lets nobody act for somebody else', async () => {
    const { realm } = await begin()
    const act = async (header: string) => {
      const client = new Client(hash, 'ann', header)
      const exchange = beginScram(mechanism, contextOf(), optionsOf(realm))
      const challenge = textOf(await say(exchange, client.first))
      return nameOf(await say(exchange, client.final(challenge, 'pencil pencil')))
    }
    expect(await act('n,a=ann,')).toBe('ann')
    expect(await act('y,,')).toBe('ann')
    expect(await act('n,a=root,')).toBeUndefined()
  })
})

it.each([
  'p=tls-unique,,n=ann,r=x',
  'n,,m=x,n=ann,r=x',
  'n,,n=ann,r=x,m=x',
  'n,,n=,r=x',
  'n,,n=ann,r=',
  'n,,n=an=n,r=x',
  'n,,n=ann',
  'n,n=ann,r=x',
  'n,,r=x,n=ann',
  'n,,n=ann,r=a b',
  `n,,n=ann,r=${'x'.repeat(257)}`,
  'n,,n=a\u0000n,r=x',
  'n,,n=a\u0001n,r=x',
  'x',
])('refuses the first message %j', async (message) => {
  const realm = await createRealm()
  await realm.addUser('ann', 'pencil pencil')
  const exchange = beginScram('SCRAM-SHA-256', contextOf(), optionsOf(realm))
  expect(await say(exchange, message)).toEqual({ kind: 'failure' })
})

it('reads messages as the grammar has them and nothing else', () => {
  expect(parseClientFirst('n,,n=a,r=b,x=later')).toMatchObject({ user: 'a', nonce: 'b' })
  expect(parseClientFirst(`n,,n=a,r=${'x'.repeat(256)}`)).toBeDefined()
  expect(parseClientFinal('c=biws,r=x,x=later,p=AAAA')).toMatchObject({
    withoutProof: 'c=biws,r=x,x=later',
    nonce: 'x',
  })
  for (const bad of ['c=biws,r=x', 'c=biws,p=AAAA', 'r=x,c=biws,p=AAAA', 'c=biws,r=x,p=AAA'])
    expect(parseClientFinal(bad)).toBeUndefined()
  expect(parseClientFinal('c=biws,r=x,p=')).toBeUndefined()
  expect(parseClientFinal('c=biws,r=x,p=AAAA,x=y')).toBeUndefined()
})

it('keeps verifiers as text and reads nothing else', async () => {
  const verifier = await deriveScram('sha512', 'pencil', Buffer.from('salt'), 4_096)
  const again = parseScram(formatScram(verifier))
  expect(again && formatScram(again)).toBe(formatScram(verifier))
  expect(again?.storedKey).toHaveLength(64)
  for (const bad of ['', '1:a$b:c', 'x', '4096:a$b', '-4096:a$b:c'])
    expect(parseScram(bad)).toBeUndefined()
})

it('refuses messages that are too long, not text, or too many', async () => {
  const realm = await createRealm()
  const begin = () => beginScram('SCRAM-SHA-256', contextOf(), optionsOf(realm))
  expect(await say(begin(), `n,,n=${'a'.repeat(6 * 1024)},r=x`)).toEqual({ kind: 'failure' })
  expect(await begin().step(Buffer.from([0x6e, 0xff]))).toEqual({ kind: 'failure' })
  const silent = begin()
  await say(silent, '')
  expect((await say(silent, '')).kind).toBe('failure')
})
