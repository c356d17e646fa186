/**
 * Open loop through the SDK: every record has its moment, whatever the broker does meanwhile, and its
 * latency counts from that moment, not from when the program came round to sending it. The moments
 * are a quarter of a millisecond apart, with as many records each as the rate demands.
 *
 * One record in `sampleEvery` is sent with a promise and measured; the others go the fast path. Both
 * share batches and order.
 */
import { type Producer, connect } from '@millrace/client-node'
import { type Latencies, latenciesOf } from '../statistics.ts'
import { payloadOf } from './payload.ts'
import { startTicker } from './ticker.ts'

const TICK_MS = 0.25

export interface PacedParameters {
  readonly url: string
  readonly topic: string
  readonly payloadBytes: number
  readonly recordsPerSecond: number
  readonly durationMs: number
  /** Records of this long at the start are not measured. */
  readonly warmUpMs: number
  readonly sampleEvery: number
  /** Above 0: each record has the next of so many keys. */
  readonly keyCount?: number
}

export interface Paced {
  /** From the intended moment to the acknowledgement. */
  readonly acknowledged: Latencies
  /** From the intended moment to the call: what the generator itself is late by. */
  readonly late: Latencies
  readonly recordCount: number
  readonly elapsedMs: number
}

type Outgoing = Parameters<Producer<Uint8Array>['write']>[0]

/** Made once: the loop hands out the same objects again and again. */
const messagesOf = ({ payloadBytes, keyCount = 0 }: PacedParameters): Outgoing[] => {
  const value = payloadOf(payloadBytes)
  if (keyCount === 0) return [value]
  return Array.from({ length: keyCount }, (_, index) => ({ value, key: `key-${index}` }))
}

class PacedRun {
  readonly #producer: Producer<Uint8Array>
  readonly #parameters: PacedParameters
  readonly #messages: readonly Outgoing[]
  readonly #acknowledged: number[] = []
  readonly #late: number[] = []
  readonly #startedAt: number
  #sentCount = 0
  #failure: unknown

  constructor(producer: Producer<Uint8Array>, parameters: PacedParameters) {
    this.#producer = producer
    this.#parameters = parameters
    this.#messages = messagesOf(parameters)
    this.#startedAt = performance.now()
  }

  async run(): Promise<Paced> {
    const { recordsPerSecond, durationMs } = this.#parameters
    await this.#sendAll(Math.floor((recordsPerSecond * durationMs) / 1000))
    await this.#producer.flush()
    if (this.#failure !== undefined) throw this.#failure
    return {
      acknowledged: latenciesOf(this.#acknowledged),
      late: latenciesOf(this.#late),
      recordCount: this.#sentCount,
      elapsedMs: performance.now() - this.#startedAt,
    }
  }

  async #sendAll(total: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const ticker = startTicker(TICK_MS, () => {
        try {
          this.#sendDue(total)
        } catch (error) {
          ticker.stop()
          reject(new Error('SDK and broker do not keep up with the rate', { cause: error }))
        }
        if (this.#sentCount < total) return
        ticker.stop()
        resolve()
      })
    })
  }

  /** All records up to the moment that has come. */
  #sendDue(total: number): void {
    const { recordsPerSecond, sampleEvery } = this.#parameters
    const moment = Math.floor((performance.now() - this.#startedAt) / TICK_MS)
    const due = Math.min(total, Math.floor((moment * TICK_MS * recordsPerSecond) / 1000))
    while (this.#sentCount < due) {
      const message = this.#messages[this.#sentCount % this.#messages.length] as Outgoing
      if (this.#sentCount % sampleEvery === 0) this.#sendMeasured(message)
      else this.#producer.write(message)
      this.#sentCount += 1
    }
  }

  #sendMeasured(message: Outgoing): void {
    const { recordsPerSecond, warmUpMs } = this.#parameters
    const exactMs = ((this.#sentCount + 1) * 1000) / recordsPerSecond
    const intendedMs = Math.ceil(exactMs / TICK_MS) * TICK_MS
    const sending = this.#producer.send(message)
    if (intendedMs < warmUpMs) return void sending.catch((error: unknown) => this.#fail(error))
    const intendedAt = this.#startedAt + intendedMs
    this.#late.push(performance.now() - intendedAt)
    sending.then(
      () => this.#acknowledged.push(performance.now() - intendedAt),
      (error: unknown) => this.#fail(error),
    )
  }

  #fail(error: unknown): void {
    this.#failure ??= error
  }
}

export const produceAtRate = async (parameters: PacedParameters): Promise<Paced> => {
  const client = await connect(parameters.url)
  try {
    const producer = client.producer<Uint8Array>(parameters.topic, { codec: 'bytes' })
    await producer.ready()
    return await new PacedRun(producer, parameters).run()
  } finally {
    await client.close()
  }
}
