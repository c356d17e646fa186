/**
 * Everything about who peers are, put together for one broker: users of its metadata, mechanisms, the
 * first administrator.
 */
import { randomBytes } from 'node:crypto'
import {
  type Authenticator,
  type Authorizer,
  type Broker,
  type EngineLog,
  type Environment,
  type PasswordScheme,
  systemPrincipal,
} from '@millrace/core'
import { ConfigError } from '../config/config-error.ts'
import type { ConfigValues } from '../config/config-table.ts'
import { type AuthPolicy, nobodyText, readSmallFile } from './auth-policy.ts'
import { BrokerAuthenticator } from './broker-authenticator.ts'
import { SCRYPT_RUNNING_COUNT_MAX, SCRYPT_WAITING_COUNT_MAX } from './limits.ts'
import { LoginDesk } from './login-desk.ts'
import { LoginThrottle } from './login-throttle.ts'
import { Passwords } from './passwords.ts'
import { ScryptQueue } from './scrypt-queue.ts'
import { TokenVerifier } from './token-verifier.ts'
import { VerifiedLogins } from './verified-logins.ts'

/** Who peers are, what they may do, and how a password is kept. */
export interface BrokerIdentity {
  readonly authenticator: Authenticator
  readonly authorizer: Authorizer
  readonly passwords: PasswordScheme
  /** Whether a peer has to show who it is; the first user may change the answer. */
  readonly isRequired: () => boolean
}

export interface BrokerIdentityOptions {
  readonly values: ConfigValues
  readonly policy: AuthPolicy
  readonly broker: Broker
  readonly environment: Environment
  readonly onLoginFailed: () => void
}

const NONCE_BYTES = 18
const KEY_BYTES = 32

export const createBrokerIdentity = async (
  options: BrokerIdentityOptions,
): Promise<BrokerIdentity> => {
  const { values, policy, broker, environment, onLoginFailed } = options
  const { clock, log } = environment
  const { identity } = broker
  const iterations = values['auth.scramIterations']
  const queue = new ScryptQueue(SCRYPT_RUNNING_COUNT_MAX, SCRYPT_WAITING_COUNT_MAX)
  const passwords = new Passwords({ queue, randomBytes, scramIterations: iterations })
  const standInKey = identity.secret(randomBytes(KEY_BYTES).toString('base64'))
  await makeFirstAdministrator(values, broker, passwords, log)
  const isRequired = (): boolean => policy.isRequired(identity)
  if (!policy.isLoopbackOnly && identity.userCount === 0 && policy.tokenKeys === undefined)
    throw new ConfigError([nobodyText(values.host)])
  const throttle = new LoginThrottle(clock)
  const desk = new LoginDesk({ identity, throttle, log, onFailed: onLoginFailed })
  const verified = new VerifiedLogins(clock, randomBytes(KEY_BYTES))
  const authenticator = new BrokerAuthenticator({
    isRequired,
    allowsPlaintext: values['auth.plaintext'],
    desk,
    plain: { desk, passwords, verified, underWay: new Map() },
    scram: {
      desk,
      makeNonce: () => randomBytes(NONCE_BYTES).toString('base64'),
      standInKey,
      iterations,
    },
    tokens: createTokens(options),
  })
  return { authenticator, authorizer: identity.authorizer, passwords, isRequired }
}

const createTokens = ({
  values,
  policy,
  environment,
}: BrokerIdentityOptions): TokenVerifier | undefined => {
  const { tokenKeys } = policy
  if (tokenKeys === undefined) return undefined
  return new TokenVerifier({
    keys: tokenKeys,
    clock: environment.clock,
    issuer: values['auth.tokenIssuer'],
    audience: values['auth.tokenAudience'],
  })
}

/** Only where there is no user yet: later starts leave users as they are. */
const makeFirstAdministrator = async (
  values: ConfigValues,
  { identity }: Broker,
  passwords: Passwords,
  log: EngineLog,
): Promise<void> => {
  const user = values['auth.bootstrapUser']
  const file = values['auth.bootstrapPasswordFile']
  if (user === '' || identity.userCount > 0) return
  if (file === '') throw new ConfigError(['auth.bootstrapUser needs auth.bootstrapPasswordFile'])
  const caller = { principal: systemPrincipal, namespace: '/' }
  const credentials = await passwords.derive(readPassword(file))
  await identity.putUser(caller, { user, create: true, isAdministrator: true, credentials })
  log.info('auth.first-administrator', { user })
}

const readPassword = (file: string): string => {
  try {
    return Buffer.from(readSmallFile(file))
      .toString('utf8')
      .replace(/\r?\n$/, '')
  } catch (error) {
    const { code } = error as { code?: string }
    throw new ConfigError([`auth.bootstrapPasswordFile '${file}' cannot be read (${code ?? '?'})`])
  }
}
