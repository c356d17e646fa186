/** What keeps one peer from using up what belongs to all, and how the broker stops. */
import { BrokerError } from '@millrace/codec'
import { type Alarms, type Meters, type Quotas, TrafficCounters } from '@millrace/core'
import { THROTTLED_READ_MS } from '../src/limits.ts'
import { type AmqpPeer, methodFrame } from './support/amqp-peer.ts'
import { type AmqpWorld, type AmqpWorldOptions, openAmqpWorld } from './support/amqp-world.ts'

let world: AmqpWorld
let peer: AmqpPeer

const start = async (options: AmqpWorldOptions = {}): Promise<void> => {
  world = openAmqpWorld(options)
  peer = world.connect()
  await peer.open()
  await peer.openChannel()
  await peer.ask(1, 'queue.declare', { queue: 'q' })
}

const publish = (body: string): void => peer.publish(1, { routingKey: 'q' }, { body })

describe('while an alarm throttles', () => {
  let isThrottling: boolean
  let listeners: ((isThrottling: boolean) => void)[]

  const alarms: Alarms = {
    isRaised: (kind) => isThrottling && kind === 'disk',
    get isThrottling() {
      return isThrottling
    },
    onChange: (listener) => {
      listeners.push(listener)
      return { cancel: () => undefined }
    },
  }

  const end = (): void => {
    isThrottling = false
    for (const listener of listeners) listener(false)
  }

  beforeEach(async () => {
    isThrottling = true
    listeners = []
    await start({ services: { alarms } })
  })

  it('who publishes is told, read only now and then, and told when it is over', async () => {
    publish('a')
    expect(await peer.take()).toMatchObject([
      { name: 'connection.blocked', fields: { reason: 'low on disk' } },
    ])
    expect(peer.connection.isPaused).toBe(true)
    publish('b')
    expect(world.messaging.published).toHaveLength(1)
    world.timers.advance(THROTTLED_READ_MS)
    expect(world.messaging.published).toHaveLength(2)
    expect(peer.connection.isPaused).toBe(true)
    end()
    expect(await peer.takeNames()).toEqual(['connection.unblocked'])
    expect(peer.connection.isPaused).toBe(false)
  })

  it('who only consumes notices nothing', async () => {
    await peer.ask(1, 'basic.consume', { queue: 'q' })
    expect(peer.connection.isPaused).toBe(false)
    end()
    expect(await peer.take()).toEqual([])
  })

  it('who could not hear it is not told', async () => {
    const deaf = world.connect()
    await deaf.open({ capabilities: [] })
    await deaf.openChannel()
    deaf.publish(1, { routingKey: 'q' }, { body: 'a' })
    expect(await deaf.take()).toEqual([])
    end()
    expect(await deaf.take()).toEqual([])
    expect(deaf.connection.isPaused).toBe(false)
  })

  it('is not taken for dead because it is not read', async () => {
    const beating = world.connect()
    await beating.open({ heartbeat: 2 })
    await beating.openChannel()
    beating.publish(1, { routingKey: 'q' }, { body: 'a' })
    for (let look = 0; look < 9; look++) world.timers.advance(500)
    expect(beating.isEnded).toBe(false)
  })
})

describe('a peer that does not read', () => {
  it('is given nothing more until it does, and others are', async () => {
    const other = world.connect()
    await other.open()
    await other.openChannel()
    await peer.ask(1, 'basic.consume', { queue: 'q', consumerTag: 't' })
    peer.connection.hasRoom = false
    publish('a')
    await world.turn()
    publish('b')
    await world.turn()
    expect(world.messaging.queues.get('q')?.ready).toHaveLength(1)
    await other.ask(1, 'basic.consume', { queue: 'q' }).catch(() => undefined)
    expect(world.messaging.queues.get('q')?.ready).toHaveLength(0)
    publish('c')
    peer.connection.hasRoom = true
    peer.session.onDrain()
    await world.turn()
    expect(peer.connection.isPaused).toBe(false)
  })

  it('is not read when it asks on, and settles on', async () => {
    await peer.ask(1, 'basic.consume', { queue: 'q', consumerTag: 't' })
    publish('a')
    await peer.take()
    peer.connection.hasRoom = false
    publish('b')
    await world.turn()
    peer.send(1, 'basic.ack', { deliveryTag: 1 })
    expect(peer.connection.isPaused).toBe(false)
    peer.sendBytes(methodFrame(1, 'basic.qos'))
    expect(peer.connection.isPaused).toBe(true)
    peer.connection.hasRoom = true
    peer.session.onDrain()
    expect(peer.connection.isPaused).toBe(false)
  })

  beforeEach(() => start())
})

