/** What a session has once its peer is known: everything the requests of an open session work on. */
import { compressionCodecs } from '@millrace/codec'
import type { Caller, EngineSession, Principal, Services, SessionOptions } from '@millrace/core'
import { FetchQueue } from './fetch-queue.ts'
import { HandleTable } from './handle-table.ts'
import { MessagingLink } from './messaging/messaging-link.ts'
import { type NativeSession, Suspension } from './native-session.ts'
import { ProduceIntake } from './produce-intake.ts'
import { SubscriptionSet } from './subscription-set.ts'

export interface OpenSession {
  /** Changes when the peer shows anew who it is. */
  readonly caller: Caller
  renew(principal: Principal): void
  readonly engine: EngineSession
  readonly handles: HandleTable
  readonly intake: ProduceIntake
  readonly fetches: FetchQueue
  readonly subscriptions: SubscriptionSet
  readonly messaging: MessagingLink
}

/** Names that a client may list and this version does not know are left out. */
const codecNumbers = (names: readonly string[]): number[] =>
  Object.entries(compressionCodecs)
    .filter(([name]) => name === 'none' || names.includes(name))
    .map(([, codec]) => codec)

const trafficOf = ({ meters }: Services): Pick<SessionOptions, 'traffic'> =>
  meters === undefined ? {} : { traffic: meters.traffic('native') }

export const createOpenSession = (
  session: NativeSession,
  caller: Caller,
  codecs: readonly string[],
): OpenSession => {
  const { output, services } = session
  const { limits, broker } = services
  const engine = broker.openSession({
    ...caller,
    inFlightCountMax: limits.inFlightCountMax,
    inFlightBytesMax: limits.inFlightBytesMax,
    codecs: codecNumbers(codecs),
    ...trafficOf(services),
    onCompletions: (completions, count) => intake.onCompletions(completions, count),
    onWritable: () => intake.onWritable(),
  })
  const intake = new ProduceIntake({
    engine,
    write: (frames) => output.write(frames),
    fail: (error, channel, correlation) => session.fail(error, channel, correlation),
    onEngineFull: (isFull) => {
      if (isFull) session.suspend(Suspension.ENGINE)
      else session.resume(Suspension.ENGINE)
    },
    onAnswered: () => session.finishIfIdle(),
  })
  const fetches = new FetchQueue({
    engine,
    output,
    reserveBytesMax: limits.outboundBytesMax / 2,
    onAnswered: () => session.finishIfIdle(),
    fail: (error, channel, correlation) => session.fail(error, channel, correlation),
  })
  const subscriptions = new SubscriptionSet(
    engine,
    output,
    limits.subscriptionsMax,
    session.connection.sendsFiles,
  )
  const handles = new HandleTable()
  const messaging = new MessagingLink(session)
  const renew = (principal: Principal): void => {
    open.caller = { ...open.caller, principal }
    engine.renew(principal)
    messaging.renew(principal)
  }
  const open = { caller, renew, engine, handles, intake, fetches, subscriptions, messaging }
  return open
}
