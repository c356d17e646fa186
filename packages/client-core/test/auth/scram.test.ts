/** The example of RFC 7677, section 3, and brokers that are not what they should be. */
import { utf8Decode, utf8Encode } from '@millrace/codec'
import { decodeBase64, encodeBase64 } from '../../src/auth/base64.ts'
import { ScramLogin } from '../../src/auth/scram.ts'
import { codeOf, textOf } from '../support/open-fake.ts'
import { testCrypto } from '../support/test-crypto.ts'

const NONCE = 'rOprNGfwEbeRWgbNEkqO'
const FIRST = `r=${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`
const FINAL = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='

const login = (username = 'user', password = 'pencil'): ScramLogin => {
  const crypto = { ...testCrypto, randomBytes: () => decodeBase64(NONCE) }
  return new ScramLogin('SCRAM-SHA-256', username, password, crypto)
}

const respond = async (to: ScramLogin, text: string): Promise<string> =>
  utf8Decode(await to.respond(utf8Encode(text)))

it('says what the RFC says', async () => {
  const own = login()
  expect(utf8Decode(own.initial)).toBe(`n,,n=user,r=${NONCE}`)
  expect(await respond(own, FIRST)).toBe(
    `c=biws,r=${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,` +
      'p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  )
  own.complete(utf8Encode(FINAL))
})

it('takes the last word as a challenge too, and answers it with nothing', async () => {
  const own = login()
  await respond(own, FIRST)
  expect(await respond(own, FINAL)).toBe('')
  own.complete(undefined)
})

it('does not believe a broker that knows no verifier, or proves nothing', async () => {
  const wrong = login()
  await respond(wrong, FIRST)
  expect(() => wrong.complete(utf8Encode(FINAL.replace('6rri', '7rri')))).toThrow(
    'authentication failed: the broker does not know the password',
  )
  const silent = login()
  await respond(silent, FIRST)
  expect(() => silent.complete(undefined)).toThrow('did not prove')
  expect(() => login().complete(undefined)).toThrow('did not prove')
  const refused = login()
  await respond(refused, FIRST)
  expect(() => refused.complete(utf8Encode('e=other-error'))).toThrow('other-error')
})

it.each([
  ['another nonce', FIRST.replace('rOpr', 'xOpr'), 'nonce'],
  ['this nonce alone', `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`, 'nonce'],
  ['4,095 iterations', FIRST.replace('i=4096', 'i=4095'), '4095 iterations'],
  ['1,000,001 iterations', FIRST.replace('i=4096', 'i=1000001'), '1000001 iterations'],
  ['no iterations', FIRST.replace(',i=4096', ''), 'cannot be read'],
  ['a salt that is no Base64', FIRST.replace('W22ZaJ0SNY7soEsUEjb6gQ==', 'W22Z='), 'Base64'],
  ['4,097 bytes', FIRST + ','.padEnd(4_097 - FIRST.length, 'x'), 'too long'],
])('refuses a challenge with %s', async (_name, text, reason) => {
  expect(await textOf(login().respond(utf8Encode(text)))).toContain(reason)
})

it('takes a challenge of 4,096 bytes', async () => {
  const text = FIRST + ','.padEnd(4_096 - FIRST.length, 'x')
  expect(await codeOf(login().respond(utf8Encode(text)))).toBeUndefined()
})

it('writes names so that a comma and an equals sign are no separators', () => {
  expect(utf8Decode(login('a=b,c').initial)).toBe(`n,,n=a=3Db=2Cc,r=${NONCE}`)
})

it('writes Base64 as others read it', () => {
  for (let length = 0; length < 20; length++) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 89) % 256)
    expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'))
    expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes)
  }
})
