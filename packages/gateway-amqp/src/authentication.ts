/**
 * Who speaks on a connection, in AMQP's mechanisms.
 *
 * PLAIN carries a user and a password, and AMQPLAIN the same in a table; both become the broker's
 * PLAIN. A password that is a token goes to OAUTHBEARER instead, as RabbitMQ's clients send tokens.
 * EXTERNAL is the certificate. Where the broker asks nobody who they are, any user is let in as nobody
 * in particular; only `guest` must have the password that every client has for it, so that a wrong one
 * is seen to be wrong.
 */
import { BrokerError, ByteReader, isUtf8, utf8Decode, utf8Encode } from '@millrace/codec'
import {
  type AuthenticationContext,
  type AuthenticationExchange,
  type AuthenticationStep,
  type Connection,
  DEFAULT_NAMESPACE,
  type Principal,
  type Services,
} from '@millrace/core'
import { type FieldTable, findField, readFieldTable } from './codec/field-table.ts'

const NOTHING = new Uint8Array(0)
const GUEST = 'guest'
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]*$/

export interface LoginOutcome {
  /** `undefined` while the exchange goes on. */
  readonly principal: Principal | undefined
  readonly challenge: Uint8Array
  /** How long the login is good for, 0 for ever. */
  readonly lifetimeMs: number
}

interface Credentials {
  readonly user: string
  readonly password: string
}

export class Authentication {
  readonly #services: Services
  readonly #context: AuthenticationContext
  #exchange: AuthenticationExchange | undefined
  #user: string

  constructor(services: Services, connection: Connection) {
    const { remoteAddress, localAddress, isTls, tlsPeer } = connection
    this.#services = services
    this.#context = { remoteAddress, localAddress, isTls, tlsPeer, namespace: DEFAULT_NAMESPACE }
    this.#exchange = undefined
    this.#user = ''
  }

  /** Who the peer says it is; the name that a message may carry as its user. */
  get user(): string {
    return this.#user
  }

  /** What a client may choose from. */
  get mechanisms(): readonly string[] {
    const offered = this.#services.authenticator.mechanismsFor(this.#context)
    const takesPasswords = ['PLAIN', 'OAUTHBEARER', 'ANONYMOUS'].some((name) =>
      offered.includes(name),
    )
    const mechanisms = takesPasswords ? ['PLAIN', 'AMQPLAIN'] : []
    return offered.includes('EXTERNAL') ? [...mechanisms, 'EXTERNAL'] : mechanisms
  }

  /** Throws ERR_UNSUPPORTED_MECHANISM, ERR_AUTHENTICATION_FAILED and its like. */
  async begin(mechanism: string, response: Uint8Array): Promise<LoginOutcome> {
    const { mechanisms } = this
    if (!mechanisms.includes(mechanism)) {
      throw new BrokerError('ERR_UNSUPPORTED_MECHANISM', [mechanism, mechanisms.join(', ')])
    }
    if (mechanism === 'EXTERNAL') return this.#run('EXTERNAL', response)
    const credentials = mechanism === 'PLAIN' ? plainOf(response) : amqplainOf(response)
    if (credentials === undefined) throw new BrokerError('ERR_AUTHENTICATION_FAILED')
    this.#user = credentials.user
    return this.#logIn(credentials)
  }

  /** The answer to a challenge. */
  step(response: Uint8Array): Promise<LoginOutcome> {
    const exchange = this.#exchange
    if (exchange === undefined) throw new BrokerError('ERR_NOT_AUTHENTICATED')
    return this.#advance(exchange, response)
  }

  /** The same user again, with a new password or token; where nobody need log in any will do. */
  renew(secret: Uint8Array): Promise<LoginOutcome> {
    const offered = this.#services.authenticator.mechanismsFor(this.#context)
    if (offered.includes('ANONYMOUS')) return this.#run('ANONYMOUS', NOTHING)
    return this.#logIn({ user: this.#user, password: utf8Decode(secret) })
  }

  #logIn({ user, password }: Credentials): Promise<LoginOutcome> {
    const offered = this.#services.authenticator.mechanismsFor(this.#context)
    if (offered.includes('ANONYMOUS')) {
      if (user === GUEST && password !== GUEST) throw new BrokerError('ERR_AUTHENTICATION_FAILED')
      return this.#run('ANONYMOUS', NOTHING)
    }
    if (offered.includes('OAUTHBEARER') && TOKEN.test(password)) {
      return this.#run('OAUTHBEARER', bearerMessage(password))
    }
    return this.#run('PLAIN', utf8Encode(`\u0000${user}\u0000${password}`))
  }

  #run(mechanism: string, response: Uint8Array): Promise<LoginOutcome> {
    const exchange = this.#services.authenticator.begin(mechanism, this.#context)
    if (exchange === undefined) throw new BrokerError('ERR_AUTHENTICATION_FAILED')
    return this.#advance(exchange, response)
  }

  async #advance(exchange: AuthenticationExchange, response: Uint8Array): Promise<LoginOutcome> {
    const step = await exchange.step(response)
    this.#exchange = step.kind === 'challenge' ? exchange : undefined
    return this.#outcomeOf(step)
  }

  #outcomeOf(step: AuthenticationStep): LoginOutcome {
    if (step.kind === 'failure') throw step.error ?? new BrokerError('ERR_AUTHENTICATION_FAILED')
    if (step.kind === 'challenge') {
      return { principal: undefined, challenge: step.bytes, lifetimeMs: 0 }
    }
    const { principal, expiresAtMs } = step
    if (!principal.isAnonymous) this.#user = principal.name
    const now = this.#services.environment.clock.now()
    const lifetimeMs = expiresAtMs === undefined ? 0 : Math.max(1, expiresAtMs - now)
    return { principal, challenge: NOTHING, lifetimeMs }
  }
}

/** The token says whose it is. */
const bearerMessage = (token: string): Uint8Array =>
  utf8Encode(`n,,\u0001auth=Bearer ${token}\u0001\u0001`)

/**
 * Authorization id, user and password; clients leave the first empty, and it is the user's if not. Who
 * sends a token may leave out the user too: the token says it.
 */
const plainOf = (response: Uint8Array): Credentials | undefined => {
  if (!isUtf8(response)) return undefined
  const parts = utf8Decode(response).split('\u0000')
  const [authorizationId = '', user = '', password = ''] = parts
  const isForItself = authorizationId === '' || authorizationId === user
  const isSomebody = user !== '' || TOKEN.test(password)
  return parts.length === 3 && isSomebody && isForItself ? { user, password } : undefined
}

/** A table without the length in front. */
const amqplainOf = (response: Uint8Array): Credentials | undefined => {
  const table = new Uint8Array(4 + response.length)
  new DataView(table.buffer).setUint32(0, response.length)
  table.set(response, 4)
  const fields = readFieldTable(new ByteReader(table))
  const user = textIn(fields, 'LOGIN')
  const password = textIn(fields, 'PASSWORD')
  return user === undefined || password === undefined ? undefined : { user, password }
}

const textIn = (table: FieldTable, name: string): string | undefined => {
  const value = findField(table, name)
  return value?.type === 'S' && isUtf8(value.value) ? utf8Decode(value.value) : undefined
}
