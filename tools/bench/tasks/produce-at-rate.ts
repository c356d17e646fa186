/**
 * Open loop through the SDK: every record has its moment, whatever the broker does meanwhile, and its
 * latency counts from that moment, not from when the program came round to sending it. The loop
 * spins between the moments: a timer of a millisecond would be slower than the disk.
 *
 * One record in `sampleEvery` is sent with a promise and measured; the others go the fast path. Both
 * share batches and order.
 */
import { type Producer, connect } from '@millrace/client-node'
import { type Latencies, latenciesOf } from '../statistics.ts'
import { payloadOf } from './payload.ts'

export interface PacedParameters {
  readonly url: string
  readonly topic: string
  readonly payloadBytes: number
  readonly recordsPerSecond: number
  readonly durationMs: number
  /** Records of this long at the start are not measured. */
  readonly warmUpMs: number
  readonly sampleEvery: number
}

export interface Paced {
  /** From the intended moment to the acknowledgement. */
  readonly acknowledged: Latencies
  /** From the intended moment to the call: what the generator itself is late by. */
  readonly late: Latencies
  readonly recordCount: number
  readonly elapsedMs: number
}

class PacedRun {
  readonly #producer: Producer<Uint8Array>
  readonly #parameters: PacedParameters
  readonly #payload: Uint8Array
  readonly #acknowledged: number[] = []
  readonly #late: number[] = []
  readonly #startedAt: number
  #sentCount = 0
  #failure: unknown

  constructor(producer: Producer<Uint8Array>, parameters: PacedParameters) {
    this.#producer = producer
    this.#parameters = parameters
    this.#payload = payloadOf(parameters.payloadBytes)
    this.#startedAt = performance.now()
  }

  async run(): Promise<Paced> {
    const { recordsPerSecond, durationMs } = this.#parameters
    const total = Math.floor((recordsPerSecond * durationMs) / 1000)
    await new Promise<void>((resolve, reject) => {
      const turn = (): void => {
        try {
          this.#sendDue(total)
        } catch (error) {
          reject(error as Error)
          return
        }
        if (this.#sentCount < total) setImmediate(turn)
        else resolve()
      }
      turn()
    })
    await this.#producer.flush()
    if (this.#failure !== undefined) throw this.#failure
    return {
      acknowledged: latenciesOf(this.#acknowledged),
      late: latenciesOf(this.#late),
      recordCount: this.#sentCount,
      elapsedMs: performance.now() - this.#startedAt,
    }
  }

  #sendDue(total: number): void {
    const { recordsPerSecond, sampleEvery } = this.#parameters
    const elapsedMs = performance.now() - this.#startedAt
    const due = Math.min(total, Math.floor((elapsedMs * recordsPerSecond) / 1000) + 1)
    while (this.#sentCount < due) {
      if (this.#sentCount % sampleEvery === 0) this.#sendMeasured()
      else this.#producer.write(this.#payload)
      this.#sentCount += 1
    }
  }

  #sendMeasured(): void {
    const { recordsPerSecond, warmUpMs } = this.#parameters
    const intendedMs = (this.#sentCount * 1000) / recordsPerSecond
    const sending = this.#producer.send(this.#payload)
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
