/**
 * AUTHENTICATE: the client's next step of its mechanism. The answer is AUTHENTICATED, with a further
 * challenge or with the end of it, or ERROR. On an open connection it renews the credentials.
 *
 * ```
 * AUTHENTICATE  { mechanism?: str, response: bin }
 * AUTHENTICATED { authenticated: bool, challenge?: bin, expiresInMs?: int }
 * ```
 */
import {
  malformedField,
  optionalBytes,
  optionalInteger,
  optionalString,
  requireBoolean,
} from '../fields.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface Authenticate {
  /** With the first step of a renewal; left out: that of CONNECT. */
  readonly mechanism?: string | undefined
  readonly response: Uint8Array
}

export interface Authenticated {
  readonly authenticated: boolean
  readonly challenge?: Uint8Array | undefined
  /** How long the credentials are good for; left out: for as long as the connection lasts. */
  readonly expiresInMs?: number | undefined
}

export const encodeAuthenticate = (authenticate: Authenticate): Uint8Array =>
  encodeControl(authenticate)

export const decodeAuthenticate = (body: Uint8Array): Authenticate => {
  const map = decodeControl(body)
  const response = optionalBytes(map, 'response')
  if (response === undefined) throw malformedField('response', 'binary')
  return { mechanism: optionalString(map, 'mechanism', undefined), response }
}

export const encodeAuthenticated = (authenticated: Authenticated): Uint8Array =>
  encodeControl(authenticated)

export const decodeAuthenticated = (body: Uint8Array): Authenticated => {
  const map = decodeControl(body)
  return {
    authenticated: requireBoolean(map, 'authenticated'),
    challenge: optionalBytes(map, 'challenge'),
    expiresInMs: optionalInteger(map, 'expiresInMs', 0, Number.MAX_SAFE_INTEGER, undefined),
  }
}
