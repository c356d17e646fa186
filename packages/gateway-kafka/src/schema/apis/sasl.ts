/** SaslHandshake (17) chooses a mechanism, SaslAuthenticate (36) carries its messages. */
import { type Api, defineApi } from '../api.ts'
import { int16, int64 } from '../scalars.ts'
import { array, struct } from '../struct.ts'
import { bytes, nullableString, string, stringType } from '../texts.ts'

export interface SaslHandshakeRequest {
  readonly mechanism: string
}

export interface SaslHandshakeResponse {
  readonly errorCode: number
  readonly mechanisms: readonly string[]
}

export interface SaslAuthenticateRequest {
  readonly authBytes: Uint8Array
}

export interface SaslAuthenticateResponse {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly authBytes: Uint8Array
  /** How long the login is good for; 0 for ever. */
  readonly sessionLifetimeMs: number
}

export const saslHandshake: Api<SaslHandshakeRequest, SaslHandshakeResponse> = defineApi({
  key: 17,
  name: 'SaslHandshake',
  versions: [0, 1],
  flexibleSince: Infinity,
  request: struct<SaslHandshakeRequest>({ mechanism: string() }),
  response: struct<SaslHandshakeResponse>({ errorCode: int16(), mechanisms: array(stringType) }),
})

export const saslAuthenticate: Api<SaslAuthenticateRequest, SaslAuthenticateResponse> = defineApi({
  key: 36,
  name: 'SaslAuthenticate',
  versions: [0, 2],
  flexibleSince: 2,
  request: struct<SaslAuthenticateRequest>({ authBytes: bytes() }),
  response: struct<SaslAuthenticateResponse>({
    errorCode: int16(),
    errorMessage: nullableString(),
    authBytes: bytes(),
    sessionLifetimeMs: int64({ since: 1 }),
  }),
})
