/** The cryptography of the machine that runs the tests. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import type { HashName, PlatformCrypto } from '../../src/platform.ts'

const names: Record<HashName, string> = { 'SHA-256': 'sha256', 'SHA-512': 'sha512' }

export const testCrypto: PlatformCrypto = {
  randomBytes: (count) => randomBytes(count),
  hash: (name, bytes) => Promise.resolve(createHash(names[name]).update(bytes).digest()),
  hmac: (name, key, bytes) => Promise.resolve(createHmac(names[name], key).update(bytes).digest()),
  pbkdf2: (name, password, salt, iterations, byteLength) =>
    Promise.resolve(pbkdf2Sync(password, salt, iterations, byteLength, names[name])),
}
