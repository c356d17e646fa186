/**
 * PLAIN (RFC 4616): authorization id, user and password in one message. The password crosses the
 * wire, so who offers it where stands in `broker-authenticator.ts`.
 */
import { isBrokerError } from '@millrace/codec'
import type { AuthenticationContext, AuthenticationStep, User } from '@millrace/core'
import { TextExchange } from './exchange.ts'
import type { LoginDesk } from './login-desk.ts'
import type { Passwords } from './passwords.ts'
import { prepareText } from './prepared-text.ts'
import type { VerifiedLogins } from './verified-logins.ts'

export interface PlainOptions {
  readonly desk: LoginDesk
  readonly passwords: Passwords
  readonly verified: VerifiedLogins
  /** Logins being verified, by mark: a thousand clients of one user cost one hash. */
  readonly underWay: Map<string, Promise<boolean>>
}

export const beginPlain = (context: AuthenticationContext, options: PlainOptions): TextExchange =>
  new TextExchange((message) => logIn(message, context, options))

const logIn = async (
  message: string,
  context: AuthenticationContext,
  options: PlainOptions,
): Promise<AuthenticationStep> => {
  const { desk } = options
  const parts = message.split('\u0000')
  const [authorizationId = '', name, password] = parts.length === 3 ? parts.map(prepare) : []
  if (name === undefined || name === '' || password === undefined || password === '')
    return desk.fail('', context, 'malformed message')
  const known = desk.identity.findUser(name)
  const outcome = await verify(known, name, password, context, options)
  if (typeof outcome === 'object') return outcome
  // Asked again: the user may have changed while the password was hashed.
  const user = desk.identity.findUser(name)
  if (!outcome || user === undefined || user.revision !== known?.revision)
    return desk.fail(name, context, 'wrong user or password')
  if (user.isDisabled) return desk.fail(name, context, 'user is disabled')
  if (authorizationId !== '' && authorizationId !== name)
    return desk.fail(name, context, 'authorization id of somebody else')
  return desk.accept(user, context)
}

const prepare = (part: string): string => prepareText(part) ?? ''

const verify = async (
  user: User | undefined,
  name: string,
  password: string,
  context: AuthenticationContext,
  { desk, passwords, verified, underWay }: PlainOptions,
): Promise<boolean | AuthenticationStep> => {
  const mark = verified.markOf(name, password)
  if (user !== undefined && verified.has(mark, user)) return true
  const refusal = desk.refusal(name, context)
  if (refusal !== undefined) return refusal
  try {
    const running = underWay.get(mark) ?? passwords.isRight(password, user?.credentials['scrypt'])
    underWay.set(mark, running)
    const isRight = await running
    // Asked again: of guesses that came all at once only the first few count.
    const late = desk.refusal(name, context)
    if (late !== undefined) return late
    if (isRight && user !== undefined) verified.add(mark, user)
    return isRight
  } catch (error) {
    if (isBrokerError(error)) return desk.unable(error)
    throw error
  } finally {
    underWay.delete(mark)
  }
}
