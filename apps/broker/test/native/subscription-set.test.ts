import type { EngineSession } from '@millrace/core'
import { DELIVERY_BYTES_DEFAULT, DELIVERY_BYTES_MIN } from '../../src/limits.ts'
import { FrameOutput } from '../../src/native/frame-output.ts'
import { SubscriptionSet } from '../../src/native/subscription-set.ts'
import { MemoryBudget } from '../../src/net/memory-budget.ts'
import { RecordingConnection } from '../support/recording-connection.ts'

let windows: number[]
let set: SubscriptionSet

beforeEach(() => {
  windows = []
  const engine = {
    subscribe: ({ creditBytes, partition }: { creditBytes: number; partition: number }) => {
      windows.push(creditBytes)
      return { partition, cancel: () => undefined, addCredit: () => undefined }
    },
  } as unknown as EngineSession
  const output = new FrameOutput(new RecordingConnection(), 1 << 16, {
    outboundBytesMax: 1 << 20,
    memory: new MemoryBudget(1 << 30),
    onOverflow: () => undefined,
    onBlocked: () => undefined,
    onBodySent: () => false,
  })
  set = new SubscriptionSet(engine, output, 3)
})

const open = (id: number, partitionCount = 1): void => {
  const request = {
    ...{ id, channel: 0, creditBytes: 1, bytesPerDelivery: undefined },
    damageFrom: () => undefined,
  }
  const subscription = set.open({ ...request, partitionCount })
  for (let partition = 0; partition < partitionCount; partition++) {
    subscription.start({} as never, partition, 0)
  }
}

it('keeps as many as it may, refuses one more, and has room again after one ended', () => {
  for (const id of [1, 2, 3]) open(id)
  expect(() => open(4)).toThrow(/limit of 3/)
  set.close(2)
  open(4)
  expect(() => set.close(2)).toThrow(/subscription 2 does not exist/)
})

it('lets each partition read ahead less, the more there are', () => {
  open(1)
  open(2, 200)
  open(3, 2_000)
  expect(windows[0]).toBe(DELIVERY_BYTES_DEFAULT)
  expect(windows[1]).toBeLessThan(DELIVERY_BYTES_DEFAULT)
  expect(windows.at(-1)).toBe(DELIVERY_BYTES_MIN)
})
