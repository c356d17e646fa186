/**
 * SCRAM-SHA-256 and -512 (RFC 5802, 7677), the server's side. The password is never sent; the broker
 * proves in its last message that it knows the user too.
 *
 * A name that is nobody's gets a salt as good as any, always the same, and fails at the proof like
 * every wrong password does.
 */
import { timingSafeEqual } from 'node:crypto'
import type { AuthenticationContext, AuthenticationStep, User } from '@millrace/core'
import { TextExchange } from './exchange.ts'
import type { LoginDesk } from './login-desk.ts'
import { prepareText } from './prepared-text.ts'
import { type ClientFirst, parseClientFinal, parseClientFirst } from './scram-messages.ts'
import {
  digest,
  hmac,
  parseScram,
  type ScramHash,
  scramHashes,
  type ScramMechanism,
  type ScramVerifier,
} from './scram-verifier.ts'

const SALT_BYTES = 16

export interface ScramOptions {
  readonly desk: LoginDesk
  /** Unguessable, printable, without a comma. */
  readonly makeNonce: () => string
  /** Makes the salts of users that are not there. Outlives the process. */
  readonly standInKey: string
  readonly iterations: number
}

export const beginScram = (
  mechanism: ScramMechanism,
  context: AuthenticationContext,
  options: ScramOptions,
): TextExchange => {
  const exchange = new ScramExchange(mechanism, context, options)
  return new TextExchange((message) => Promise.resolve(exchange.next(message)))
}

interface Begun {
  readonly first: ClientFirst
  readonly name: string
  readonly user: User | undefined
  readonly verifier: ScramVerifier
  readonly nonce: string
  readonly serverFirst: string
}

class ScramExchange {
  readonly #mechanism: ScramMechanism
  readonly #hash: ScramHash
  readonly #context: AuthenticationContext
  readonly #options: ScramOptions
  #begun: Begun | undefined

  constructor(mechanism: ScramMechanism, context: AuthenticationContext, options: ScramOptions) {
    this.#mechanism = mechanism
    this.#hash = scramHashes[mechanism]
    this.#context = context
    this.#options = options
  }

  next(message: string): AuthenticationStep {
    return this.#begun === undefined ? this.#begin(message) : this.#finish(message, this.#begun)
  }

  #begin(message: string): AuthenticationStep {
    const { desk, makeNonce } = this.#options
    const first = parseClientFirst(message)
    const name = first === undefined ? undefined : prepareText(first.user)
    if (first === undefined || name === undefined)
      return desk.fail('', this.#context, 'malformed message')
    const refusal = desk.refusal(name, this.#context)
    if (refusal !== undefined) return refusal
    const user = desk.identity.findUser(name)
    const verifier = this.#verifierOf(user) ?? this.#standIn(name)
    const nonce = first.nonce + makeNonce()
    const salt = Buffer.from(verifier.salt).toString('base64')
    const serverFirst = `r=${nonce},s=${salt},i=${verifier.iterations}`
    this.#begun = { first, name, user, verifier, nonce, serverFirst }
    return { kind: 'challenge', bytes: Buffer.from(serverFirst) }
  }

  #finish(message: string, begun: Begun): AuthenticationStep {
    const { desk } = this.#options
    const { first, name, user, verifier, nonce } = begun
    const final = parseClientFinal(message)
    const isBound =
      final !== undefined &&
      isNonceOf(final.nonce, first.nonce, nonce) &&
      Buffer.from(final.channelBinding, 'base64').toString('latin1') ===
        Buffer.from(first.gs2Header).toString('latin1')
    if (!isBound) return desk.fail(name, this.#context, 'malformed message')
    const text = `${first.bare},${begun.serverFirst},${final.withoutProof}`
    const isProven = this.#isProof(verifier, text, final.proof)
    // Asked again: the user may have changed while the peer computed.
    const now = desk.identity.findUser(name)
    if (!isProven || user === undefined || now?.id !== user.id || now.revision !== user.revision)
      return desk.fail(name, this.#context, 'wrong user or password')
    if (user.isDisabled) return desk.fail(name, this.#context, 'user is disabled')
    if (first.authorizationId !== '' && prepareText(first.authorizationId) !== name)
      return desk.fail(name, this.#context, 'authorization id of somebody else')
    const signature = Buffer.from(hmac(this.#hash, verifier.serverKey, text)).toString('base64')
    return desk.accept(user, this.#context, Buffer.from(`v=${signature}`))
  }

  #isProof({ storedKey }: ScramVerifier, text: string, proof: Uint8Array): boolean {
    const signature = hmac(this.#hash, storedKey, text)
    if (proof.length !== signature.length) return false
    const clientKey = proof.map((byte, at) => byte ^ (signature[at] as number))
    return timingSafeEqual(digest(this.#hash, clientKey), storedKey)
  }

  #verifierOf(user: User | undefined): ScramVerifier | undefined {
    const text = user?.credentials[this.#mechanism]
    return text === undefined ? undefined : parseScram(text)
  }

  #standIn(name: string): ScramVerifier {
    const { standInKey, iterations } = this.#options
    const make = (what: string): Uint8Array =>
      hmac(this.#hash, Buffer.from(standInKey), `${what}\u0000${name}`)
    return {
      iterations,
      salt: make('salt').subarray(0, SALT_BYTES),
      storedKey: make('stored'),
      serverKey: make('server'),
    }
  }
}

/**
 * Nothing but the nonce of this exchange. Some versions of librdkafka say the client's part twice; that
 * is let through in exactly this form, because it holds all of ours and the proof covers it, so
 * nothing said before can be said again.
 */
const isNonceOf = (said: string, clientNonce: string, nonce: string): boolean =>
  said === nonce || said === clientNonce + nonce
