/**
 * CONNECT and AUTHENTICATE: version, namespace, mechanism; then limits are agreed and the session
 * opens. Reading stops while the authenticator thinks, so what a hasty peer sent behind its CONNECT
 * is handled in the state that follows.
 */
import { BrokerError } from '@millrace/codec'
import type { AuthenticationExchange, Principal } from '@millrace/core'
import {
  BATCH_BYTES_MAX,
  BODY_HEAD_BYTES_MAX,
  type Connect,
  type Connected,
  decodeAuthenticate,
  decodeConnect,
  encodeAuthenticated,
  encodeConnected,
  type Frame,
  negotiateFrameBytes,
  negotiateHeartbeat,
  negotiateVersion,
  Opcode,
} from '@millrace/protocol'
import { type NativeSession, Suspension } from '../native-session.ts'
import { createOpenSession } from '../open-session.ts'

/** A handshake under way. */
export interface Handshake {
  readonly connect: Connect
  readonly version: number
  readonly exchange: AuthenticationExchange
}

const NOTHING = new Uint8Array(0)

export const handleConnect = (session: NativeSession, frame: Frame): void => {
  const connect = decodeConnect(frame.body)
  const version = negotiateVersion(connect.versions)
  if (!session.services.broker.hasNamespace(connect.namespace)) {
    throw new BrokerError('ERR_NAMESPACE_NOT_FOUND', [connect.namespace])
  }
  const handshake = { connect, version, exchange: beginExchange(session, connect) }
  session.handshake = handshake
  void step(session, handshake, connect.initial ?? NOTHING, frame.channel, frame.correlation)
}

export const handleAuthenticate = (session: NativeSession, frame: Frame): void => {
  if (session.handshake === undefined) throw new BrokerError('ERR_NOT_AUTHENTICATED')
  const { response } = decodeAuthenticate(frame.body)
  void step(session, session.handshake, response, frame.channel, frame.correlation)
}

const beginExchange = (session: NativeSession, connect: Connect): AuthenticationExchange => {
  const { authenticator } = session.services
  const { remoteAddress, isTls, tlsPeer } = session.connection
  const context = { remoteAddress, isTls, tlsPeer, namespace: connect.namespace }
  const exchange = authenticator.begin(connect.mechanism, context)
  if (exchange !== undefined) return exchange
  const offered = authenticator.mechanisms.join(', ')
  throw new BrokerError('ERR_UNSUPPORTED_MECHANISM', [connect.mechanism, offered])
}

const step = async (
  session: NativeSession,
  handshake: Handshake,
  response: Uint8Array,
  channel: number,
  correlation: number,
): Promise<void> => {
  session.suspend(Suspension.HANDSHAKE)
  try {
    const outcome = await handshake.exchange.step(response)
    if (session.state === 'closed') return
    if (outcome.kind === 'failure') throw new BrokerError('ERR_AUTHENTICATION_FAILED')
    if (outcome.kind === 'principal') accept(session, handshake, outcome.principal, correlation)
    else challenge(session, handshake, outcome.bytes, channel, correlation)
  } catch (error) {
    session.fail(error, channel, correlation)
  } finally {
    session.resume(Suspension.HANDSHAKE)
  }
}

const challenge = (
  session: NativeSession,
  handshake: Handshake,
  bytes: Uint8Array,
  channel: number,
  correlation: number,
): void => {
  const isFirst = session.state === 'handshake'
  session.enterAuthenticating()
  if (isFirst) {
    const connected = { ...agree(session, handshake), authenticated: false, challenge: bytes }
    session.output.send(Opcode.CONNECTED, channel, correlation, encodeConnected(connected))
    return
  }
  const body = encodeAuthenticated({ authenticated: false, challenge: bytes })
  session.output.send(Opcode.AUTHENTICATED, channel, correlation, body)
}

const accept = (
  session: NativeSession,
  handshake: Handshake,
  principal: Principal,
  correlation: number,
): void => {
  const use = session.services.quotas?.open(principal)
  if (use !== undefined) session.keepTo(use)
  const connected = agree(session, handshake)
  if (session.state === 'handshake') {
    session.output.send(Opcode.CONNECTED, 0, correlation, encodeConnected(connected))
  } else {
    const body = encodeAuthenticated({ authenticated: true })
    session.output.send(Opcode.AUTHENTICATED, 0, correlation, body)
  }
  session.handshake = undefined
  const caller = { principal, namespace: handshake.connect.namespace }
  const { frameBytesMax, heartbeatMs } = connected
  session.enterOpen(
    createOpenSession(session, caller, handshake.connect.codecs),
    frameBytesMax,
    heartbeatMs,
  )
}

const agree = (session: NativeSession, { connect, version }: Handshake): Connected => {
  const { services, settings } = session
  const { frameBytesMax, bodyBytesMax, inFlightCountMax } = services.limits
  return {
    version,
    broker: { name: 'millrace', version: settings.brokerVersion },
    node: 0,
    authenticated: true,
    mechanisms: services.authenticator.mechanisms,
    features: [],
    codecs: services.codecs,
    heartbeatMs: negotiateHeartbeat(connect.heartbeatMs, settings.heartbeatMs),
    frameBytesMax: negotiateFrameBytes(connect.frameBytesMax, frameBytesMax),
    bodyBytesMax,
    batchBytesMax: Math.min(BATCH_BYTES_MAX, bodyBytesMax - BODY_HEAD_BYTES_MAX),
    inFlightCountMax,
    autoCreateTopics: settings.autoCreateTopics,
  }
}
