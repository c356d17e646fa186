/** From an address to a client: connects, shakes hands, and says what to try when it fails. */
import { BrokerError, isBrokerError } from '@millrace/codec'
import { Client } from './client.ts'
import { abortedError, asBrokerError, closedError, explain, messageOf } from './errors.ts'
import type { ResolvedOptions } from './options.ts'
import type { Platform } from './platform.ts'
import { BrokerSession } from './session/broker-session.ts'
import { Connection } from './session/connection.ts'
import { handshake } from './session/handshake.ts'
import type { BrokerAddress, Link, Transport } from './transport.ts'

const ADVICE = 'start a broker with `npm start`, or name one with connect(url) or MILLRACE_URL'

const connectFailed = (address: BrokerAddress, reason: string, cause: unknown): BrokerError =>
  explain(new BrokerError('ERR_CONNECT_FAILED', [address.url, reason], { cause }), ADVICE)

/** Only refusals that an operator or a program must read as they are keep their own code. */
const isTelling = (error: unknown): error is BrokerError =>
  isBrokerError(error) &&
  !['ERR_CONNECTION_LOST', 'ERR_TIMED_OUT', 'ERR_CLOSED'].includes(error.code)

const connectLink = async (
  transport: Transport,
  address: BrokerAddress,
  connection: Connection,
  signal: AbortSignal,
): Promise<void> => {
  const link: Link = await transport.connect(address, connection.handlers, signal)
  connection.attach(link)
}

/** One signal for both ends of patience; `stop` forgets the timer and the listener. */
const patience = (
  platform: Platform,
  options: ResolvedOptions,
): { readonly signal: AbortSignal; readonly stop: () => void } => {
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(abortedError(options.signal as AbortSignal))
  const onTimeout = (): void =>
    controller.abort(new BrokerError('ERR_TIMED_OUT', [options.connectTimeoutMs]))
  const cancelTimer = platform.setTimer(onTimeout, options.connectTimeoutMs)
  if (options.signal?.aborted === true) onAbort()
  options.signal?.addEventListener('abort', onAbort)
  const stop = (): void => {
    cancelTimer()
    options.signal?.removeEventListener('abort', onAbort)
  }
  return { signal: controller.signal, stop }
}

/**
 * Rejects with ERR_CONNECT_FAILED when nobody answers as a broker does, with ERR_ABORTED when the
 * signal said so, and with the broker's own error when it refused.
 */
export const openClient = async (
  transport: Transport,
  platform: Platform,
  address: BrokerAddress,
  options: ResolvedOptions,
): Promise<Client> => {
  const connection = new Connection(platform)
  const { signal, stop } = patience(platform, options)
  const onAbort = (): void => connection.fail(asBrokerError(signal.reason))
  signal.addEventListener('abort', onAbort)
  try {
    if (signal.aborted) throw asBrokerError(signal.reason)
    await connectLink(transport, address, connection, signal)
    const connected = await handshake(connection, options, platform.compression !== undefined)
    return new Client(new BrokerSession(platform, options, connection, connected))
  } catch (error) {
    connection.fail(closedError('the connection'))
    const reason: unknown = signal.aborted ? signal.reason : error
    if (isTelling(reason)) throw reason
    throw connectFailed(address, messageOf(reason), reason)
  } finally {
    signal.removeEventListener('abort', onAbort)
    stop()
  }
}
