import { createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto'
import { createServer, type RequestListener, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { beginBearer } from '../../src/auth/bearer-exchange.ts'
import { checkKeySetUrl, createRemoteKeys } from '../../src/auth/remote-key-set.ts'
import { ADDRESS_FAILURES_FREE_COUNT } from '../../src/auth/limits.ts'
import { readTokenKeys, type TokenKeys } from '../../src/auth/token-keys.ts'
import { readScopes } from '../../src/auth/token-scopes.ts'
import { TokenVerifier } from '../../src/auth/token-verifier.ts'
import { contextOf, createRealm, nameOf, say, system } from './support.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 })
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2_048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ed = generateKeyPairSync('ed25519')
const SECRET = 'a secret that is long enough to be one'

const pemOf = (key: KeyObject): Buffer =>
  Buffer.from(key.export({ type: 'spki', format: 'pem' }) as string)
const rsaPem = pemOf(rsa.publicKey)

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

type Claims = Record<string, unknown>
const NOW_S = 1_700_000_000
const good: Claims = { sub: 'ann', aud: 'millrace', iss: 'https://issuer', exp: NOW_S + 60 }

/** Made by hand, so that what no library would make can be made too. */
const make = (alg: string, claims: Claims, signature: (text: string) => Buffer, header = {}) => {
  const text = `${encode({ alg, typ: 'JWT', ...header })}.${encode(claims)}`
  return `${text}.${signature(text).toString('base64url')}`
}

const rs256 = (claims: Claims, key = rsa.privateKey, header = {}): string =>
  make('RS256', claims, (text) => signBytes('sha256', Buffer.from(text), key), header)
const hs256 = (claims: Claims, secret: string | Buffer = SECRET): string =>
  make('HS256', claims, (text) => createHmac('sha256', secret).update(text).digest())
const es256 = (claims: Claims): string =>
  make('ES256', claims, (text) =>
    signBytes('sha256', Buffer.from(text), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }),
  )
const eddsa = (claims: Claims): string =>
  make('EdDSA', claims, (text) => signBytes(null, Buffer.from(text), ed.privateKey))

const logInWith = async (keys: TokenKeys, token: string, user = '') => {
  const realm = await createRealm()
  await realm.addUser('root', 'correct horse')
  const verifier = new TokenVerifier({
    keys,
    clock: realm.clock,
    issuer: 'https://issuer',
    audience: 'millrace',
  })
  const exchange = beginBearer(contextOf(), realm.desk, verifier)
  const name = user === '' ? '' : `a=${user}`
  const outcome = await say(exchange, `n,${name},\u0001auth=Bearer ${token}\u0001\u0001`)
  return { outcome, lines: realm.lines }
}

const keysOf = (content: Buffer | string): Promise<TokenKeys> => readTokenKeys(Buffer.from(content))

it.each([
  ['RS256', rsaPem, rs256(good)],
  ['ES256', pemOf(ec.publicKey), es256(good)],
  ['EdDSA', pemOf(ed.publicKey), eddsa(good)],
  ['HS256', Buffer.from(SECRET), hs256(good)],
  ['HS256 with a line end', Buffer.from(`${SECRET}\n`), hs256(good)],
  [
    'RS256 by JWK',
    Buffer.from(JSON.stringify(rsa.publicKey.export({ format: 'jwk' }))),
    rs256(good),
  ],
])('takes %s by a key of its own', async (_name, content, token) => {
  const { outcome } = await logInWith(await keysOf(content), token)
  expect(outcome).toMatchObject({
    kind: 'principal',
    principal: { name: 'ann', isAnonymous: false },
    expiresAtMs: (NOW_S + 90) * 1_000,
  })
})

describe('a token', () => {
  it.each([
    ['expired', rs256({ ...good, exp: NOW_S - 31 })],
    ['not yet good', rs256({ ...good, nbf: NOW_S + 31 })],
    ['for another audience', rs256({ ...good, aud: 'elsewhere' })],
    ['for no audience', rs256({ ...good, aud: undefined })],
    ['of another issuer', rs256({ ...good, iss: 'https://evil' })],
    ['without an end', rs256({ ...good, exp: undefined })],
    ['without a subject', rs256({ ...good, sub: undefined })],
    ['of an empty subject', rs256({ ...good, sub: '' })],
    ['of everybody', rs256({ ...good, sub: '*' })],
    ['of anonymous', rs256({ ...good, sub: 'anonymous' })],
    ['of a subject with a control character', rs256({ ...good, sub: 'a\u0000b' })],
    ['of a subject that is too long', rs256({ ...good, sub: 'a'.repeat(256) })],
    ['signed by another key', rs256(good, otherRsa.privateKey)],
    [
      'changed after it was signed',
      rs256(good).replace(/\.[^.]+\./, `.${encode({ ...good, sub: 'root' })}.`),
    ],
    ['unsigned', make('none', good, () => Buffer.alloc(0))],
    ['unsigned in capitals', make('NONE', good, () => Buffer.alloc(0))],
    ['signed with the public key as a secret', hs256(good, rsaPem)],
    ['signed with the public key as a secret, trimmed', hs256(good, rsaPem.toString().trim())],
    ['with a critical extension', rs256(good, rsa.privateKey, { crit: ['x'], x: 1 })],
    ['with a broken scope of ours', rs256({ ...good, scope: 'millrace:own:/:topic:x' })],
    ['that is no token', 'a.b.c'],
    ['of two parts', 'a.b'],
    ['that is empty', '.'],
  ])('%s is refused', async (_name, token) => {
    const { outcome, lines } = await logInWith(await keysOf(rsaPem), token)
    expect(outcome).toEqual({ kind: 'failure' })
    expect(lines).toHaveLength(1)
    if (token.length > 10) expect(JSON.stringify(lines)).not.toContain(token.split('.')[1])
  })

  it('is good within the skew of clocks and not beyond', async () => {
    const keys = await keysOf(rsaPem)
    const nameWith = async (claims: Claims) =>
      nameOf((await logInWith(keys, rs256({ ...good, ...claims }))).outcome)
    expect(await nameWith({ exp: NOW_S - 29 })).toBe('ann')
    expect(await nameWith({ nbf: NOW_S + 30 })).toBe('ann')
    expect(await nameWith({ exp: NOW_S - 30 })).toBeUndefined()
  })

  it('is refused with an algorithm that its key is not for, however well it is signed', async () => {
    const rs512 = make('RS512', good, (text) =>
      signBytes('sha512', Buffer.from(text), rsa.privateKey),
    )
    const hs512 = make('HS512', good, (text) =>
      createHmac('sha512', 'x'.repeat(64)).update(text).digest(),
    )
    expect((await logInWith(await keysOf(rsaPem), rs512)).outcome).toEqual({ kind: 'failure' })
    const keys = await keysOf('x'.repeat(64))
    expect((await logInWith(keys, hs512)).outcome).toEqual({ kind: 'failure' })
    expect(nameOf((await logInWith(keys, hs256(good, 'x'.repeat(64)))).outcome)).toBe('ann')
  })

  it('of a symmetric key is refused with any other algorithm', async () => {
    const keys = await keysOf(SECRET)
    for (const token of [rs256(good), make('none', good, () => Buffer.alloc(0))])
      expect((await logInWith(keys, token)).outcome).toEqual({ kind: 'failure' })
  })

  it('may name its user beside it, and nobody else', async () => {
    const keys = await keysOf(rsaPem)
    expect(nameOf((await logInWith(keys, rs256(good), 'ann')).outcome)).toBe('ann')
    expect(nameOf((await logInWith(keys, rs256(good), 'root')).outcome)).toBeUndefined()
  })

  it('of a disabled user is refused', async () => {
    const realm = await createRealm()
    await realm.addUser('root', 'correct horse')
    await realm.addUser('ann', 'correct horse')
    await realm.identity.putUser(system, { user: 'ann', create: false, isDisabled: true })
    const options = { clock: realm.clock, issuer: '', audience: 'millrace' }
    const verifier = new TokenVerifier({ ...options, keys: await keysOf(rsaPem) })
    const exchange = beginBearer(contextOf(), realm.desk, verifier)
    const outcome = await say(exchange, `n,,\u0001auth=Bearer ${rs256(good)}\u0001\u0001`)
    expect(outcome).toEqual({ kind: 'failure' })
  })

  it('that fails again and again makes its address wait, as one with many users would', async () => {
    const realm = await createRealm()
    const options = { clock: realm.clock, issuer: '', audience: 'millrace' }
    const verifier = new TokenVerifier({ ...options, keys: await keysOf(rsaPem) })
    const attempt = (token: string) =>
      say(
        beginBearer(contextOf(), realm.desk, verifier),
        `n,,\u0001auth=Bearer ${token}\u0001\u0001`,
      )
    for (let index = 0; index < ADDRESS_FAILURES_FREE_COUNT; index++) await attempt('a.b.c')
    expect(await attempt(rs256(good))).toMatchObject({ kind: 'principal' })
    await attempt('a.b.c')
    expect(await attempt(rs256(good))).toMatchObject({ error: { code: 'ERR_LOGIN_DELAYED' } })
  })

  it.each([
    'n,,\u0001auth=Bearer a.b.c\u0001',
    'n,,auth=Bearer a.b.c\u0001\u0001',
    'y,,\u0001auth=Bearer a.b.c\u0001\u0001',
    'n,b=x,\u0001auth=Bearer a.b.c\u0001\u0001',
    'n,,\u0001auth=Basic a.b.c\u0001\u0001',
    'n,,\u0001auth=Bearer a b\u0001\u0001',
    'n,,\u0001host=x\u0001\u0001',
  ])('in the message %j is not read', async (message) => {
    const realm = await createRealm()
    const options = { clock: realm.clock, issuer: '', audience: 'millrace' }
    const verifier = new TokenVerifier({ ...options, keys: await keysOf(rsaPem) })
    await say(beginBearer(contextOf(), realm.desk, verifier), message)
    expect(realm.lines[0]?.fields['reason']).toBe('malformed message')
  })
})

describe('scopes', () => {
  const scope = (text: unknown) => readScopes(text)

  it('are grants of the token, and what is not ours is left alone', () => {
    expect(scope('openid millrace:read,write:/:topic:orders.* profile')).toEqual([
      {
        effect: 'allow',
        actions: ['read', 'write'],
        namespace: '/',
        kind: 'topic',
        pattern: 'orders.*',
      },
    ])
    expect(scope('openid profile')).toBeUndefined()
    expect(scope(undefined)).toBeUndefined()
    expect(scope(7)).toBeUndefined()
    expect(scope(['millrace:*:*:*:*'])?.[0]?.actions).toHaveLength(4)
  })

  it('carry encoded colons and spaces', () => {
    expect(scope('millrace:read:%2F:topic:a%3Ab%20c')?.[0]).toMatchObject({
      namespace: '/',
      pattern: 'a:b c',
    })
  })

  it.each([
    'millrace:read:/:topic',
    'millrace:read:/:topic:a:b',
    'millrace:own:/:topic:a',
    'millrace:read:/:file:a',
    'millrace:read:/:topic:',
    'millrace:read:/:topic:%zz',
    'millrace::/:topic:a',
    'millrace:',
  ])('like %s refuse the token', (text) => {
    expect(() => scope(text)).toThrow()
  })

  it('are at most 64', () => {
    const some = (count: number): string =>
      Array.from({ length: count }, (_, at) => `millrace:read:/:topic:t${at}`).join(' ')
    expect(scope(some(64))).toHaveLength(64)
    expect(() => scope(some(65))).toThrow('too many')
  })
})

describe('a key file', () => {
  it.each([
    ['a private key', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, 'private'],
    ['a short secret', 'a'.repeat(31), 'at least 32 bytes'],
    ['nothing', '', 'at least 32 bytes'],
    [
      'a short RSA key',
      pemOf(generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey).toString(),
      'RSA',
    ],
    [
      'another curve',
      pemOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey).toString(),
      'P-256',
    ],
    ['a short secret as JWK', JSON.stringify({ kty: 'oct', k: 'AAAA' }), 'at least 32 bytes'],
    ['broken JSON', '{', 'JSON'],
  ])('with %s is refused', async (_name, content, reason) => {
    await expect(keysOf(content)).rejects.toThrow(reason)
  })
})

