/**
 * PLAIN: the password itself, so only where nobody listens. Not a choice of the program alone: over
 * plain TCP to another machine it is refused unless the program says that it knows.
 */
import { utf8Encode } from '@millrace/codec'
import { invalidArgument } from '../errors.ts'
import type { BrokerAddress } from '../transport.ts'
import type { Authenticator } from './exchange.ts'

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)

export const isEncrypted = ({ scheme }: BrokerAddress): boolean =>
  scheme === 'millraces' || scheme === 'wss'

/** Throws ERR_INVALID_ARGUMENT when what is sent could be read on the way. */
export const checkSecrecy = (address: BrokerAddress, what: string, allow: boolean): void => {
  if (allow || isEncrypted(address) || isLoopback(address.host)) return
  const advice = 'connect with millraces:// or wss://, or set auth.allowInsecure'
  throw invalidArgument('auth', `${what} would go to ${address.url} unencrypted: ${advice}`)
}

/** RFC 4616: authorization id (none), NUL, user name, NUL, password. */
export const plainLogin = (username: string, password: string): Authenticator => ({
  mechanism: 'PLAIN',
  initial: utf8Encode(`\0${username}\0${password}`),
  respond: () => new Uint8Array(0),
})
