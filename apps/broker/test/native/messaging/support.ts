/** A peer of a server whose exchanges and queues are in memory, and short words for what it sends. */
import { utf8Decode, utf8Encode } from '@millrace/codec'
import {
  decodePublished,
  decodeQueueDeliveries,
  encodePublish,
  encodeSettle,
  Opcode,
  type Publish,
  type PublishedMessage,
  type QueueDelivery,
  type SettleOutcome,
} from '@millrace/protocol'
import { FakeMessaging } from '../../support/fake-messaging.ts'
import { type FakeServer, startFakeServer } from '../../support/fake-server.ts'
import type { RawPeer } from '../../support/raw-peer.ts'
import { type ReceivedFrame } from '../../support/raw-peer.ts'

export interface MessagingServer {
  readonly fake: FakeServer
  readonly messaging: FakeMessaging
}

export const startMessagingServer = async (): Promise<MessagingServer> => {
  const fake = await startFakeServer()
  const messaging = new FakeMessaging()
  fake.broker.messaging = messaging
  return { fake, messaging }
}

export const messageOf = (
  payload: string,
  more: Partial<PublishedMessage> = {},
): PublishedMessage => ({
  exchange: '',
  routingKey: 'jobs',
  isPersistent: true,
  priority: 0,
  ttlMs: -1,
  headers: new Uint8Array(0),
  payload: utf8Encode(payload),
  ...more,
})

export const publish = (
  peer: RawPeer,
  messages: readonly PublishedMessage[],
  more: Partial<Publish> = {},
): number => peer.sendLong(Opcode.PUBLISH, encodePublish({ isSilent: false, messages, ...more }))

export const takePublished = async (
  peer: RawPeer,
): Promise<{ correlation: number; outcomes: number[][]; text: string }> => {
  const { correlation, body } = await peer.take(Opcode.PUBLISHED)
  const { outcomes, text } = decodePublished(body)
  return { correlation, outcomes: outcomes.map(({ targets, error }) => [targets, error]), text }
}

/** The next so many deliveries, in whatever frames they come. */
export const takeDeliveries = async (peer: RawPeer, count: number): Promise<QueueDelivery[]> => {
  const deliveries: QueueDelivery[] = []
  while (deliveries.length < count) {
    const { body } = await peer.take(Opcode.QUEUE_DELIVER)
    deliveries.push(...decodeQueueDeliveries(body))
  }
  return deliveries
}

export const textsOf = (deliveries: readonly QueueDelivery[]): string[] =>
  deliveries.map(({ tag, payload }) => `${tag} ${utf8Decode(payload)}`)

export const settle = (
  peer: RawPeer,
  outcome: SettleOutcome,
  ranges: readonly (readonly [number, number])[],
  isDurable = false,
): number => {
  const tags = ranges.map(([from, to]) => ({ from, to }))
  return peer.send(Opcode.SETTLE, encodeSettle({ outcome, isDurable, ranges: tags }))
}

/** The next frame, which must be this one. */
export const expectNext = async (peer: RawPeer, opcode: number): Promise<ReceivedFrame> => {
  const frame = await peer.next()
  expect(frame?.opcode).toBe(opcode)
  return frame as ReceivedFrame
}
