/**
 * What is kept of a password for SCRAM (RFC 5802): it lets the broker check a proof, and whoever
 * steals it cannot log in with it, only try passwords against it.
 *
 * Text form: `ITERATIONS:SALT$STORED-KEY:SERVER-KEY`, the last three in base64.
 */
import { createHash, createHmac, pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'

export type ScramHash = 'sha256' | 'sha512'
export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

export const scramHashes: Readonly<Record<ScramMechanism, ScramHash>> = {
  'SCRAM-SHA-256': 'sha256',
  'SCRAM-SHA-512': 'sha512',
}
export const scramMechanisms: readonly ScramMechanism[] = ['SCRAM-SHA-256', 'SCRAM-SHA-512']

export interface ScramVerifier {
  readonly iterations: number
  readonly salt: Uint8Array
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
}

const hashBytes: Readonly<Record<ScramHash, number>> = { sha256: 32, sha512: 64 }

export const hmac = (hash: ScramHash, key: Uint8Array, text: string | Uint8Array): Uint8Array =>
  createHmac(hash, key).update(text).digest()

export const digest = (hash: ScramHash, bytes: Uint8Array): Uint8Array =>
  createHash(hash).update(bytes).digest()

const stretch = promisify(pbkdf2)

export const deriveScram = async (
  hash: ScramHash,
  password: string,
  salt: Uint8Array,
  iterations: number,
): Promise<ScramVerifier> => {
  const salted = await stretch(password, salt, iterations, hashBytes[hash], hash)
  const storedKey = digest(hash, hmac(hash, salted, 'Client Key'))
  return { iterations, salt, storedKey, serverKey: hmac(hash, salted, 'Server Key') }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

export const formatScram = ({ iterations, salt, storedKey, serverKey }: ScramVerifier): string =>
  `${iterations}:${base64(salt)}$${base64(storedKey)}:${base64(serverKey)}`

const FORM = /^(\d{4,7}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/

export const parseScram = (text: string): ScramVerifier | undefined => {
  const [, iterations, salt, storedKey, serverKey] = FORM.exec(text) ?? []
  if (salt === undefined || storedKey === undefined || serverKey === undefined) return undefined
  const bytes = (part: string): Uint8Array => Buffer.from(part, 'base64')
  return {
    iterations: Number(iterations),
    salt: bytes(salt),
    storedKey: bytes(storedKey),
    serverKey: bytes(serverKey),
  }
}
