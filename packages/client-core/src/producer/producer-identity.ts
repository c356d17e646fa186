/** The number of an idempotent producer: asked for once, and again when the broker forgot it. */
import { isBrokerError } from '@millrace/codec'
import { Opcode, decodeProducerInitialized, encodeInitProducer } from '@millrace/protocol'
import { explainedCopy } from '../errors.ts'
import type { LiveConnection } from '../session/broker-session.ts'
import { call } from '../session/call.ts'

export interface ProducerIdentity {
  readonly producerId: number
  readonly epoch: number
}

const ADVICE =
  'this broker cannot recognise what it is sent twice: give the producer idempotent: false'

const advise = (error: unknown): never => {
  if (!isBrokerError(error)) throw error
  const isMissing = error.code === 'ERR_UNKNOWN_OPCODE' || error.code === 'ERR_UNSUPPORTED_FEATURE'
  throw isMissing ? explainedCopy(error, ADVICE) : error
}

export class IdentitySource {
  readonly #timeoutMs: number
  #current: ProducerIdentity | undefined
  #fetching: Promise<ProducerIdentity> | undefined

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  get current(): ProducerIdentity | undefined {
    return this.#current
  }

  /** The present one is no longer to be used; a newer one stays. */
  discard(identity: ProducerIdentity): void {
    if (this.#current?.producerId === identity.producerId) this.#current = undefined
  }

  /** The present one, or a new one. */
  async fetch(live: LiveConnection): Promise<ProducerIdentity> {
    if (this.#current !== undefined) return this.#current
    this.#fetching ??= this.#ask(live)
    try {
      return await this.#fetching
    } finally {
      this.#fetching = undefined
    }
  }

  async #ask({ connection }: LiveConnection): Promise<ProducerIdentity> {
    const timeoutMs = this.#timeoutMs
    const body = encodeInitProducer()
    const { producer, epoch } = await call(
      connection,
      Opcode.INIT_PRODUCER,
      body,
      decodeProducerInitialized,
      { timeoutMs },
    ).catch(advise)
    this.#current = { producerId: producer, epoch }
    return this.#current
  }
}
