/** A connection of the gateway and the client behind it, in one process and without a socket. */
import type { Connection, ReadLease, Session } from '@millrace/core'
import type { Api } from '../../src/schema/api.ts'
import { until } from './settled.ts'
import { decodeResponse, encodeRequest, sizeOf } from './wire.ts'

const GONE = 0xdb

export class FakeConnection implements Connection {
  readonly id = 1
  readonly localAddress = '127.0.0.1:9092'
  readonly remoteAddress = '127.0.0.1:50000'
  readonly isTls = false
  readonly subprotocol = undefined
  readonly calls: string[] = []
  received = Buffer.alloc(0)
  isPaused = false
  isEnded = false
  leaseCount = 0
  /** What `write` answers. */
  hasRoom = true

  write(bytes: Uint8Array): boolean {
    this.received = Buffer.concat([this.received, bytes])
    return this.hasRoom
  }

  sendRange(lease: ReadLease): boolean {
    this.leaseCount += 1
    for (const part of lease.parts) this.received = Buffer.concat([this.received, part])
    lease.release()
    return this.hasRoom
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  end(): void {
    this.isEnded = true
  }

  destroy(): void {
    this.isEnded = true
  }
}

export class KafkaPeer {
  readonly connection = new FakeConnection()
  readonly session: Session
  #nextCorrelation = 1

  constructor(accept: (connection: Connection) => Session) {
    this.session = accept(this.connection)
  }

  get isEnded(): boolean {
    return this.connection.isEnded
  }

  /** The bytes are borrowed for the call: what is kept of them afterwards is seen to be gone. */
  sendBytes(bytes: Uint8Array): void {
    const borrowed = new Uint8Array(bytes)
    this.session.onData(borrowed)
    borrowed.fill(GONE)
  }

  /** Returns the correlation. */
  send<Q, A>(api: Api<Q, A>, version: number, request: Q): number {
    const correlation = this.#nextCorrelation++
    this.sendBytes(encodeRequest(api, version, correlation, request))
    return correlation
  }

  /** The next response, without its size. */
  async takeFrame(): Promise<Uint8Array> {
    const { connection } = this
    const isWhole = (): boolean => {
      const size = sizeOf(connection.received)
      return size !== undefined && connection.received.length >= 4 + size
    }
    await until('a response', () => isWhole() || connection.isEnded)
    if (!isWhole()) throw new Error('the connection ended without a response')
    const end = 4 + (sizeOf(connection.received) ?? 0)
    const frame = connection.received.subarray(4, end)
    connection.received = connection.received.subarray(end)
    return frame
  }

  async take<Q, A>(
    api: Api<Q, A>,
    version: number,
  ): Promise<{ readonly correlation: number; readonly response: A }> {
    return decodeResponse(api, version, await this.takeFrame())
  }

  async ask<Q, A>(api: Api<Q, A>, version: number, request: Q): Promise<A> {
    const asked = this.send(api, version, request)
    const { correlation, response } = await this.take(api, version)
    if (correlation !== asked) throw new Error(`asked ${asked}, answered ${correlation}`)
    return response
  }

  close(): void {
    this.session.onClosed()
  }
}
