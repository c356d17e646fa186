import { Opcode } from '@millrace/protocol'
import { Heartbeat } from '../../src/native/heartbeat.ts'
import { CoarseTimers } from '../../src/net/coarse-timers.ts'
import { type FakeServer, startFakeServer } from '../support/fake-server.ts'
import { ManualEnvironment } from '../support/manual-environment.ts'
import { RawPeer } from '../support/raw-peer.ts'

const HEARTBEAT_MS = 1_000

const setUp = (offsetMs = 0) => {
  const environment = new ManualEnvironment()
  const pings: number[] = []
  const silences: number[] = []
  const state = { hasSent: true, hasReceived: true }
  const take = (key: 'hasSent' | 'hasReceived'): boolean => {
    const value = state[key]
    state[key] = false
    return value
  }
  const timers = new CoarseTimers(environment.clock, environment.timers)
  environment.advance(offsetMs)
  const heartbeat = new Heartbeat(timers, HEARTBEAT_MS, {
    takeHasSent: () => take('hasSent'),
    takeHasReceived: () => take('hasReceived'),
    sendPing: () => {
      pings.push(environment.clock.monotonic())
      state.hasSent = true
    },
    onSilence: () => silences.push(environment.clock.monotonic()),
  })
  heartbeat.start()
  return { environment, pings, silences, state, heartbeat }
}

describe('the heartbeat of a session', () => {
  it.each([0, 1, 63, 99])('leaves less than three quarters between two pings (%d)', (offset) => {
    const { environment, pings, state } = setUp(offset)
    for (let ms = 0; ms < 20_000; ms += 10) {
      environment.advance(10)
      state.hasReceived = true
    }
    const gaps = pings.map((at, index) => at - (pings[index - 1] ?? offset))
    expect(Math.max(...gaps)).toBeLessThan(0.75 * HEARTBEAT_MS)
    expect(pings.length).toBeLessThan(45)
  })

  it('leaves less than three quarters after the last frame', () => {
    for (let sentAt = 0; sentAt < 1_000; sentAt += 7) {
      const { environment, pings, state } = setUp()
      environment.advance(sentAt)
      pings.length = 0
      state.hasSent = true
      environment.advance(1_000)
      expect((pings[0] ?? Infinity) - sentAt).toBeLessThan(0.75 * HEARTBEAT_MS)
    }
  })

  it('takes a peer for dead after two heartbeats and not before, and within two and a half', () => {
    for (let receivedAt = 0; receivedAt < 1_000; receivedAt += 7) {
      const { environment, silences, state } = setUp(receivedAt % 100)
      environment.advance(receivedAt)
      state.hasReceived = true
      const lastMs = environment.clock.monotonic()
      environment.advance(5_000)
      expect(silences).toHaveLength(1)
      const silentMs = (silences[0] ?? 0) - lastMs
      expect(silentMs).toBeGreaterThanOrEqual(2 * HEARTBEAT_MS)
      expect(silentMs).toBeLessThanOrEqual(2.5 * HEARTBEAT_MS)
    }
  })

  it('does not take a peer for dead because the process stood still', () => {
    const { environment, silences, state } = setUp()
    environment.sleep(60_000)
    expect(silences).toEqual([])
    state.hasReceived = true
    environment.advance(1_900)
    expect(silences).toEqual([])
  })

  it('stops', () => {
    const { environment, pings, silences, heartbeat } = setUp()
    heartbeat.stop()
    environment.advance(10_000)
    expect([pings, silences]).toEqual([[], []])
  })
})

describe('signs of life of a connection', () => {
  let fake: FakeServer

  beforeEach(async () => {
    fake = await startFakeServer()
  })

  afterEach(() => fake.stop())

  it('pings a quiet peer under numbers that are not 0, and cuts it off when it stays silent', async () => {
    const peer = await RawPeer.open(fake.port, { heartbeatMs: HEARTBEAT_MS })
    fake.environment.advance(700)
    expect((await peer.take(Opcode.PING)).correlation).toBe(1)
    fake.environment.advance(600)
    expect((await peer.take(Opcode.PING)).correlation).toBe(2)
    fake.environment.advance(1_500)
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_HEARTBEAT_TIMEOUT', correlation: 0 })
    await peer.closed()
  })

  it('keeps a peer that answers', async () => {
    const peer = await RawPeer.open(fake.port, { heartbeatMs: HEARTBEAT_MS })
    for (let round = 0; round < 10; round++) {
      fake.environment.advance(600)
      await peer.ping()
    }
    expect(peer.isClosed).toBe(false)
    peer.close()
  })

  it('takes a PONG that nobody asked for, whatever it carries', async () => {
    const peer = await RawPeer.open(fake.port)
    peer.send(Opcode.PONG, new Uint8Array(65), 9)
    peer.send(Opcode.PONG, new Uint8Array(3), 0)
    await peer.ping()
    expect(peer.frames).toEqual([])
    peer.close()
  })
})
