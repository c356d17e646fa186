/**
 * Who speaks on a connection.
 *
 * ```
 *              ┌── anonymous is offered ──────────────────┐
 *   stranger ──┤                                          ├──> known ──> (a new handshake) ──┐
 *              └── SaslHandshake ──> SaslAuthenticate … ──┘     ^── same name, new login ────┘
 * ```
 * Version 0 of the handshake is followed by the mechanism's messages alone, each with its size in
 * front and nothing else; version 1 wraps them into SaslAuthenticate.
 */
import { BrokerError } from '@millrace/codec'
import type {
  AuthenticationContext,
  AuthenticationExchange,
  AuthenticationStep,
  Connection,
  Principal,
  Services,
} from '@millrace/core'

const NOTHING = new Uint8Array(0)
/** Mechanisms that make no sense inside SASL messages. */
const notInSasl: readonly string[] = ['EXTERNAL', 'ANONYMOUS']

export interface LoginOutcome {
  readonly bytes: Uint8Array
  /** `undefined` while the exchange goes on. */
  readonly principal: Principal | undefined
  /** How long the login is good for, 0 for ever. */
  readonly lifetimeMs: number
}

export class Authentication {
  readonly #services: Services
  readonly #context: AuthenticationContext
  #exchange: AuthenticationExchange | undefined
  /** The messages come without a request around them. */
  isRaw: boolean

  constructor(services: Services, connection: Connection, namespace: string) {
    const { remoteAddress, localAddress, isTls, tlsPeer } = connection
    this.#services = services
    this.#context = { remoteAddress, localAddress, isTls, tlsPeer, namespace }
    this.#exchange = undefined
    this.isRaw = false
  }

  /** What a client may choose from. */
  get mechanisms(): readonly string[] {
    const offered = this.#services.authenticator.mechanismsFor(this.#context)
    return offered.filter((name) => !notInSasl.includes(name))
  }

  /** Who a peer is that says nothing: its certificate tells, or nobody need know. */
  async withoutWords(): Promise<LoginOutcome | undefined> {
    const { authenticator } = this.#services
    const offered = authenticator.mechanismsFor(this.#context)
    for (const mechanism of notInSasl) {
      if (!offered.includes(mechanism)) continue
      const exchange = authenticator.begin(mechanism, this.#context)
      if (exchange === undefined) continue
      const outcome = this.#outcomeOf(await exchange.step(NOTHING))
      if (outcome?.principal !== undefined) return outcome
    }
    return undefined
  }

  /** False: the mechanism is not offered to this peer. */
  begin(mechanism: string, isRaw: boolean): boolean {
    this.#exchange = undefined
    if (!this.mechanisms.includes(mechanism)) return false
    this.#exchange = this.#services.authenticator.begin(mechanism, this.#context)
    this.isRaw = isRaw && this.#exchange !== undefined
    return this.#exchange !== undefined
  }

  /** Throws ERR_NOT_AUTHENTICATED without a handshake, ERR_AUTHENTICATION_FAILED and its like. */
  async step(response: Uint8Array): Promise<LoginOutcome> {
    const exchange = this.#exchange
    if (exchange === undefined) throw new BrokerError('ERR_NOT_AUTHENTICATED')
    const step = await exchange.step(response)
    if (step.kind !== 'challenge') {
      this.#exchange = undefined
      this.isRaw = false
    }
    const outcome = this.#outcomeOf(step)
    if (outcome !== undefined) return outcome
    const error = step.kind === 'failure' ? step.error : undefined
    throw error ?? new BrokerError('ERR_AUTHENTICATION_FAILED')
  }

  #outcomeOf(step: AuthenticationStep): LoginOutcome | undefined {
    if (step.kind === 'failure') return undefined
    if (step.kind === 'challenge') {
      return { bytes: step.bytes, principal: undefined, lifetimeMs: 0 }
    }
    const { principal, finalBytes = NOTHING, expiresAtMs } = step
    const now = this.#services.environment.clock.now()
    const lifetimeMs = expiresAtMs === undefined ? 0 : Math.max(1, expiresAtMs - now)
    return { bytes: finalBytes, principal, lifetimeMs }
  }
}
