/** OAUTHBEARER (RFC 7628): a token that somebody else signed. */
import { utf8Encode } from '@millrace/codec'
import type { Authenticator } from './exchange.ts'

/**
 * ```
 *   n,,^Aauth=Bearer TOKEN^A^A        ^A is byte 1
 * ```
 * A challenge is the broker's reason to refuse; it wants byte 1 before it says so.
 */
export const bearerLogin = (token: string): Authenticator => ({
  mechanism: 'OAUTHBEARER',
  initial: utf8Encode(`n,,\u0001auth=Bearer ${token}\u0001\u0001`),
  respond: () => Uint8Array.of(1),
})
