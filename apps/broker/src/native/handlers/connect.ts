/**
 * CONNECT and AUTHENTICATE: version, namespace, mechanism; then limits are agreed and the session
 * opens. Reading stops while the authenticator thinks, so what a hasty peer sent behind its CONNECT
 * is handled in the state that follows.
 */
import { BrokerError } from '@millrace/codec'
import type {
  AuthenticationContext,
  AuthenticationExchange,
  AuthenticationStep,
} from '@millrace/core'
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

/** The outcome of a login that went well. */
type Login = Extract<AuthenticationStep, { readonly kind: 'principal' }>

const NOTHING = new Uint8Array(0)

export const handleConnect = (session: NativeSession, frame: Frame): void => {
  const connect = decodeConnect(frame.body)
  const version = negotiateVersion(connect.versions)
  const handshake = {
    connect,
    version,
    exchange: beginExchange(session, connect.mechanism, connect.namespace),
  }
  session.handshake = handshake
  void step(session, handshake, connect.initial ?? NOTHING, frame.channel, frame.correlation)
}

export const handleAuthenticate = (session: NativeSession, frame: Frame): void => {
  if (session.state !== 'authenticating') {
    handleRenewal(session, frame)
    return
  }
  if (session.handshake === undefined) throw new BrokerError('ERR_NOT_AUTHENTICATED')
  const { response } = decodeAuthenticate(frame.body)
  void step(session, session.handshake, response, frame.channel, frame.correlation)
}

const contextOf = (session: NativeSession, namespace: string): AuthenticationContext => {
  const { remoteAddress, localAddress, isTls, tlsPeer } = session.connection
  return { remoteAddress, localAddress, isTls, tlsPeer, namespace }
}

const beginExchange = (
  session: NativeSession,
  mechanism: string,
  namespace: string,
): AuthenticationExchange => {
  const { authenticator } = session.services
  const context = contextOf(session, namespace)
  const exchange = authenticator.begin(mechanism, context)
  if (exchange !== undefined) return exchange
  const offered = authenticator.mechanismsFor(context).join(', ')
  throw new BrokerError('ERR_UNSUPPORTED_MECHANISM', [mechanism.slice(0, 64), offered])
}

const failureOf = ({
  error,
}: Extract<AuthenticationStep, { readonly kind: 'failure' }>): BrokerError =>
  error ?? new BrokerError('ERR_AUTHENTICATION_FAILED')

/** What the peer is told about its credentials. */
const credentialsOf = (
  session: NativeSession,
  { finalBytes, expiresAtMs }: Login,
): { challenge?: Uint8Array; expiresInMs?: number } => {
  const now = session.services.environment.clock.now()
  return {
    ...(finalBytes === undefined ? {} : { challenge: finalBytes }),
    ...(expiresAtMs === undefined ? {} : { expiresInMs: Math.max(0, expiresAtMs - now) }),
  }
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
    if (outcome.kind === 'failure') throw failureOf(outcome)
    if (outcome.kind === 'principal') accept(session, handshake, outcome, correlation)
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
  login: Login,
  correlation: number,
): void => {
  const { principal } = login
  const { broker, quotas } = session.services
  const { namespace, mechanism } = handshake.connect
  // Not before: which namespaces there are is nobody's business who has not shown who they are.
  if (!broker.hasNamespace(namespace)) throw new BrokerError('ERR_NAMESPACE_NOT_FOUND', [namespace])
  const use = quotas?.open(principal)
  if (use !== undefined) session.keepTo(use)
  const good = credentialsOf(session, login)
  const connected = agree(session, handshake)
  if (session.state === 'handshake') {
    const body = encodeConnected({ ...connected, ...good })
    session.output.send(Opcode.CONNECTED, 0, correlation, body)
  } else {
    const body = encodeAuthenticated({ authenticated: true, ...good })
    session.output.send(Opcode.AUTHENTICATED, 0, correlation, body)
  }
  session.handshake = undefined
  session.mechanism = mechanism
  session.expireAfter(good.expiresInMs)
  const caller = { principal, namespace }
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
    mechanisms: services.authenticator.mechanismsFor(contextOf(session, connect.namespace)),
    features: connect.features.includes('queues') ? ['queues'] : [],
    codecs: services.codecs,
    heartbeatMs: negotiateHeartbeat(connect.heartbeatMs, settings.heartbeatMs),
    frameBytesMax: negotiateFrameBytes(connect.frameBytesMax, frameBytesMax),
    bodyBytesMax,
    batchBytesMax: Math.min(BATCH_BYTES_MAX, bodyBytesMax - BODY_HEAD_BYTES_MAX),
    inFlightCountMax,
    autoCreateTopics: settings.autoCreateTopics,
  }
}

/** An open connection shows anew who it is: the same principal, with credentials that are good longer. */
const handleRenewal = (session: NativeSession, frame: Frame): void => {
  const { mechanism, response } = decodeAuthenticate(frame.body)
  const { namespace } = session.open.caller
  session.renewal ??= beginExchange(session, mechanism ?? session.mechanism, namespace)
  void renew(session, session.renewal, response, frame.channel, frame.correlation)
}

const renew = async (
  session: NativeSession,
  exchange: AuthenticationExchange,
  response: Uint8Array,
  channel: number,
  correlation: number,
): Promise<void> => {
  session.suspend(Suspension.HANDSHAKE)
  try {
    const outcome = await exchange.step(response)
    if (session.state === 'closed') return
    if (outcome.kind === 'failure') throw failureOf(outcome)
    const isDone = outcome.kind === 'principal'
    if (isDone) takeOver(session, outcome)
    const good = isDone ? credentialsOf(session, outcome) : { challenge: outcome.bytes }
    const body = encodeAuthenticated({ authenticated: isDone, ...good })
    session.output.sendInLine(Opcode.AUTHENTICATED, channel, correlation, body)
  } catch (error) {
    session.fail(error, channel, correlation)
  } finally {
    session.resume(Suspension.HANDSHAKE)
  }
}

const takeOver = (session: NativeSession, login: Login): void => {
  session.renewal = undefined
  if (login.principal.name !== session.open.caller.principal.name)
    throw new BrokerError('ERR_AUTHENTICATION_FAILED')
  session.open.renew(login.principal)
  session.expireAfter(credentialsOf(session, login).expiresInMs)
}
