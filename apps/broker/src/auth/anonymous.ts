/**
 * Who may do what while there are no users: everyone on loopback may do everything, nobody else gets
 * in. The listeners do not bind to anything but loopback either; this is the second lock.
 */
import type {
  Action,
  AuthenticationContext,
  AuthenticationExchange,
  AuthenticationStep,
  Authenticator,
  Authorizer,
  Principal,
  Resource,
} from '@millrace/core'
import { isLoopbackPeer } from '../net/loopback.ts'

const ANONYMOUS: Principal = { name: 'anonymous', isAnonymous: true }

const accept: AuthenticationExchange = {
  step: (): Promise<AuthenticationStep> =>
    Promise.resolve({ kind: 'principal', principal: ANONYMOUS }),
}

export const anonymousAuthenticator: Authenticator = {
  mechanisms: ['ANONYMOUS'],
  begin: (mechanism: string, context: AuthenticationContext) =>
    mechanism === 'ANONYMOUS' && isLoopbackPeer(context.remoteAddress) ? accept : undefined,
}

export const allowAllAuthorizer: Authorizer = {
  check: (_principal: Principal, _action: Action, _resource: Resource): boolean => true,
}
