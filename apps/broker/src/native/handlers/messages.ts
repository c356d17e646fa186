/** Messages of queues: publish, consume, get, peek, settle, commit. */
import { BrokerError } from '@millrace/codec'
import type { Delivery, Outcome } from '@millrace/core'
import * as wire from '@millrace/protocol'
import { controlHandler } from '../control-request.ts'
import { PublishedSource } from '../messaging/published-source.ts'
import type { MessagingLink } from '../messaging/messaging-link.ts'
import type { TaggedDelivery } from '../messaging/in-flight-table.ts'
import { WireDelivery } from '../messaging/wire-delivery.ts'
import type { NativeSession } from '../native-session.ts'

const { Opcode } = wire

const outcomes: Readonly<Record<wire.SettleOutcome, Outcome>> = {
  [wire.SettleOutcome.ACK]: 'ack',
  [wire.SettleOutcome.REQUEUE]: 'requeue',
  [wire.SettleOutcome.REJECT]: 'reject',
}

const deliveriesOf = (taken: readonly TaggedDelivery[]): Delivery[] =>
  taken.map(({ delivery }) => delivery)

export const handlePublish = (session: NativeSession, frame: wire.Frame): void => {
  const { intake } = session.open.messaging
  session.notePublish()
  intake.accept(frame.channel, frame.correlation, frame.body, frame.isOwned)
}

/** At once, so that the answer stands before the first delivery. */
export const handleConsume = (session: NativeSession, frame: wire.Frame): void => {
  const request = wire.decodeConsume(frame.body)
  const { consumer } = request
  session.open.messaging.consume(request, frame.channel)
  const body = wire.encodeConsumerNumber({ consumer })
  session.output.sendInLine(Opcode.CONSUMING, frame.channel, frame.correlation, body)
}

export const handleConsumerAlter = controlHandler({
  decode: wire.decodeConsumerAlter,
  answerOpcode: Opcode.CONSUMER_ALTERED,
  encode: wire.encodeDone,
  run: (session, { consumer, credit }) => {
    session.open.messaging.setCredit(consumer, credit)
    return {}
  },
})

/** At once, so that no delivery stands behind the answer. */
export const handleConsumerCancel = (session: NativeSession, frame: wire.Frame): void => {
  const { consumer } = wire.decodeConsumerNumber(frame.body)
  session.open.messaging.cancel(consumer)
  const { channel, correlation } = frame
  session.output.sendInLine(Opcode.CONSUMER_CANCELLED, channel, correlation, wire.encodeDone())
}

const asIs = (body: Uint8Array): Uint8Array => body

export const handleGet = controlHandler({
  decode: wire.decodeGet,
  answerOpcode: Opcode.GOT,
  encode: asIs,
  run: async (session, { queue, autoSettle = false }) => {
    const { messaging: link } = session.open
    const { engine, owner } = link
    const got = await engine.get({ queue, owner, isAutoSettled: autoSettle })
    if (got === undefined) return wire.encodeGot({ ready: 0 })
    const { delivery, readyCount: ready } = got
    const wired = new WireDelivery().fill(link.messaging, 0, delivery)
    checkFits(link, wired, autoSettle ? undefined : delivery)
    if (!autoSettle) wired.tag = link.inFlight.add(delivery)
    return wire.encodeGot({ ready, delivery: wired })
  },
})

/** Throws ERR_LIMIT_EXCEEDED; what does not fit a body goes back. */
const checkFits = (link: MessagingLink, wired: WireDelivery, delivery?: Delivery): void => {
  const bytes = wire.GOT_HEAD_BYTES + wire.queueDeliverySize(wired)
  if (bytes <= link.bodyBytesMax) return
  if (delivery !== undefined) link.engine.settle([delivery], 'requeue')
  throw new BrokerError('ERR_LIMIT_EXCEEDED', [link.bodyBytesMax, 'bytes of a delivery'])
}

export const handleQueuePeek = controlHandler({
  decode: wire.decodeQueuePeek,
  answerOpcode: Opcode.QUEUE_PEEKED,
  encode: asIs,
  run: async (session, { queue, count = 1 }) => {
    const { caller, messaging: link } = session.open
    const peeked = await link.messaging.peekQueue(caller, { queue, count })
    const wired: WireDelivery[] = []
    let bytes = 0
    for (const delivery of peeked) {
      const next = new WireDelivery().fill(link.messaging, 0, delivery)
      bytes += wire.queueDeliverySize(next)
      if (bytes > link.bodyBytesMax) break
      wired.push(next)
    }
    return wire.encodeQueueDeliveries(wired)
  },
})

export const handleSettle = (session: NativeSession, frame: wire.Frame): void => {
  const { outcome, isDurable, ranges } = wire.decodeSettle(frame.body)
  const { inFlight, engine } = session.open.messaging
  engine.settle(deliveriesOf(inFlight.take(ranges)), outcomes[outcome])
  const { channel, correlation } = frame
  if (isDurable) void answerDurably(session, channel, correlation)
  else session.output.send(Opcode.SETTLED, channel, correlation)
}

const answerDurably = async (
  session: NativeSession,
  channel: number,
  correlation: number,
): Promise<void> => {
  session.beginControl()
  try {
    await session.open.messaging.engine.flushSettlements()
    session.output.send(Opcode.SETTLED, channel, correlation)
  } catch (error) {
    session.fail(error, channel, correlation)
  } finally {
    session.endControl()
  }
}

/** The engine keeps the messages longer than the body is lent. */
const readSources = (session: NativeSession, borrowed: Uint8Array): PublishedSource[] => {
  const body = new Uint8Array(borrowed)
  const cursor = new wire.MessageCursor()
  cursor.reset(body, wire.commitMessagesAt(body))
  const sources: PublishedSource[] = []
  while (cursor.next()) {
    if (sources.length >= wire.PUBLISH_COUNT_MAX) {
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [wire.PUBLISH_COUNT_MAX, 'messages of a COMMIT'])
    }
    const source = new PublishedSource()
    source.read(body, cursor, session.open.messaging.partsBytesMax)
    sources.push(source)
  }
  return sources
}

interface TakenSettlement {
  readonly taken: readonly TaggedDelivery[]
  readonly outcome: Outcome
}

/** All of them, or none and ERR_UNKNOWN_DELIVERY. */
const takeSettlements = (
  link: MessagingLink,
  settlements: readonly wire.Settlement[],
): TakenSettlement[] => {
  const all: TakenSettlement[] = []
  try {
    for (const { from, to, outcome } of settlements) {
      all.push({ taken: link.inFlight.take([{ from, to }]), outcome: outcomes[outcome] })
    }
    return all
  } catch (error) {
    restoreAll(link, all)
    throw error
  }
}

const restoreAll = (link: MessagingLink, all: readonly TakenSettlement[]): void => {
  for (const { taken } of all) link.inFlight.restore(taken)
}

export const handleCommit = controlHandler({
  decode: asIs,
  answerOpcode: Opcode.COMMITTED,
  encode: wire.encodePublished,
  run: async (session, body) => {
    session.notePublish()
    const { messaging: link } = session.open
    const settlements = wire.decodeSettlements(body)
    const sources = readSources(session, body)
    const all = takeSettlements(link, settlements)
    try {
      const targets = await link.engine.commit(
        sources,
        all.map(({ taken, outcome }) => ({ deliveries: deliveriesOf(taken), outcome })),
      )
      return { outcomes: targets.map((count) => ({ targets: count, error: 0 })), text: '' }
    } catch (error) {
      restoreAll(link, all)
      throw error
    }
  },
})