describe('a set of keys', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  const publish = async (handler: RequestListener): Promise<URL> => {
    const server = createServer(handler).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`)
  }

  const set = {
    keys: [
      { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256' },
      { ...otherRsa.publicKey.export({ format: 'jwk' }), kid: 'two', alg: 'RS256' },
      { kty: 'oct', kid: 'three', k: Buffer.from(SECRET).toString('base64url') },
    ],
  }

  it('verifies each token by the key it names, and no symmetric one', async () => {
    const keys = await keysOf(JSON.stringify(set))
    const nameWith = async (token: string) => nameOf((await logInWith(keys, token)).outcome)
    expect(await nameWith(rs256(good, rsa.privateKey, { kid: 'one' }))).toBe('ann')
    expect(await nameWith(rs256(good, otherRsa.privateKey, { kid: 'two' }))).toBe('ann')
    expect(await nameWith(rs256(good, otherRsa.privateKey, { kid: 'one' }))).toBeUndefined()
    expect(await nameWith(hs256(good))).toBeUndefined()
  })

  it('is fetched once for many tokens', async () => {
    let count = 0
    const url = await publish((_request, response) => {
      count += 1
      response.end(JSON.stringify(set))
    })
    const keys = await createRemoteKeys(url)
    const token = rs256(good, rsa.privateKey, { kid: 'one' })
    for (let index = 0; index < 3; index++)
      expect(nameOf((await logInWith(keys, token)).outcome)).toBe('ann')
    expect(count).toBe(1)
  })

  it.each([
    ['too large', (size: number) => 'x'.repeat(size), 1_048_577],
    ['no JSON', () => 'x', 0],
  ])('that is %s lets nobody in', async (_name, body, size) => {
    const url = await publish((_request, response) => void response.end(body(size)))
    const keys = await createRemoteKeys(url)
    const token = rs256(good, rsa.privateKey, { kid: 'one' })
    expect((await logInWith(keys, token)).outcome).toEqual({ kind: 'failure' })
  })

  it('is not looked for where the server sends us', async () => {
    const target = await publish((_request, response) => void response.end(JSON.stringify(set)))
    const url = await publish((_request, response) =>
      response.writeHead(302, { location: target.href }).end(),
    )
    const token = rs256(good, rsa.privateKey, { kid: 'one' })
    const { outcome } = await logInWith(await createRemoteKeys(url), token)
    expect(outcome).toEqual({ kind: 'failure' })
  })

  it.each([
    'http://issuer.example/keys',
    'file:///etc/passwd',
    'https://ann:secret@issuer.example/keys',
    'gopher://127.0.0.1/',
    'keys',
  ])('is not fetched from %s', (text) => {
    expect(() => checkKeySetUrl(text)).toThrow()
  })

  it('is fetched over https, and over http from this machine', () => {
    for (const text of ['https://issuer.example/keys', 'http://127.0.0.1:1/', 'http://[::1]/'])
      expect(checkKeySetUrl(text).href).toBe(text)
  })
})
