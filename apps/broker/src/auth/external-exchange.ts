/** EXTERNAL (RFC 4422, A): the certificate of the connection says who it is. */
import type { AuthenticationContext, TlsPeer } from '@millrace/core'
import { TextExchange } from './exchange.ts'
import type { LoginDesk } from './login-desk.ts'

/** What a user may be known by, the most particular first. */
export const certificateNamesOf = ({
  fingerprint256,
  names,
  commonName,
}: TlsPeer): readonly string[] =>
  [fingerprint256, ...names, commonName].filter((name) => name !== '')

export const beginExternal = (
  context: AuthenticationContext,
  peer: TlsPeer,
  desk: LoginDesk,
): TextExchange =>
  new TextExchange((authorizationId) => {
    const user = desk.identity.findUserOfCertificate(certificateNamesOf(peer))
    const refuse = (reason: Parameters<LoginDesk['fail']>[2]) =>
      Promise.resolve(desk.fail(user?.user ?? '', context, reason))
    if (user === undefined) return refuse('certificate of nobody')
    if (user.isDisabled) return refuse('user is disabled')
    if (authorizationId !== '' && authorizationId !== user.user)
      return refuse('authorization id of somebody else')
    return Promise.resolve(desk.accept(user, context))
  }, true)
