/**
 * OAUTHBEARER (RFC 7628): `n,a=USER,^Aauth=Bearer TOKEN^A^A`. The user may be left out; given, it must
 * be the token's subject.
 */
import type { AuthenticationContext, AuthenticationStep } from '@millrace/core'
import { TextExchange } from './exchange.ts'
import type { LoginDesk } from './login-desk.ts'
import type { TokenVerifier } from './token-verifier.ts'

/** Failures with tokens are counted by address only: a forged one may name anybody. */
const SOME_TOKEN = ''

const SEPARATOR = '\u0001'

interface BearerMessage {
  readonly authorizationId: string
  readonly token: string
}

/** A header, then pairs that each end with a separator, then one more. Other pairs are ignored. */
const parseMessage = (message: string): BearerMessage | undefined => {
  const [header = '', ...pairs] = message.split(SEPARATOR)
  const head = /^n,(?:a=([^,]+))?,$/.exec(header)
  if (head === null || !message.endsWith(SEPARATOR + SEPARATOR)) return undefined
  const auth = pairs.find((pair) => pair.startsWith('auth='))
  const [, token] = /^auth=bearer +([\w.-]+)$/i.exec(auth ?? '') ?? []
  return token === undefined ? undefined : { authorizationId: head[1] ?? '', token }
}

export const beginBearer = (
  context: AuthenticationContext,
  desk: LoginDesk,
  verifier: TokenVerifier,
): TextExchange => new TextExchange((message) => logIn(message, context, desk, verifier))

const logIn = async (
  message: string,
  context: AuthenticationContext,
  desk: LoginDesk,
  verifier: TokenVerifier,
): Promise<AuthenticationStep> => {
  const refusal = desk.refusal(SOME_TOKEN, context)
  if (refusal !== undefined) return refusal
  const bearer = parseMessage(message)
  if (bearer === undefined) return desk.fail(SOME_TOKEN, context, 'malformed message')
  try {
    const { principal, expiresAtMs } = await verifier.verify(bearer.token)
    const asked = bearer.authorizationId.replaceAll('=2C', ',').replaceAll('=3D', '=')
    if (asked !== '' && asked !== principal.name)
      return desk.fail(SOME_TOKEN, context, 'authorization id of somebody else')
    if (desk.identity.findUser(principal.name)?.isDisabled === true)
      return desk.fail(principal.name, context, 'user is disabled')
    return { kind: 'principal', principal, expiresAtMs }
  } catch (error) {
    return desk.fail(SOME_TOKEN, context, 'token refused', reasonOf(error))
  }
}

/** The codes of the library and the texts of ours; other texts may quote what they could not read. */
const reasonOf = (error: unknown): string => {
  const { code, message } = error as { code?: unknown; message?: unknown }
  if (typeof code === 'string') return code
  return String(message).slice(0, 100)
}
