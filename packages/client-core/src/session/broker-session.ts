/**
 * What producers, consumers and the admin share of one connected broker. They hold this and not the
 * connection, so that a later connection can take its place.
 */
import type { Connected } from '@millrace/protocol'
import type { ResolvedOptions } from '../options.ts'
import type { Platform } from '../platform.ts'
import { type CallOptions, call } from './call.ts'
import type { Connection } from './connection.ts'
import { TopicHandles } from './topic-handles.ts'

/** The compressions that both this platform and the broker have. */
export const codecsOf = (session: BrokerSession): readonly string[] =>
  session.platform.compression === undefined ? ['none'] : session.connected.codecs

export class BrokerSession {
  readonly platform: Platform
  readonly options: ResolvedOptions
  readonly connection: Connection
  readonly connected: Connected
  readonly topics: TopicHandles
  #lastSubscription = 0

  constructor(
    platform: Platform,
    options: ResolvedOptions,
    connection: Connection,
    connected: Connected,
  ) {
    this.platform = platform
    this.options = options
    this.connection = connection
    this.connected = connected
    this.topics = new TopicHandles(connection, options.requestTimeoutMs)
  }

  /** A control request; waits `requestTimeoutMs` unless the options say otherwise. */
  call<T>(
    opcode: number,
    body: Uint8Array,
    decode: (body: Uint8Array, isOwned: boolean) => T,
    options: Partial<CallOptions> = {},
  ): Promise<T> {
    const timeoutMs = options.timeoutMs ?? this.options.requestTimeoutMs
    return call(this.connection, opcode, body, decode, { timeoutMs, signal: options.signal })
  }

  nextSubscription(): number {
    this.#lastSubscription += 1
    return this.#lastSubscription
  }
}
