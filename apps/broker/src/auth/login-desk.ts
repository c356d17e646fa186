/**
 * What all mechanisms share when somebody shows who they are: the users, the throttle, the log. A
 * failure is one line without the secret, and without a name that is no user's: people type passwords
 * into the wrong field.
 */
import type { BrokerError } from '@millrace/codec'
import type {
  AuthenticationContext,
  AuthenticationStep,
  EngineLog,
  Identity,
  Principal,
  User,
} from '@millrace/core'
import type { LoginThrottle } from './login-throttle.ts'

export interface LoginDeskOptions {
  readonly identity: Identity
  readonly throttle: LoginThrottle
  readonly log: EngineLog
  readonly onFailed?: () => void
}

export type FailureReason =
  | 'malformed message'
  | 'wrong user or password'
  | 'user is disabled'
  | 'authorization id of somebody else'
  | 'certificate of nobody'
  | 'token refused'

export class LoginDesk {
  readonly identity: Identity
  readonly #options: LoginDeskOptions

  constructor(options: LoginDeskOptions) {
    this.identity = options.identity
    this.#options = options
  }

  /** A failure that says to wait, or undefined when they may try. */
  refusal(user: string, { remoteAddress }: AuthenticationContext): AuthenticationStep | undefined {
    const error = this.#options.throttle.refusal(user, remoteAddress)
    return error === undefined ? undefined : { kind: 'failure', error }
  }

  accept(user: User, context: AuthenticationContext, finalBytes?: Uint8Array): AuthenticationStep {
    this.#options.throttle.succeeded(user.user, context.remoteAddress)
    return { kind: 'principal', principal: principalOf(user), finalBytes }
  }

  fail(
    user: string,
    context: AuthenticationContext,
    reason: FailureReason,
    detail?: string,
  ): AuthenticationStep {
    const { throttle, log, onFailed, identity } = this.#options
    throttle.failed(user, context.remoteAddress)
    onFailed?.()
    const isKnown = identity.findUser(user) !== undefined
    log.warn('auth.failed', {
      peer: context.remoteAddress,
      user: isKnown ? user : '(unknown)',
      reason,
      ...(detail === undefined ? {} : { detail }),
    })
    return { kind: 'failure' }
  }

  /** The broker could not look, which is no fault of the peer. */
  unable(error: BrokerError): AuthenticationStep {
    return { kind: 'failure', error }
  }
}

export const principalOf = ({ user, id, quotas }: User): Principal => ({
  name: user,
  isAnonymous: false,
  userId: id,
  ...(quotas === undefined ? {} : { quotas }),
})
