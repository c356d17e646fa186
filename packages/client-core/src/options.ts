/** What `connect` takes, with its defaults. */
import { FRAME_BYTES_DEFAULT, HEARTBEAT_MS_DEFAULT, HEARTBEAT_MS_MAX } from '@millrace/protocol'
import { checkInteger } from './check.ts'
import { CONNECT_TIMEOUT_MS, REQUEST_TIMEOUT_MS, TIMEOUT_MS_MAX } from './limits.ts'

/** Who this connection is, step by step. Without one the connection is anonymous. */
export interface Authenticator {
  /** As the broker names it, `PLAIN` for example. */
  readonly mechanism: string
  /** Sent with the first frame. */
  readonly initial?: Uint8Array
  /** The answer to a challenge of the broker. */
  respond(challenge: Uint8Array): Uint8Array
}

export interface ConnectOptions {
  /** Default: the path of the URL, or `/`. */
  readonly namespace?: string
  /** Shown in the broker's logs. Default: `millrace-client`. */
  readonly clientName?: string
  readonly authenticator?: Authenticator
  /** Until the broker has answered the handshake, in ms. Default: 10,000. */
  readonly connectTimeoutMs?: number
  /** How long a request waits for its answer, in ms. Default: 30,000. */
  readonly requestTimeoutMs?: number
  /** Each side sends something at least this often, in ms; 0 asks for none. Default: 15,000. */
  readonly heartbeatMs?: number
  /** Ends the attempt to connect; the open client does not listen to it. */
  readonly signal?: AbortSignal
}

export interface ResolvedOptions {
  readonly namespace: string
  readonly clientName: string
  readonly authenticator: Authenticator | undefined
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly heartbeatMs: number
  readonly frameBytesMax: number
  readonly signal: AbortSignal | undefined
}

export const resolveOptions = (options: ConnectOptions, namespace: string): ResolvedOptions => {
  const {
    connectTimeoutMs = CONNECT_TIMEOUT_MS,
    requestTimeoutMs = REQUEST_TIMEOUT_MS,
    heartbeatMs = HEARTBEAT_MS_DEFAULT,
  } = options
  return {
    namespace: options.namespace ?? namespace,
    clientName: options.clientName ?? 'millrace-client',
    authenticator: options.authenticator,
    connectTimeoutMs: checkInteger('connectTimeoutMs', connectTimeoutMs, 1, TIMEOUT_MS_MAX),
    requestTimeoutMs: checkInteger('requestTimeoutMs', requestTimeoutMs, 1, TIMEOUT_MS_MAX),
    heartbeatMs: checkInteger('heartbeatMs', heartbeatMs, 0, HEARTBEAT_MS_MAX),
    frameBytesMax: FRAME_BYTES_DEFAULT,
    signal: options.signal,
  }
}
