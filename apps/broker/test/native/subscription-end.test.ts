/** What SUBSCRIPTION_END says about the partition that ended a subscription. */
import { BrokerError } from '@millrace/codec'
import type { EngineSession, SubscriptionSink } from '@millrace/core'
import { decodeSubscriptionEnd, type SubscriptionEnd } from '@millrace/protocol'
import { type DamagedRange, Subscription } from '../../src/native/subscription.ts'

const endOf = (
  error: BrokerError,
  damageFrom: (partition: number, offset: number) => DamagedRange | undefined,
): SubscriptionEnd => {
  let sink: SubscriptionSink | undefined
  const bodies: Uint8Array[] = []
  const engine = {
    subscribe: (_operation: unknown, given: SubscriptionSink) => {
      sink = given
      return { cancel: () => undefined, addCredit: () => undefined }
    },
  } as unknown as EngineSession
  const output = {
    isBlocked: false,
    sendInLine: (_opcode: number, _channel: number, _id: number, body: Uint8Array) =>
      bodies.push(body),
  } as never
  const subscription = new Subscription({
    ...{ id: 7, channel: 0, creditBytes: 0, windowBytes: 1, output, engine },
    damageFrom,
    onEnded: () => undefined,
  })
  subscription.start({} as never, 3, 40)
  sink?.end(3, error)
  return decodeSubscriptionEnd(bodies[0] as Uint8Array)
}

it('names the range that cannot be read, as seen from where the reader was', () => {
  const asked: number[][] = []
  const end = endOf(new BrokerError('ERR_DATA_CORRUPT', [41, 50, 't']), (partition, offset) => {
    asked.push([partition, offset])
    return { from: 41, to: 50 }
  })
  expect(asked).toEqual([[3, 40]])
  expect(end).toMatchObject({ subscription: 7, partition: 3, from: 41, to: 50 })
})

it('names the partition alone when nothing is damaged, or nobody knows where', () => {
  const removed = endOf(new BrokerError('ERR_OFFSET_OUT_OF_RANGE', [40, 50, 60]), () => {
    throw new Error('not asked')
  })
  expect(removed).toMatchObject({ partition: 3, from: undefined, to: undefined })
  const damaged = endOf(new BrokerError('ERR_DATA_CORRUPT', [41, 50, 't']), () => undefined)
  expect(damaged).toMatchObject({ partition: 3, from: undefined, to: undefined })
})
