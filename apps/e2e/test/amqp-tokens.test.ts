/** Tokens as passwords of AMQP, renewed and expired, with clients of other hands. */
import { type ChannelModel, connect, credentials } from 'amqplib'
import { refusalOf, roundTrip } from './support/amqp/amqplib.ts'
import { runSecurePython, runSecureRuby } from './support/amqp/programs.ts'
import { launchSecured, PASSWORD, type SecuredBroker } from './support/amqp/secured.ts'
import { type TokenClaims, tokenOf } from './support/amqp/tokens.ts'
import { eventually } from './support/eventually.ts'

const ACCESS_REFUSED = 403

jest.setTimeout(30_000)

let secured: SecuredBroker

beforeAll(async () => {
  secured = await launchSecured('amqp-tokens')
})

afterAll(() => secured?.release())

const rights = (pattern: string): string =>
  `millrace:*:/:queue:${pattern} millrace:write:/:exchange:amq.default`

const service: TokenClaims = { sub: 'service', scope: rights('service.*') }

type Credentials = ReturnType<typeof credentials.plain>

const logIn = (words: Credentials, listener: 'amqp' | 'amqpTls' = 'amqpTls') =>
  connect(secured.urlOf(listener, ''), { ca: [secured.read('ca.crt')], credentials: words })

const byToken = (token: string): Promise<ChannelModel> => logIn(credentials.plain('', token))

describe.each(['amqp', 'amqpTls'] as const)('a token over %s', (listener) => {
  it.each(['', 'whoever'])('is the password of user %j, and says what it may', async (user) => {
    const connection = await logIn(credentials.plain(user, tokenOf(service)), listener)
    expect(await roundTrip(connection, 'service.amqplib')).toEqual(['service.amqplib'])
    expect(await refusalOf(connection, 'other')).toBe(ACCESS_REFUSED)
    await connection.close()
  })

  it('is the password of AMQPLAIN too', async () => {
    const connection = await logIn(credentials.amqplain('', tokenOf(service)), listener)
    expect(await roundTrip(connection, 'service.amqplain')).toEqual(['service.amqplain'])
    await connection.close()
  })
})

describe('a token', () => {
  it.each([
    ['has expired', () => tokenOf({ ...service, seconds: -1 })],
    ['is forged', () => tokenOf(service, 'another secret of thirty-two bytes')],
    ['is for another broker', () => tokenOf({ ...service, aud: 'other' })],
    ['has been changed', () => tokenOf(service).replace(/^[^.]+/, 'eyJhbGciOiJub25lIn0')],
  ])('that %s is refused', async (_what, token) => {
    await expect(byToken(token())).rejects.toThrow(/403 \(ACCESS-REFUSED\)/)
  })

  it('is renewed on the open connection, with the rights of the new one', async () => {
    const connection = await byToken(tokenOf(service))
    expect(await refusalOf(connection, 'wider')).toBe(ACCESS_REFUSED)
    const wider = tokenOf({ ...service, scope: rights('*') })
    await connection.updateSecret(Buffer.from(wider), 'it ends soon')
    expect(await roundTrip(connection, 'wider')).toEqual(['wider'])
    await connection.close()
  })

  it.each([
    ['expired', () => tokenOf({ ...service, seconds: -1 })],
    ['forged', () => tokenOf(service, 'another secret of thirty-two bytes')],
    ['somebody else’s', () => tokenOf({ ...service, sub: 'admin' })],
    ['a password', () => PASSWORD],
  ])('is not renewed by one that is %s', async (_what, secret) => {
    const connection = await byToken(tokenOf(service))
    const problems: unknown[] = []
    connection.on('error', (error) => problems.push(error))
    // amqplib leaves it open whether this went well when the connection ends instead.
    void connection.updateSecret(Buffer.from(secret()), 'it ends soon').catch(() => undefined)
    await eventually('it is closed', () => problems.length > 0)
    expect(String(problems[0])).toContain('403 (ACCESS-REFUSED)')
  })

  it('ends with its connection, and when it was renewed does not', async () => {
    const [left, renewed] = await Promise.all([
      byToken(tokenOf({ ...service, seconds: 3 })),
      byToken(tokenOf({ ...service, seconds: 3 })),
    ])
    const ends: unknown[] = []
    left.on('error', () => undefined)
    left.on('close', (why) => ends.push(why))
    await renewed.updateSecret(Buffer.from(tokenOf(service)), 'it ends soon')
    await eventually('the one that was left is closed', () => ends.length > 0)
    expect(String(ends[0])).toContain('320 (CONNECTION-FORCED)')
    expect(String(ends[0])).toContain('credentials expired')
    expect(await roundTrip(renewed, 'service.renewed')).toEqual(['service.renewed'])
    await renewed.close()
  })
})

it('pika logs in by a token', () =>
  runSecurePython(secured, 'Tokens', { env: { AMQP_TOKEN: tokenOf(service) } }))

it('bunny logs in by a token and renews it', () =>
  runSecureRuby(secured, 'token', {
    env: { AMQP_TOKEN: tokenOf(service), AMQP_NEXT_TOKEN: tokenOf(service) },
  }))

it('was asked each time, and not put off for the failures before', () => {
  expect(secured.broker.stdout()).not.toContain('ERR_LOGIN_DELAYED')
})

it('writes no secret to its output', () => {
  const output = secured.broker.stdout() + secured.broker.stderr()
  expect(output).toContain('auth.failed')
  expect(output).not.toContain(PASSWORD)
  expect(output).not.toMatch(/eyJ[\w-]+\.[\w-]+/)
})
