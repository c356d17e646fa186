/** The ends of what a number can count. */
import type { Delivery, MessagingSession } from '@millrace/core'
import type { AmqpChannel } from '../src/amqp-channel.ts'
import { DELIVERY_TAG_MAX } from '../src/limits.ts'
import { Settlements } from '../src/settlements.ts'

it('hands out tags up to the largest that a number can tell from its neighbours', () => {
  const channel = { session: { noteSettlement: () => undefined } } as unknown as AmqpChannel
  const settled: number[] = []
  const engine = {
    settle: (deliveries: readonly Delivery[]) => void settled.push(deliveries.length),
  } as unknown as MessagingSession
  const settlements = new Settlements(channel, engine, DELIVERY_TAG_MAX - 2)
  const delivery = {} as Delivery
  expect(settlements.handOut(delivery)).toBe(DELIVERY_TAG_MAX - 1)
  expect(settlements.handOut(delivery)).toBe(DELIVERY_TAG_MAX)
  expect(() => settlements.handOut(delivery)).toThrow(/used up/)
  expect(settlements.settle(DELIVERY_TAG_MAX + 1, false, 'ack')).toBe(false)
  expect(settlements.settle(DELIVERY_TAG_MAX, true, 'ack')).toBe(true)
  settlements.flush()
  expect(settled).toEqual([2])
})
