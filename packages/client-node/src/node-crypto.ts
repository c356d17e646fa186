/** The few functions that a login by SCRAM needs, from Node. */
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type { HashName, PlatformCrypto } from '@millrace/client-core'

const names: Readonly<Record<HashName, string>> = { 'SHA-256': 'sha256', 'SHA-512': 'sha512' }

const derive = promisify(pbkdf2)

export const nodeCrypto: PlatformCrypto = {
  randomBytes: (count) => randomBytes(count),
  hash: (name, bytes) => Promise.resolve(createHash(names[name]).update(bytes).digest()),
  hmac: (name, key, bytes) => Promise.resolve(createHmac(names[name], key).update(bytes).digest()),
  pbkdf2: (name, password, salt, iterations, byteLength) =>
    derive(password, salt, iterations, byteLength, names[name]),
}
