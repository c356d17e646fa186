/**
 * Closed loop over the Kafka protocol without a client library: Produce requests of one record each,
 * made beforehand, so many under way on each of several connections. A round copies them and writes
 * their correlation ids; of an answer it reads the correlation id and the error.
 */
import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { readUint16, readUint32, writeUint32 } from '@millrace/codec'
import { FrameSplitter } from './frame-splitter.ts'
import {
  REQUEST_CORRELATION_AT,
  RESPONSE_CORRELATION_AT,
  errorPositionFor,
  produceFrameFor,
} from './kafka-frames.ts'
import type { Produced } from './produce-with-client.ts'

const READ_BYTES = 256 * 1024

export interface KafkaRawParameters {
  readonly port: number
  readonly topic: string
  readonly payloadBytes: number
  readonly durationMs: number
  readonly connectionCount: number
  /** Requests under way on each connection. */
  readonly windowCount: number
}

class KafkaRawConnection {
  readonly #frame: Uint8Array
  readonly #parameters: KafkaRawParameters
  readonly #errorAt: number
  readonly #socket: Socket
  #endAt = 0
  #sentCount = 0
  #answeredCount = 0
  #resolve!: (answeredCount: number) => void
  #reject!: (error: Error) => void
  readonly #done = new Promise<number>((resolve, reject) => {
    this.#resolve = resolve
    this.#reject = reject
  })

  constructor(parameters: KafkaRawParameters) {
    this.#parameters = parameters
    this.#frame = produceFrameFor(parameters.topic, parameters.payloadBytes)
    this.#errorAt = errorPositionFor(parameters.topic)
    const splitter = new FrameSplitter((bytes, at) => this.#accept(bytes, at))
    const buffer = new Uint8Array(READ_BYTES)
    const callback = (count: number): boolean => {
      splitter.push(buffer.subarray(0, count))
      this.#refill()
      return true
    }
    const { port } = parameters
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread: { buffer, callback } })
    this.#socket.on('error', (error) => this.#reject(error))
    this.#socket.on('close', () => this.#reject(new Error('the connection ended')))
    this.#done.catch(() => undefined)
  }

  async open(): Promise<void> {
    await Promise.race([once(this.#socket, 'connect'), this.#done])
  }

  run(): Promise<number> {
    this.#endAt = performance.now() + this.#parameters.durationMs
    this.#refill()
    return this.#done
  }

  close(): void {
    this.#socket.destroy()
  }

  #accept(bytes: Uint8Array, at: number): void {
    const correlation = readUint32(bytes, at + RESPONSE_CORRELATION_AT)
    const error = readUint16(bytes, at + this.#errorAt)
    if (correlation !== this.#answeredCount) this.#reject(new Error('an answer out of turn'))
    else if (error !== 0) this.#reject(new Error(`a request failed with error ${error}`))
    this.#answeredCount += 1
  }

  #refill(): void {
    const underWay = this.#sentCount - this.#answeredCount
    if (performance.now() < this.#endAt) this.#send(this.#parameters.windowCount - underWay)
    else if (underWay === 0) this.#resolve(this.#answeredCount)
  }

  #send(count: number): void {
    if (count === 0) return
    const frameBytes = this.#frame.length
    const bytes = new Uint8Array(count * frameBytes)
    for (let at = 0; at < bytes.length; at += frameBytes) {
      bytes.set(this.#frame, at)
      writeUint32(bytes, at + REQUEST_CORRELATION_AT, this.#sentCount)
      this.#sentCount += 1
    }
    this.#socket.write(bytes)
  }
}

export const produceKafkaRaw = async (parameters: KafkaRawParameters): Promise<Produced> => {
  const connections = Array.from(
    { length: parameters.connectionCount },
    () => new KafkaRawConnection(parameters),
  )
  try {
    await Promise.all(connections.map((connection) => connection.open()))
    const startedAt = performance.now()
    const counts = await Promise.all(connections.map((connection) => connection.run()))
    const elapsedMs = performance.now() - startedAt
    const recordCount = counts.reduce((sum, count) => sum + count, 0)
    return { recordCount, payloadBytes: recordCount * parameters.payloadBytes, elapsedMs }
  } finally {
    for (const connection of connections) connection.close()
  }
}
