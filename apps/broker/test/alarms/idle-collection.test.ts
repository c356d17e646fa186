import { IdleCollection } from '../../src/alarms/idle-collection.ts'
import { IDLE_COLLECTION_HEAP_BYTES_MAX, IDLE_LOOK_MS } from '../../src/limits.ts'
import { ManualEnvironment } from '../support/manual-environment.ts'

let environment: ManualEnvironment
let cpuMs: number
let heapBytes: number
let collections: number

const start = (): IdleCollection => {
  const collection = new IdleCollection({
    cpuMs: () => cpuMs,
    heapBytes: () => heapBytes,
    collectGarbage: () => {
      collections++
      cpuMs += 2_000
    },
    timers: environment.timers,
  })
  collection.start()
  return collection
}

/** Looks that each find this much of a core used. */
const looks = (count: number, share: number): void => {
  for (; count > 0; count--) {
    cpuMs += share * IDLE_LOOK_MS
    environment.advance(IDLE_LOOK_MS)
  }
}

beforeEach(() => {
  environment = new ManualEnvironment()
  cpuMs = 500
  heapBytes = 50_000_000
  collections = 0
})

it('collects once when it is idle after its start, and once after each busy time', () => {
  start()
  looks(1, 0.01)
  expect(collections).toBe(0)
  looks(100, 0.01)
  expect(collections).toBe(1)
  looks(1, 0.9)
  looks(1, 0.01)
  expect(collections).toBe(1)
  looks(100, 0)
  expect(collections).toBe(2)
})

it('does not disturb a broker that has a little to do', () => {
  start()
  looks(100, 0.05)
  expect(collections).toBe(0)
})

it('is nothing to collect for when little was done meanwhile', () => {
  start()
  looks(2, 0)
  looks(20, 0.05)
  looks(20, 0)
  expect(collections).toBe(1)
})

it('leaves a large heap alone until it is smaller', () => {
  heapBytes = IDLE_COLLECTION_HEAP_BYTES_MAX + 1
  start()
  looks(10, 0)
  expect(collections).toBe(0)
  heapBytes--
  looks(1, 0)
  expect(collections).toBe(1)
})

it('ends', () => {
  start().stop()
  looks(10, 0)
  expect(collections).toBe(0)
})
