/**
 * Keys that tokens are verified with, and for each the algorithms it is good for: a key decides its
 * algorithm, never the token, so an RSA public key is no HMAC secret and `none` is nothing at all.
 *
 * A key file is PEM (public key or certificate), a JWK or JWK set, or a secret of at least 32 bytes.
 */
import type { CryptoKey, JWK, JWTVerifyGetKey } from 'jose'
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { TOKEN_SECRET_BYTES_MIN } from './limits.ts'

export interface TokenKeys {
  readonly algorithms: readonly string[]
  readonly key: KeyObject | CryptoKey | Uint8Array | JWTVerifyGetKey
}

const ASYMMETRIC = ['RS256', 'ES256', 'EdDSA', 'Ed25519'] as const

const algorithmsOf = (key: KeyObject): readonly string[] => {
  const { asymmetricKeyType, asymmetricKeyDetails } = key
  const { modulusLength = 0, namedCurve } = asymmetricKeyDetails ?? {}
  if (asymmetricKeyType === 'rsa' && modulusLength >= 2_048) return ['RS256']
  if (asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return ['ES256']
  if (asymmetricKeyType === 'ed25519') return ['EdDSA', 'Ed25519']
  throw new Error('it must be RSA of at least 2048 bits, P-256 or Ed25519')
}

/** Throws an Error whose text says what is wrong; the content is in no text. */
export const readTokenKeys = async (content: Uint8Array): Promise<TokenKeys> => {
  const text = Buffer.from(content).toString('utf8').trim()
  if (text.startsWith('-----BEGIN')) return readPem(text)
  if (text.startsWith('{')) return await readJwk(parseJson(text))
  const secret = Buffer.from(text, 'utf8')
  if (secret.length < TOKEN_SECRET_BYTES_MIN)
    throw new Error(`a secret must have at least ${TOKEN_SECRET_BYTES_MIN} bytes`)
  return { algorithms: ['HS256'], key: secret }
}

/** The parser's own error quotes what it has read. */
const parseJson = (text: string): Record<string, unknown> => {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    throw new Error('it is not JSON')
  }
}

const readPem = (text: string): TokenKeys => {
  if (/PRIVATE KEY/.test(text)) throw new Error('it is a private key: give the public one')
  const isCertificate = text.startsWith('-----BEGIN CERTIFICATE')
  const key = isCertificate ? new X509Certificate(text).publicKey : createPublicKey(text)
  return { algorithms: algorithmsOf(key), key }
}

const readJwk = async (json: Record<string, unknown>): Promise<TokenKeys> => {
  if (Array.isArray(json['keys'])) return await readKeySet(json)
  if (json['kty'] !== 'oct') {
    const key = createPublicKey({ key: json as never, format: 'jwk' })
    return { algorithms: algorithmsOf(key), key }
  }
  const secret = Buffer.from(String(json['k']), 'base64url')
  if (secret.length < TOKEN_SECRET_BYTES_MIN)
    throw new Error(`a secret must have at least ${TOKEN_SECRET_BYTES_MIN} bytes`)
  return { algorithms: ['HS256'], key: secret }
}

export const readKeySet = async (json: Record<string, unknown>): Promise<TokenKeys> => {
  const { createLocalJWKSet } = await import('jose')
  const keys = json['keys'] as readonly JWK[]
  if (!Array.isArray(keys)) throw new Error('it is no set of keys')
  return { algorithms: ASYMMETRIC, key: createLocalJWKSet({ keys: [...keys] }) }
}
