/**
 * Which mechanisms a peer is offered, and the exchange of the one it chose.
 *
 * ANONYMOUS only while nobody has to log in, and only from loopback to loopback. What sends a password
 * or a token as it is (PLAIN, OAUTHBEARER) only where nobody can listen: over TLS, or from this
 * machine, unless the configuration says otherwise. EXTERNAL only with a certificate.
 */
import type {
  AuthenticationContext,
  AuthenticationExchange,
  AuthenticationStep,
  Authenticator,
  Principal,
} from '@millrace/core'
import { isLoopbackPeer } from '../net/loopback.ts'
import { beginBearer } from './bearer-exchange.ts'
import { beginExternal } from './external-exchange.ts'
import type { LoginDesk } from './login-desk.ts'
import { beginPlain, type PlainOptions } from './plain-exchange.ts'
import { beginScram, type ScramOptions } from './scram-exchange.ts'
import { scramMechanisms } from './scram-verifier.ts'
import type { TokenVerifier } from './token-verifier.ts'

export const anonymousPrincipal: Principal = { name: 'anonymous', isAnonymous: true }

const acceptAnonymous: AuthenticationExchange = {
  step: (): Promise<AuthenticationStep> =>
    Promise.resolve({ kind: 'principal', principal: anonymousPrincipal }),
}

export interface BrokerAuthenticatorOptions {
  /** Asked anew for each connection: the first user changes the answer. */
  readonly isRequired: () => boolean
  readonly allowsPlaintext: boolean
  readonly desk: LoginDesk
  readonly plain: PlainOptions
  readonly scram: ScramOptions
  readonly tokens: TokenVerifier | undefined
}

type Begin = (context: AuthenticationContext) => AuthenticationExchange | undefined

export class BrokerAuthenticator implements Authenticator {
  readonly #options: BrokerAuthenticatorOptions
  /** In the order of preference. */
  readonly #begin: ReadonlyMap<string, Begin>

  constructor(options: BrokerAuthenticatorOptions) {
    this.#options = options
    this.#begin = new Map<string, Begin>([
      ['ANONYMOUS', (context) => this.#beginAnonymous(context)],
      ['EXTERNAL', (context) => this.#beginExternal(context)],
      ...scramMechanisms
        .toReversed()
        .map((name): [string, Begin] => [
          name,
          (context) => beginScram(name, context, options.scram),
        ]),
      ['OAUTHBEARER', (context) => this.#beginBearer(context)],
      ['PLAIN', (context) => this.#beginPlain(context)],
    ])
  }

  get mechanisms(): readonly string[] {
    const { isRequired, tokens } = this.#options
    if (!isRequired()) return ['ANONYMOUS']
    return [...this.#begin.keys()].filter(
      (name) => name !== 'ANONYMOUS' && (name !== 'OAUTHBEARER' || tokens !== undefined),
    )
  }

  mechanismsFor(context: AuthenticationContext): readonly string[] {
    return this.mechanisms.filter((name) => this.begin(name, context) !== undefined)
  }

  begin(mechanism: string, context: AuthenticationContext): AuthenticationExchange | undefined {
    const isOffered = this.mechanisms.includes(mechanism)
    return isOffered ? this.#begin.get(mechanism)?.(context) : undefined
  }

  #beginAnonymous({
    remoteAddress,
    localAddress,
  }: AuthenticationContext): AuthenticationExchange | undefined {
    const isLocal = localAddress === undefined || isLoopbackPeer(localAddress)
    return isLocal && isLoopbackPeer(remoteAddress) ? acceptAnonymous : undefined
  }

  #beginExternal(context: AuthenticationContext): AuthenticationExchange | undefined {
    const { tlsPeer } = context
    return tlsPeer === undefined ? undefined : beginExternal(context, tlsPeer, this.#options.desk)
  }

  #beginBearer(context: AuthenticationContext): AuthenticationExchange | undefined {
    const { tokens, desk } = this.#options
    if (tokens === undefined || !this.#isPrivate(context)) return undefined
    return beginBearer(context, desk, tokens)
  }

  #beginPlain(context: AuthenticationContext): AuthenticationExchange | undefined {
    return this.#isPrivate(context) ? beginPlain(context, this.#options.plain) : undefined
  }

  #isPrivate({ isTls, remoteAddress }: AuthenticationContext): boolean {
    return isTls || this.#options.allowsPlaintext || isLoopbackPeer(remoteAddress)
  }
}
