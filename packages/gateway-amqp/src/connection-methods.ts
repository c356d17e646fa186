/** The methods of channel 0: from the first greeting to the open connection, and to its end. */
import { BrokerError, isBrokerError, utf8Encode } from '@millrace/codec'
import type { AmqpSession } from './amqp-session.ts'
import type { LoginOutcome } from './authentication.ts'
import { capabilitiesOf, serverProperties } from './capabilities.ts'
import { PROTOCOL_HEADER } from './codec/frame.ts'
import type { MethodFields } from './codec/methods.ts'
import { AmqpFault, asFault, notAllowed } from './errors.ts'
import { logEnd } from './session-log.ts'
import type { ConnectionMethod } from './session-state.ts'
import { Suspension } from './suspension.ts'
import { tuningOf } from './tuning.ts'

type Handler<Name extends ConnectionMethod> = (
  session: AmqpSession,
  fields: MethodFields<Name>,
) => void | Promise<void>

export const connectionHandlers: { readonly [Name in ConnectionMethod]: Handler<Name> } = {
  'connection.start-ok': (session, { clientProperties, mechanism, response }) => {
    session.capabilities = capabilitiesOf(clientProperties)
    return logIn(session, mechanism, () => session.authentication.begin(mechanism, response))
  },
  'connection.secure-ok': (session, { response }) =>
    logIn(session, session.mechanism, () => session.authentication.step(response)),
  'connection.tune-ok': (session, fields) => session.tuned(tuningOf(fields, session.settings)),
  'connection.open': (session, { virtualHost }) => {
    if (!session.services.broker.hasNamespace(virtualHost)) {
      throw notAllowed(`vhost ${virtualHost} not found`, 'ERR_NAMESPACE_NOT_FOUND')
    }
    session.openHost(virtualHost)
    session.reply('connection.open-ok', { knownHosts: '' })
  },
  'connection.update-secret': async (session, { newSecret }) => {
    const outcome = await whileLoggingIn(session, () => session.authentication.renew(newSecret))
    session.renew(outcome)
    session.reply('connection.update-secret-ok', {})
  },
  'connection.close': async (session) => {
    for (const channel of session.channels) await channel.publisher.through()
    session.closeByPeer()
  },
  'connection.close-ok': (session) => session.end(),
}

export const greet = (session: AmqpSession): void => {
  session.state = 'start'
  session.reply('connection.start', {
    versionMajor: 0,
    versionMinor: 9,
    serverProperties: serverProperties(session.settings),
    mechanisms: utf8Encode(session.authentication.mechanisms.join(' ')),
    locales: utf8Encode('en_US'),
  })
}

/** All that the protocol lets us answer is what it would have been; the log can say more. */
export const turnAway = (session: AmqpSession, header: Uint8Array): void => {
  const problem = isTlsStart(header)
    ? 'the peer speaks TLS here, and this connection is plain: check the port and the TLS setting'
    : 'the peer does not begin as AMQP 0-9-1 does: check the port'
  const fault = asFault(new BrokerError('ERR_MALFORMED_FRAME', [problem]))
  session.countError(fault.code)
  logEnd(session, fault)
  session.output.raw(PROTOCOL_HEADER)
  session.end()
}

/** A handshake record of any version. */
const isTlsStart = ([type, major]: Uint8Array): boolean => type === 0x16 && major === 0x03

/** Nothing is read while it is not known who speaks. */
const whileLoggingIn = async <T>(session: AmqpSession, work: () => Promise<T>): Promise<T> => {
  session.suspend(Suspension.LOGIN)
  try {
    return await work()
  } finally {
    session.resume(Suspension.LOGIN)
  }
}

const logIn = async (
  session: AmqpSession,
  mechanism: string,
  work: () => Promise<LoginOutcome>,
): Promise<void> => {
  session.mechanism = mechanism
  await whileLoggingIn(session, async () => {
    try {
      take(session, await work())
    } catch (error) {
      if (!isBrokerError(error)) throw error
      session.failWith(loginFault(session, error), 0, 0)
    }
  })
}

const take = (session: AmqpSession, outcome: LoginOutcome): void => {
  if (session.isClosed) return
  const { principal, challenge } = outcome
  if (principal === undefined) {
    session.state = 'secure'
    session.reply('connection.secure', { challenge })
    return
  }
  session.enterKnown(principal, outcome.lifetimeMs)
  const { channelsMax, frameBytesMax, heartbeatSeconds } = session.settings
  session.reply('connection.tune', {
    channelMax: channelsMax,
    frameMax: frameBytesMax,
    heartbeat: heartbeatSeconds,
  })
}

/** Who wants to know is told that it failed, never why; the others see the connection end. */
const loginFault = (session: AmqpSession, error: BrokerError): AmqpFault => {
  if (error.code === 'ERR_QUOTA_EXCEEDED') return notAllowed(error.message, error.code)
  const refused =
    `Login was refused using authentication mechanism ${session.mechanism}. ` +
    'For details see the broker logfile.'
  return new AmqpFault('ACCESS_REFUSED', 'connection', refused, error.code)
}