describe('a quota', () => {
  const quotasOf = (inMs: number, outMs: number) => {
    const waits = { in: inMs, out: outMs }
    const taken = { in: 0, out: 0, released: 0 }
    const quotas: Quotas = {
      open: () => ({
        takeIn: (bytes) => ((taken.in += bytes), waits.in),
        takeOut: (bytes) => ((taken.out += bytes), waits.out),
        release: () => void (taken.released += 1),
      }),
    }
    return { quotas, waits, taken }
  }

  it('of bytes received keeps the peer from being read for a while', async () => {
    const { quotas, waits, taken } = quotasOf(0, 0)
    await start({ services: { quotas } })
    waits.in = 500
    publish('a')
    expect(peer.connection.isPaused).toBe(true)
    waits.in = 0
    world.timers.advance(500)
    expect(peer.connection.isPaused).toBe(false)
    expect(taken.in).toBeGreaterThan(0)
    peer.close()
    expect(taken.released).toBeGreaterThan(0)
  })

  it('of bytes sent holds back messages, and nothing else', async () => {
    const { quotas, waits } = quotasOf(0, 0)
    await start({ services: { quotas } })
    await peer.ask(1, 'basic.consume', { queue: 'q' })
    waits.out = 500
    await peer.ask(1, 'basic.qos')
    publish('a')
    expect(await peer.take()).toEqual([])
    waits.out = 0
    world.timers.advance(500)
    expect(await peer.takeNames()).toEqual(['basic.deliver'])
  })

  it('of connections ends the one too many', async () => {
    const open = (): never => {
      throw new BrokerError('ERR_QUOTA_EXCEEDED', [1, 'connections', 'anyone'])
    }
    world = openAmqpWorld({ services: { quotas: { open } } })
    peer = world.connect()
    await expect(peer.open()).rejects.toThrow()
    expect(peer.isEnded).toBe(true)
  })
})

it('counts what goes through it, and what fails', async () => {
  const counted: string[] = []
  const traffic = new TrafficCounters()
  const meters: Meters = {
    traffic: () => traffic,
    countError: (code) => void counted.push(code),
    loginFailed: () => undefined,
  }
  await start({ services: { meters } })
  publish('abc')
  await peer.ask(1, 'basic.get', { queue: 'q' })
  await peer.ask(1, 'queue.declare', { queue: 'nope', passive: true })
  expect([traffic.recordsIn, traffic.bytesIn]).toEqual([1, 3])
  expect([traffic.recordsOut, traffic.bytesOut]).toEqual([1, 3])
  expect(counted).toEqual(['ERR_QUEUE_NOT_FOUND'])
})

describe('when the broker stops', () => {
  beforeEach(() => start())

  it('confirms what was published, and tells its peers to go', async () => {
    await peer.ask(1, 'confirm.select')
    publish('a')
    const closed = world.gateway.close(5_000)
    expect(await peer.take()).toMatchObject([
      { name: 'basic.ack', fields: { deliveryTag: 1 } },
      {
        name: 'connection.close',
        fields: {
          replyCode: 320,
          replyText: "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
        },
      },
    ])
    peer.send(0, 'connection.close-ok')
    expect(peer.isEnded).toBe(true)
    peer.close()
    await closed
  })

  it('does not wait for ever', async () => {
    const closed = world.gateway.close(5_000)
    await peer.take()
    world.timers.advance(5_000)
    await closed
    expect(peer.isEnded).toBe(true)
  })

  it('hangs up on who was not open yet', async () => {
    const stranger = world.connect()
    const closed = world.gateway.close(5_000)
    expect(stranger.isEnded).toBe(true)
    stranger.close()
    peer.close()
    await closed
  })
})
