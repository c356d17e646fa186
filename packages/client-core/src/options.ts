/** What `connect` takes, with its defaults. */
import { FRAME_BYTES_DEFAULT, HEARTBEAT_MS_DEFAULT, HEARTBEAT_MS_MAX } from '@millrace/protocol'
import { type AuthOptions, resolveAuth } from './auth/auth-options.ts'
import type { Authenticator, Credentials } from './auth/exchange.ts'
import { checkInteger } from './check.ts'
import { invalidArgument } from './errors.ts'
import {
  CONNECT_TIMEOUT_MS,
  RECONNECT_DELAY_MS_MAX,
  RECONNECT_DELAY_MS_MIN,
  REQUEST_TIMEOUT_MS,
  TIMEOUT_MS_MAX,
} from './limits.ts'

/** How a lost connection is made again: exponential waits with full jitter. */
export interface ReconnectOptions {
  /** The first wait is at most this long, in ms. Default: 100. */
  readonly delayMsMin?: number
  /** No wait is longer, in ms. Default: 15,000. */
  readonly delayMsMax?: number
  /** Attempts in a row before the client gives up and closes. Default: no limit. */
  readonly attemptsMax?: number
}

export interface ConnectOptions {
  /** Default: the path of the URL, or `/`. */
  readonly namespace?: string
  /** Shown in the broker's logs. Default: `millrace-client`. */
  readonly clientName?: string
  /** User and password, a token, or the certificate of the TLS connection. Default: anonymous. */
  readonly auth?: AuthOptions
  /** A mechanism of your own, instead of `auth`. */
  readonly authenticator?: Authenticator
  /** Until a broker has answered the handshake, in ms, for each address. Default: 10,000. */
  readonly connectTimeoutMs?: number
  /** How long a request waits for its answer, in ms. Default: 30,000. */
  readonly requestTimeoutMs?: number
  /** Each side sends something at least this often, in ms; 0 asks for none. Default: 15,000. */
  readonly heartbeatMs?: number
  /** What happens when the connection is lost; false closes the client. Default: it is made again. */
  readonly reconnect?: false | ReconnectOptions
  /** Also the first connection is tried again until it succeeds or is refused. Default: false. */
  readonly retryInitial?: boolean
  /** Ends the attempt to connect; the open client does not listen to it. */
  readonly signal?: AbortSignal
}

export interface ResolvedReconnect {
  readonly delayMsMin: number
  readonly delayMsMax: number
  readonly attemptsMax: number
}

export interface ResolvedOptions {
  readonly namespace: string
  readonly clientName: string
  /** `undefined`: anonymous. */
  readonly credentials: Credentials | undefined
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly heartbeatMs: number
  readonly frameBytesMax: number
  /** `undefined`: never. */
  readonly reconnect: ResolvedReconnect | undefined
  readonly retryInitial: boolean
  readonly signal: AbortSignal | undefined
}

const resolveReconnect = (options: ReconnectOptions): ResolvedReconnect => {
  const { delayMsMin = RECONNECT_DELAY_MS_MIN, attemptsMax = Infinity } = options
  const { delayMsMax = Math.max(delayMsMin, RECONNECT_DELAY_MS_MAX) } = options
  const name = 'reconnect.attemptsMax'
  return {
    delayMsMin: checkInteger('reconnect.delayMsMin', delayMsMin, 1, TIMEOUT_MS_MAX),
    delayMsMax: checkInteger('reconnect.delayMsMax', delayMsMax, delayMsMin, TIMEOUT_MS_MAX),
    attemptsMax:
      attemptsMax === Infinity
        ? Infinity
        : checkInteger(name, attemptsMax, 1, Number.MAX_SAFE_INTEGER),
  }
}

const resolveCredentials = ({ auth, authenticator }: ConnectOptions): Credentials | undefined => {
  if (auth !== undefined && authenticator !== undefined) {
    throw invalidArgument('auth', 'there is an authenticator as well: give one of them')
  }
  if (auth !== undefined) return resolveAuth(auth)
  return authenticator === undefined ? undefined : { begin: () => authenticator }
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
    credentials: resolveCredentials(options),
    connectTimeoutMs: checkInteger('connectTimeoutMs', connectTimeoutMs, 1, TIMEOUT_MS_MAX),
    requestTimeoutMs: checkInteger('requestTimeoutMs', requestTimeoutMs, 1, TIMEOUT_MS_MAX),
    heartbeatMs: checkInteger('heartbeatMs', heartbeatMs, 0, HEARTBEAT_MS_MAX),
    frameBytesMax: FRAME_BYTES_DEFAULT,
    reconnect: options.reconnect === false ? undefined : resolveReconnect(options.reconnect ?? {}),
    retryInitial: options.retryInitial ?? false,
    signal: options.signal,
  }
}
