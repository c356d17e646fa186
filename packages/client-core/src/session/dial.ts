/** One attempt: from an address to a connection that has shaken hands. */
import { BrokerError, isBrokerError } from '@millrace/codec'
import type { Connected } from '@millrace/protocol'
import { abortedError, asBrokerError, closedError, explain, messageOf } from '../errors.ts'
import type { ResolvedOptions } from '../options.ts'
import type { Platform } from '../platform.ts'
import type { BrokerAddress, Transport } from '../transport.ts'
import { Connection } from './connection.ts'
import { handshake } from './handshake.ts'
import { TopicHandles } from './topic-handles.ts'

/** A connection that takes requests, and what is good on it alone. */
export interface LiveConnection {
  readonly address: BrokerAddress
  readonly connection: Connection
  readonly connected: Connected
  readonly topics: TopicHandles
  /** How long the credentials are good for, when the broker says so. */
  readonly expiresInMs: number | undefined
}

const ADVICE = 'start a broker with `npm start`, or name one with connect(url) or MILLRACE_URL'

export const connectFailed = (url: string, reason: string, cause: unknown): BrokerError =>
  explain(new BrokerError('ERR_CONNECT_FAILED', [url, reason], { cause }), ADVICE)

/** Only refusals that an operator or a program must read as they are keep their own code. */
const isTelling = (error: unknown): error is BrokerError =>
  isBrokerError(error) &&
  !['ERR_CONNECTION_LOST', 'ERR_TIMED_OUT', 'ERR_CLOSED'].includes(error.code)

/** One signal for both ends of patience; `stop` forgets the timer and the listener. */
const patience = (
  platform: Platform,
  timeoutMs: number,
  outer: AbortSignal | undefined,
): { readonly signal: AbortSignal; readonly stop: () => void } => {
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(abortedError(outer as AbortSignal))
  const onTimeout = (): void => controller.abort(new BrokerError('ERR_TIMED_OUT', [timeoutMs]))
  const cancelTimer = platform.setTimer(onTimeout, timeoutMs)
  if (outer?.aborted === true) onAbort()
  outer?.addEventListener('abort', onAbort)
  const stop = (): void => {
    cancelTimer()
    outer?.removeEventListener('abort', onAbort)
  }
  return { signal: controller.signal, stop }
}

export interface Dialer {
  readonly transport: Transport
  readonly platform: Platform
  readonly options: ResolvedOptions
}

const attach = async (
  { transport, platform, options }: Dialer,
  address: BrokerAddress,
  connection: Connection,
  signal: AbortSignal,
): Promise<LiveConnection> => {
  if (signal.aborted) throw asBrokerError(signal.reason)
  connection.attach(await transport.connect(address, connection.handlers, signal))
  const { connected, expiresInMs } = await handshake(connection, { options, platform, address })
  const topics = new TopicHandles(connection, options.requestTimeoutMs)
  return { address, connection, connected, topics, expiresInMs }
}

/**
 * Rejects with ERR_CONNECT_FAILED when nobody answers as a broker does, with ERR_ABORTED when the
 * signal said so, and with the broker's own error when it refused.
 */
export const dial = async (
  dialer: Dialer,
  address: BrokerAddress,
  outer: AbortSignal | undefined,
): Promise<LiveConnection> => {
  const connection = new Connection(dialer.platform)
  const { signal, stop } = patience(dialer.platform, dialer.options.connectTimeoutMs, outer)
  const onAbort = (): void => connection.fail(asBrokerError(signal.reason))
  signal.addEventListener('abort', onAbort)
  try {
    return await attach(dialer, address, connection, signal)
  } catch (error) {
    connection.fail(closedError('the connection'))
    const reason: unknown = signal.aborted ? signal.reason : error
    if (isTelling(reason)) throw reason
    throw connectFailed(address.url, messageOf(reason), reason)
  } finally {
    signal.removeEventListener('abort', onAbort)
    stop()
  }
}
