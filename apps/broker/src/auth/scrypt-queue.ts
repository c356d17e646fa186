/**
 * Password hashing, a few at a time: each run takes a core and 32 MiB, and strangers can ask for it.
 * Beyond the queue nothing waits: ERR_BUSY.
 */
import { scrypt } from 'node:crypto'
import { BrokerError } from '@millrace/codec'

export interface ScryptRequest {
  readonly secret: string
  readonly salt: Uint8Array
  readonly hashBytes: number
  readonly log2Cost: number
  readonly blockSize: number
  readonly parallelism: number
}

interface Waiting {
  readonly request: ScryptRequest
  readonly resolve: (hash: Uint8Array) => void
  readonly reject: (error: unknown) => void
}

export class ScryptQueue {
  readonly #runningMax: number
  readonly #waitingMax: number
  readonly #waiting: Waiting[] = []
  #running = 0

  constructor(runningMax: number, waitingMax: number) {
    this.#runningMax = runningMax
    this.#waitingMax = waitingMax
  }

  run(request: ScryptRequest): Promise<Uint8Array> {
    if (this.#waiting.length >= this.#waitingMax && this.#running >= this.#runningMax)
      return Promise.reject(new BrokerError('ERR_BUSY'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject })
      this.#next()
    })
  }

  #next(): void {
    if (this.#running >= this.#runningMax) return
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#running += 1
    const { secret, salt, hashBytes, log2Cost, blockSize, parallelism } = next.request
    const cost = 2 ** log2Cost
    const options = {
      N: cost,
      r: blockSize,
      p: parallelism,
      maxmem: 256 * cost * blockSize * parallelism,
    }
    scrypt(secret, salt, hashBytes, options, (error, hash) => {
      this.#running -= 1
      if (error === null) next.resolve(hash)
      else next.reject(error)
      this.#next()
    })
  }
}
