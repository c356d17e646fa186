/**
 * AUTHENTICATE: the client's next step of its mechanism. The answer is AUTHENTICATED, with a further
 * challenge or with the end of it, or ERROR.
 *
 * ```
 * AUTHENTICATE  { response: bin }
 * AUTHENTICATED { authenticated: bool, challenge?: bin }
 * ```
 */
import { malformedField, optionalBytes, requireBoolean } from '../fields.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface Authenticate {
  readonly response: Uint8Array
}

export interface Authenticated {
  readonly authenticated: boolean
  readonly challenge?: Uint8Array | undefined
}

export const encodeAuthenticate = (authenticate: Authenticate): Uint8Array =>
  encodeControl(authenticate)

export const decodeAuthenticate = (body: Uint8Array): Authenticate => {
  const response = optionalBytes(decodeControl(body), 'response')
  if (response === undefined) throw malformedField('response', 'binary')
  return { response }
}

export const encodeAuthenticated = (authenticated: Authenticated): Uint8Array =>
  encodeControl(authenticated)

export const decodeAuthenticated = (body: Uint8Array): Authenticated => {
  const map = decodeControl(body)
  return {
    authenticated: requireBoolean(map, 'authenticated'),
    challenge: optionalBytes(map, 'challenge'),
  }
}
