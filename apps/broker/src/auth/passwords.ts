/**
 * Passwords: what is kept of one, and whether one is right. Kept are a scrypt hash for peers that send
 * the password, and a SCRAM verifier for each mechanism that does not; none can be made from another,
 * so all are made when the password is set.
 *
 * scrypt hashes are in the PHC form `$scrypt$ln=15,r=8,p=1$SALT$HASH`, which has room for a successor.
 */
import { timingSafeEqual } from 'node:crypto'
import { BrokerError, utf8Length } from '@millrace/codec'
import type { PasswordScheme } from '@millrace/core'
import {
  PASSWORD_BYTES_MAX,
  PASSWORD_CHARACTERS_MIN,
  SCRYPT_LOG2_COST,
  SCRYPT_LOG2_COST_MAX,
} from './limits.ts'
import { prepareText } from './prepared-text.ts'
import { deriveScram, formatScram, scramHashes, scramMechanisms } from './scram-verifier.ts'
import type { ScryptQueue } from './scrypt-queue.ts'

export type RandomBytes = (count: number) => Uint8Array

export interface PasswordOptions {
  readonly queue: ScryptQueue
  readonly randomBytes: RandomBytes
  readonly scramIterations: number
  /** Tests take less. */
  readonly scryptLog2Cost?: number
}

const SALT_BYTES = 16
const HASH_BYTES = 32
const BLOCK_SIZE = 8
const PARALLELISM = 1

const unpadded = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString('base64').replace(/=+$/, '')

const refuse = (reason: string): never => {
  throw new BrokerError('ERR_INVALID_ARGUMENT', ['password', reason])
}

/** The password as it is hashed. Throws ERR_INVALID_ARGUMENT; the password is in no error. */
const checkPassword = (password: string): string => {
  const prepared = prepareText(password) ?? refuse('it is empty or holds a control character')
  if ([...prepared].length < PASSWORD_CHARACTERS_MIN)
    refuse(`it must have at least ${PASSWORD_CHARACTERS_MIN} characters`)
  if (utf8Length(prepared) > PASSWORD_BYTES_MAX)
    refuse(`it must be at most ${PASSWORD_BYTES_MAX} bytes long`)
  return prepared
}

interface ScryptHash {
  readonly log2Cost: number
  readonly blockSize: number
  readonly parallelism: number
  readonly salt: Uint8Array
  readonly hash: Uint8Array
}

const PHC = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

const parseHash = (text: string): ScryptHash | undefined => {
  const [, log2Cost, blockSize, parallelism, salt, hash] = PHC.exec(text) ?? []
  if (salt === undefined || hash === undefined) return undefined
  if (Number(log2Cost) > SCRYPT_LOG2_COST_MAX) return undefined
  return {
    log2Cost: Number(log2Cost),
    blockSize: Number(blockSize),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  }
}

export class Passwords implements PasswordScheme {
  readonly #options: PasswordOptions
  readonly #log2Cost: number

  constructor(options: PasswordOptions) {
    this.#options = options
    this.#log2Cost = options.scryptLog2Cost ?? SCRYPT_LOG2_COST
  }

  async derive(password: string): Promise<Readonly<Record<string, string>>> {
    const prepared = checkPassword(password)
    const { randomBytes, scramIterations } = this.#options
    const credentials: Record<string, string> = { scrypt: await this.#hash(prepared) }
    for (const mechanism of scramMechanisms) {
      const salt = randomBytes(SALT_BYTES)
      const hash = scramHashes[mechanism]
      const verifier = await deriveScram(hash, prepared, salt, scramIterations)
      credentials[mechanism] = formatScram(verifier)
    }
    return credentials
  }

  /**
   * Whether the prepared password fits the hash. Without a hash it takes as long and is false: who
   * asks does not learn from the time whether there is such a user.
   */
  async isRight(prepared: string, hash: string | undefined): Promise<boolean> {
    const stored = hash === undefined ? undefined : parseHash(hash)
    const { log2Cost, blockSize, parallelism, salt } = stored ?? this.#standIn()
    const expected = stored?.hash ?? new Uint8Array(HASH_BYTES)
    const request = { secret: prepared, log2Cost, blockSize, parallelism, salt }
    const actual = await this.#options.queue.run({ ...request, hashBytes: expected.length })
    return timingSafeEqual(actual, expected) && stored !== undefined
  }

  #standIn(): Omit<ScryptHash, 'hash'> {
    const salt = new Uint8Array(SALT_BYTES)
    return { log2Cost: this.#log2Cost, blockSize: BLOCK_SIZE, parallelism: PARALLELISM, salt }
  }

  async #hash(secret: string): Promise<string> {
    const { queue, randomBytes } = this.#options
    const salt = randomBytes(SALT_BYTES)
    const costs = { log2Cost: this.#log2Cost, blockSize: BLOCK_SIZE, parallelism: PARALLELISM }
    const hash = await queue.run({ secret, salt, hashBytes: HASH_BYTES, ...costs })
    const { log2Cost, blockSize, parallelism } = costs
    const parameters = `ln=${log2Cost},r=${blockSize},p=${parallelism}`
    return `$scrypt$${parameters}$${unpadded(salt)}$${unpadded(hash)}`
  }
}
