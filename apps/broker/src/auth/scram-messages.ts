/**
 * The messages of SCRAM (RFC 5802, 5.1) as far as a server reads them. Channel binding is not offered,
 * so a header that asks for it is refused; extensions that must be understood are refused too.
 *
 *     client-first  n,,n=user,r=nonce          gs2 header, then the bare message
 *     client-final  c=biws,r=nonce,p=proof     the header again in base64, both nonces, the proof
 *
 * `undefined` stands for anything else: who gets it wrong has no claim to a reason.
 */
import { NONCE_CHARACTERS_MAX } from './limits.ts'

export interface ClientFirst {
  /** What the client-final message must repeat in base64. */
  readonly gs2Header: string
  readonly bare: string
  readonly authorizationId: string
  readonly user: string
  readonly nonce: string
}

export interface ClientFinal {
  readonly withoutProof: string
  readonly channelBinding: string
  readonly nonce: string
  readonly proof: Uint8Array
}

/** `=2C` is a comma, `=3D` an equals sign; any other use of `=` is a mistake. */
const decodeName = (text: string): string | undefined =>
  /=(?!2C|3D)/.test(text) ? undefined : text.replaceAll('=2C', ',').replaceAll('=3D', '=')

/** Printable ASCII but the comma. */
const isNonce = (text: string): boolean =>
  text.length <= NONCE_CHARACTERS_MAX && /^[\x21-\x2b\x2d-\x7e]+$/.test(text)

const FIRST = /^((?:n|y),(?:a=([^,]+))?,)(n=([^,]+),r=([^,]+)(?:,[^m\0][^\0]*)?)$/

export const parseClientFirst = (text: string): ClientFirst | undefined => {
  const [, gs2Header, encodedId, bare, encodedUser, nonce] = FIRST.exec(text) ?? []
  if (gs2Header === undefined || bare === undefined || nonce === undefined) return undefined
  const authorizationId = decodeName(encodedId ?? '')
  const user = decodeName(encodedUser ?? '=')
  if (authorizationId === undefined || user === undefined || !isNonce(nonce)) return undefined
  return { gs2Header, bare, authorizationId, user, nonce }
}

const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?'
const FINAL = new RegExp(`^(c=(${BASE64}),r=([^,]+)(?:,[^p\\0][^\\0]*)?),p=(${BASE64})$`)

export const parseClientFinal = (text: string): ClientFinal | undefined => {
  const [, withoutProof, channelBinding, nonce, proof] = FINAL.exec(text) ?? []
  if (withoutProof === undefined || channelBinding === undefined) return undefined
  if (nonce === undefined || proof === undefined || proof === '') return undefined
  return { withoutProof, channelBinding, nonce, proof: Buffer.from(proof, 'base64') }
}
