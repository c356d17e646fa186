/**
 * SCRAM (RFC 5802, RFC 7677): both sides prove that they know the password, and neither sends it.
 *
 * ```
 *   client: n,,n=USER,r=NONCE
 *   broker: r=NONCE+MORE,s=SALT,i=ITERATIONS
 *   client: c=biws,r=NONCE+MORE,p=PROOF
 *   broker: v=SIGNATURE
 * ```
 * Invariant: a broker that did not prove that it knows the password's verifier is not believed.
 */
import { BrokerError, utf8Decode, utf8Encode } from '@millrace/codec'
import { SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN, SCRAM_MESSAGE_BYTES_MAX } from '../limits.ts'
import type { HashName, PlatformCrypto } from '../platform.ts'
import { decodeBase64, encodeBase64 } from './base64.ts'
import type { Authenticator } from './exchange.ts'

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

const hashes: Readonly<Record<ScramMechanism, { name: HashName; bytes: number }>> = {
  'SCRAM-SHA-256': { name: 'SHA-256', bytes: 32 },
  'SCRAM-SHA-512': { name: 'SHA-512', bytes: 64 },
}

const NONCE_BYTES = 18
/** "n,," in Base64: no channel binding, no other identity. */
const CHANNEL = 'biws'

const refuse = (reason: string): BrokerError => {
  const error = new BrokerError('ERR_AUTHENTICATION_FAILED')
  error.message += `: ${reason}`
  return error
}

/** As the broker does when the password is set: one spelling of equal characters. */
const prepare = (text: string): string => text.replace(/\p{Zs}/gu, ' ').normalize('NFKC')

const escapeName = (name: string): string =>
  prepare(name).replaceAll('=', '=3D').replaceAll(',', '=2C')

interface Challenge {
  readonly text: string
  readonly nonce: string
  readonly salt: Uint8Array
  readonly iterations: number
}

const parseChallenge = (bytes: Uint8Array, ownNonce: string): Challenge => {
  if (bytes.length > SCRAM_MESSAGE_BYTES_MAX) throw refuse('the challenge is too long')
  const text = utf8Decode(bytes)
  const match = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=([1-9]\d{0,8})(,.*)?$/.exec(text)
  if (match === null) throw refuse('the challenge of the broker cannot be read')
  const [, nonce, salt, iterations] = match as unknown as [string, string, string, string]
  if (!nonce.startsWith(ownNonce) || nonce.length === ownNonce.length) {
    throw refuse('the nonce of the broker is not an answer to this one')
  }
  const count = Number(iterations)
  // Too few are soon guessed by who steals a verifier; too many stop this process.
  if (count < SCRAM_ITERATIONS_MIN || count > SCRAM_ITERATIONS_MAX) {
    throw refuse(`${count} iterations are not ${SCRAM_ITERATIONS_MIN} to ${SCRAM_ITERATIONS_MAX}`)
  }
  return { text, nonce, salt: decodeBase64(salt), iterations: count }
}

const xor = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  left.map((byte, index) => byte ^ (right[index] as number))

const isEqual = (left: Uint8Array, right: Uint8Array): boolean => {
  if (left.length !== right.length) return false
  let difference = 0
  for (let at = 0; at < left.length; at++)
    difference |= (left[at] as number) ^ (right[at] as number)
  return difference === 0
}

export class ScramLogin implements Authenticator {
  readonly mechanism: ScramMechanism
  readonly initial: Uint8Array
  readonly #crypto: PlatformCrypto
  readonly #password: string
  readonly #nonce: string
  readonly #firstBare: string
  /** What the broker has to sign with the verifier it keeps. */
  #expected: Uint8Array | undefined
  #isProven = false

  constructor(
    mechanism: ScramMechanism,
    username: string,
    password: string,
    crypto: PlatformCrypto,
  ) {
    this.mechanism = mechanism
    this.#crypto = crypto
    this.#password = prepare(password)
    this.#nonce = encodeBase64(crypto.randomBytes(NONCE_BYTES))
    this.#firstBare = `n=${escapeName(username)},r=${this.#nonce}`
    this.initial = utf8Encode(`n,,${this.#firstBare}`)
  }

  async respond(challenge: Uint8Array): Promise<Uint8Array> {
    if (this.#expected === undefined) return this.#prove(parseChallenge(challenge, this.#nonce))
    this.#verify(challenge)
    return new Uint8Array(0)
  }

  complete(challenge: Uint8Array | undefined): void {
    if (challenge !== undefined && challenge.length > 0) this.#verify(challenge)
    if (!this.#isProven) throw refuse('the broker did not prove that it knows the password')
  }

  async #prove(challenge: Challenge): Promise<Uint8Array> {
    const { name, bytes } = hashes[this.mechanism]
    const { salt, iterations, nonce } = challenge
    const crypto = this.#crypto
    const password = utf8Encode(this.#password)
    const salted = await crypto.pbkdf2(name, password, salt, iterations, bytes)
    const clientKey = await crypto.hmac(name, salted, utf8Encode('Client Key'))
    const serverKey = await crypto.hmac(name, salted, utf8Encode('Server Key'))
    const storedKey = await crypto.hash(name, clientKey)
    const withoutProof = `c=${CHANNEL},r=${nonce}`
    const signed = utf8Encode(`${this.#firstBare},${challenge.text},${withoutProof}`)
    const proof = xor(clientKey, await crypto.hmac(name, storedKey, signed))
    this.#expected = await crypto.hmac(name, serverKey, signed)
    return utf8Encode(`${withoutProof},p=${encodeBase64(proof)}`)
  }

  #verify(message: Uint8Array): void {
    const text = utf8Decode(message)
    if (text.startsWith('e=')) throw refuse(`the broker says ${text.slice(2)}`)
    const signature = /^v=([A-Za-z0-9+/=]+)/.exec(text)?.[1]
    const expected = this.#expected ?? new Uint8Array(0)
    if (signature === undefined || !isEqual(decodeBase64(signature), expected)) {
      throw refuse('the broker does not know the password: this is not the broker it should be')
    }
    this.#isProven = true
  }
}
