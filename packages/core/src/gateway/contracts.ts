/**
 * What a protocol needs of its surroundings and gives in return (DESIGN 5). The native session and
 * every gateway are written against these types alone; sockets belong to the application.
 */
import type { BrokerError, ErrorCode } from '@millrace/codec'
import type { Broker, Principal, ReadLease } from '../engine/operations.ts'
import type { TrafficCounters } from '../engine/traffic.ts'
import type { Environment } from '../environment/environment.ts'
import type { Alarms, Quotas, Strangers } from './guards.ts'

/** Who a peer's certificate says it is, verified by a configured authority. */
export interface TlsPeer {
  readonly commonName: string
  /** Subject alternative names as they stand there: DNS names, addresses, URIs, e-mail addresses. */
  readonly names: readonly string[]
  readonly fingerprint256: string
}

export interface Connection {
  readonly id: number
  readonly localAddress: string
  readonly remoteAddress: string
  readonly isTls: boolean
  /** Missing without TLS, and when no certificate was shown. */
  readonly tlsPeer?: TlsPeer | undefined
  readonly subprotocol: string | undefined
  /**
   * Queues bytes for this turn's write. The buffer belongs to the connection until written.
   * False: the peer does not keep up; stop producing until `onDrain`.
   */
  write(bytes: Uint8Array): boolean
  /** `sendRange` takes leases that are ranges of files: reads may ask for them. */
  readonly sendsFiles?: boolean
  /** The same with a copy: the buffer is the caller's again when it returns. */
  writeCopy?(bytes: Uint8Array): boolean
  /** Queues a lease's bytes and releases the lease once they are written or the peer is gone. */
  sendRange(lease: ReadLease): boolean
  /** Only where whole messages are collected before they are handed on: takes none longer than this. */
  limitMessages?(bytesMax: number): void
  pause(): void
  resume(): void
  /**
   * Ends after what is queued is written. The cause is for transports that can name one themselves,
   * such as the close code of a WebSocket; bytes for the peer are the session's.
   */
  end(cause?: BrokerError): void
  /** Ends at once. */
  destroy(): void
}

/** What the application calls on a protocol's session. */
export interface Session {
  /** Borrowed bytes as they arrived. */
  onData(chunk: Uint8Array): void
  onDrain(): void
  onClosed(): void
}

export interface Gateway {
  readonly name: string
  accept(connection: Connection, services: Services): Session
  /** Tells peers to go, waits for what is in flight, at most `deadlineMs`. */
  close(deadlineMs: number): Promise<void>
}

export type AuthenticationStep =
  | { readonly kind: 'challenge'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'principal'
      readonly principal: Principal
      /** The broker's last word in the mechanism, which the peer checks. */
      readonly finalBytes?: Uint8Array | undefined
      /** Wall-clock time from which the principal has to show itself anew. */
      readonly expiresAtMs?: number | undefined
    }
  /** The peer is told that it failed, never why; `error` when it should know, such as to wait. */
  | { readonly kind: 'failure'; readonly error?: BrokerError | undefined }

export interface AuthenticationContext {
  readonly remoteAddress: string
  readonly isTls: boolean
  readonly tlsPeer: TlsPeer | undefined
  /** Where the peer came in. Missing: not beyond loopback. */
  readonly localAddress?: string | undefined
  readonly namespace: string
}

export interface AuthenticationExchange {
  step(response: Uint8Array): Promise<AuthenticationStep>
}

export interface Authenticator {
  /** What any peer may be offered. */
  readonly mechanisms: readonly string[]
  /** What this peer may choose from. */
  mechanismsFor(context: AuthenticationContext): readonly string[]
  /** `undefined` when the mechanism is not offered to this peer. */
  begin(mechanism: string, context: AuthenticationContext): AuthenticationExchange | undefined
}

/** Turns a password into what is kept of it. Throws ERR_INVALID_ARGUMENT for a bad one. */
export interface PasswordScheme {
  derive(password: string): Promise<Readonly<Record<string, string>>>
}

export type Action = 'configure' | 'write' | 'read' | 'administer'

export interface Resource {
  readonly kind: 'topic' | 'exchange' | 'queue' | 'group' | 'broker'
  readonly namespace: string
  readonly name: string
}

export interface Authorizer {
  check(principal: Principal, action: Action, resource: Resource): boolean
}

/** Limits that every listener keeps, bytes and counts per connection unless named otherwise. */
export interface ConnectionLimits {
  readonly connectionsMax: number
  readonly handshakeMsMax: number
  readonly frameBytesMax: number
  readonly bodyBytesMax: number
  readonly inFlightCountMax: number
  readonly inFlightBytesMax: number
  readonly outboundBytesMax: number
  readonly subscriptionsMax: number
}

export interface Services {
  /** The codecs this broker takes, by their names in the protocols. */
  readonly codecs: readonly string[]
  readonly broker: Broker
  readonly authenticator: Authenticator
  readonly authorizer: Authorizer
  /** Without it no password can be set. */
  readonly passwords?: PasswordScheme
  readonly environment: Environment
  readonly limits: ConnectionLimits
  /** Without one nothing is limited, nothing is counted. */
  readonly quotas?: Quotas
  readonly alarms?: Alarms
  readonly strangers?: Strangers
  readonly meters?: Meters
}

/** Where a protocol leaves its counts. It asks once, and keeps what it gets. */
export interface Meters {
  /** To be passed to `openSession`. */
  traffic(protocol: string): TrafficCounters
  /** A request or a connection failed with this code. */
  countError(code: ErrorCode): void
  loginFailed(): void
}
