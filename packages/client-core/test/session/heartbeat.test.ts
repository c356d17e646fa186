import { Opcode } from '@millrace/protocol'
import type { FakeBroker } from '../support/fake-broker.ts'
import { settle } from '../support/fake-platform.ts'
import { openFake } from '../support/open-fake.ts'

const withHeartbeat = (broker: FakeBroker): void => {
  broker.connected = { ...broker.connected, heartbeatMs: 1_000 }
}

describe('the heartbeat', () => {
  it('sends something at least every heartbeatMs when nothing else does', async () => {
    const { broker, client, platform } = await openFake(withHeartbeat)
    for (let beat = 0; beat < 6; beat++) {
      platform.advance(500)
      await settle()
    }
    // The first half counts the handshake.
    expect(broker.countOf(Opcode.PING)).toBeGreaterThanOrEqual(3)
    expect(client.isOpen).toBe(true)
  })

  it('sends no ping while requests go out', async () => {
    const { broker, client, platform } = await openFake(withHeartbeat)
    for (let beat = 0; beat < 6; beat++) {
      await client.admin.listTopics()
      platform.advance(500)
    }
    await settle()
    expect(broker.countOf(Opcode.PING)).toBe(0)
  })

  it('ends a connection that is silent for twice as long', async () => {
    const { broker, client, platform } = await openFake(withHeartbeat)
    broker.intercept = () => true
    for (let beat = 0; beat < 3; beat++) platform.advance(500)
    expect(client.isOpen).toBe(true)
    platform.advance(500)
    expect(client.isOpen).toBe(false)
    await expect(client.closed).resolves.toMatchObject({
      code: 'ERR_CONNECTION_LOST',
      message: 'the connection was lost: nothing received for 2000 ms',
    })
    expect(platform.timerCount).toBe(0)
  })

  it('does not blame the broker when this process stood still', async () => {
    const { broker, client, platform } = await openFake(withHeartbeat)
    broker.intercept = () => true
    for (let stall = 0; stall < 5; stall++) platform.stall(60_000)
    expect(client.isOpen).toBe(true)
  })

  it('asks for none when none was agreed', async () => {
    const { broker, client, platform } = await openFake()
    platform.advance(1_000_000)
    await settle()
    expect(broker.countOf(Opcode.PING)).toBe(0)
    expect(client.isOpen).toBe(true)
  })

  it('does not obey a heartbeat of one millisecond', async () => {
    const { broker, platform } = await openFake((fake) => {
      fake.connected = { ...fake.connected, heartbeatMs: 1 }
    })
    for (let ms = 0; ms < 99; ms++) platform.advance(1)
    await settle()
    expect(broker.countOf(Opcode.PING)).toBeLessThanOrEqual(1)
  })
})
