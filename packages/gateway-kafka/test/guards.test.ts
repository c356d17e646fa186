/** What keeps one peer from using up what belongs to all. */
import { BrokerError } from '@millrace/codec'
import { type Alarms, type Meters, type Quotas, TrafficCounters } from '@millrace/core'
import { KafkaError } from '../src/errors.ts'
import { THROTTLED_READ_MS } from '../src/limits.ts'
import { fetch } from '../src/schema/apis/fetch.ts'
import { metadata } from '../src/schema/apis/metadata.ts'
import { produce } from '../src/schema/apis/produce.ts'
import { type KafkaWorld, openKafkaWorld } from './support/kafka-world.ts'
import { batchOf, fetchOf, metadataOf, produceOf } from './support/requests.ts'
import { oneTurn, until } from './support/settled.ts'

let world: KafkaWorld

const caller = { principal: { name: 'anyone', isAnonymous: true }, namespace: '/' }

afterEach(() => world.stop())

it('reads who publishes only now and then while an alarm throttles', async () => {
  let isThrottling = true
  const listeners: ((isThrottling: boolean) => void)[] = []
  const alarms: Alarms = {
    isRaised: () => isThrottling,
    get isThrottling() {
      return isThrottling
    },
    onChange: (listener) => {
      listeners.push(listener)
      return { cancel: () => undefined }
    },
  }
  world = await openKafkaWorld({ services: { alarms } })
  await world.broker.createTopic(caller, { topic: 'orders' })
  const peer = world.connect()
  for (const value of ['a', 'b', 'c']) peer.send(produce, 9, produceOf('orders', batchOf([value])))
  const takeOne = () => peer.take(produce, 9)
  await takeOne()
  expect(peer.connection.isPaused).toBe(true)
  world.timers.advance(THROTTLED_READ_MS)
  await takeOne()
  expect(peer.connection.isPaused).toBe(true)
  isThrottling = false
  for (const listener of listeners) listener(false)
  await takeOne()
  expect(peer.connection.isPaused).toBe(false)
})

describe('a quota', () => {
  const quotasOf = (inMs: number, outMs: number) => {
    const taken = { in: 0, out: 0, released: 0 }
    const waits = { in: inMs, out: outMs }
    const quotas: Quotas = {
      open: () => ({
        takeIn: (bytes) => {
          taken.in += bytes
          return waits.in
        },
        takeOut: (bytes) => {
          taken.out += bytes
          return waits.out
        },
        release: () => void (taken.released += 1),
      }),
    }
    return { quotas, taken, waits }
  }

  it('of bytes received keeps the peer from being read for a while', async () => {
    const { quotas, taken, waits } = quotasOf(500, 0)
    world = await openKafkaWorld({ services: { quotas } })
    const peer = world.connect()
    await oneTurn()
    peer.send(metadata, 9, metadataOf(null))
    expect(taken.in).toBeGreaterThan(0)
    expect(peer.connection.isPaused).toBe(true)
    world.timers.advance(500)
    expect(peer.connection.isPaused).toBe(true)
    expect(peer.connection.received).toHaveLength(0)
    waits.in = 0
    world.timers.advance(500)
    await peer.take(metadata, 9)
    expect(peer.connection.isPaused).toBe(false)
    peer.close()
    expect(taken.released).toBe(1)
  })

  it('of bytes sent holds back records, and nothing else', async () => {
    const { quotas, taken, waits } = quotasOf(0, 500)
    world = await openKafkaWorld({ services: { quotas } })
    await world.broker.createTopic(caller, { topic: 'orders' })
    const peer = world.connect()
    await peer.ask(produce, 9, produceOf('orders', batchOf(['a'])))
    expect(taken.out).toBeGreaterThan(0)
    await peer.ask(metadata, 9, metadataOf(null))
    peer.send(fetch, 11, fetchOf('orders', [{}]))
    for (let turn = 0; turn < 20; turn++) await oneTurn()
    expect(peer.connection.received).toHaveLength(0)
    waits.out = 0
    world.timers.advance(500)
    const { response } = await peer.take(fetch, 11)
    expect(response.responses[0]?.partitions[0]?.errorCode).toBe(KafkaError.NONE)
  })

  it('of connections ends the one too many', async () => {
    const open = (): never => {
      throw new BrokerError('ERR_QUOTA_EXCEEDED', [1, 'connections', 'anyone'])
    }
    world = await openKafkaWorld({ services: { quotas: { open } } })
    const peer = world.connect()
    await until('the connection ends', () => peer.isEnded)
  })
})

it('counts what fails', async () => {
  const counted: string[] = []
  const meters: Meters = {
    traffic: () => new TrafficCounters(),
    countError: (code) => void counted.push(code),
    loginFailed: () => undefined,
  }
  world = await openKafkaWorld({ services: { meters } })
  await world.broker.createTopic(caller, { topic: 'orders' })
  const peer = world.connect()
  await peer.ask(produce, 9, produceOf('nowhere', batchOf(['a'])))
  await peer.ask(produce, 9, produceOf('orders', new Uint8Array(9)))
  await peer.ask(fetch, 11, fetchOf('orders', [{ fetchOffset: 7 }]))
  peer.sendBytes(Buffer.from('ffffffffffff', 'hex'))
  expect(counted).toEqual([
    'ERR_TOPIC_NOT_FOUND',
    'ERR_INVALID_BATCH',
    'ERR_OFFSET_OUT_OF_RANGE',
    'ERR_FRAME_TOO_LARGE',
  ])
})

it('cuts off who holds much when all connections together hold too much', async () => {
  let bytes = 0
  const memory = {
    bytesMax: 300_000,
    toleratedBytes: 100_000,
    add: (more: number) => void (bytes += more),
    get isExceeded() {
      return bytes > 300_000
    },
  }
  world = await openKafkaWorld({ settings: { memory } })
  const peers = [world.connect(), world.connect()]
  await oneTurn()
  const begun = Buffer.alloc(70_000)
  begun.writeInt32BE(1_000_000, 0)
  peers[0]?.sendBytes(begun)
  expect(peers.map(({ isEnded }) => isEnded)).toEqual([true, false])
  peers[1]?.sendBytes(begun.subarray(0, 1_000))
  expect(peers[1]?.isEnded).toBe(false)
  for (const peer of peers) peer.close()
  expect(bytes).toBe(0)
})
