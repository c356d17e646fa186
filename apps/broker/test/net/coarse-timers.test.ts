import { CoarseTimers } from '../../src/net/coarse-timers.ts'
import { ManualEnvironment } from '../support/manual-environment.ts'

const setUp = (): { environment: ManualEnvironment; timers: CoarseTimers } => {
  const environment = new ManualEnvironment()
  return { environment, timers: new CoarseTimers(environment.clock, environment.timers) }
}

it.each([0, 1, 50, 99])(
  'runs a timer never early and less than a tick late, %d ms into one',
  (ms) => {
    const { environment, timers } = setUp()
    environment.advance(ms)
    timers.after(10_000, () => undefined)
    for (const delayMs of [1, 50, 100, 250, 1_000, 1_001]) {
      environment.advance(37)
      const from = environment.clock.monotonic()
      let at = 0
      timers.after(delayMs, () => (at = environment.clock.monotonic()))
      environment.advance(2_000)
      expect(at - from).toBeGreaterThanOrEqual(delayMs)
      expect(at - from).toBeLessThan(delayMs + 100)
    }
  },
)

it('waits longer than one revolution of the wheel', () => {
  const { environment, timers } = setUp()
  let count = 0
  timers.after(120_000, () => (count += 1))
  environment.advance(119_900)
  expect(count).toBe(0)
  environment.advance(300)
  expect(count).toBe(1)
})

it('does not run what was cancelled, and forgets it', () => {
  const { environment, timers } = setUp()
  let count = 0
  timers.after(500, () => (count += 1)).cancel()
  environment.advance(60_000)
  expect([count, timers.count]).toEqual([0, 0])
})

it('catches up after the process was asleep', () => {
  const { environment, timers } = setUp()
  const ran: string[] = []
  timers.after(300, () => ran.push('short'))
  timers.after(90_000, () => ran.push('long'))
  environment.sleep(200_000)
  expect(ran.sort()).toEqual(['long', 'short'])
})

it('ticks only while something waits', () => {
  const { environment, timers } = setUp()
  expect(environment.waitingCount).toBe(0)
  timers.after(250, () => undefined)
  expect(environment.waitingCount).toBe(1)
  environment.advance(10_000)
  expect(environment.waitingCount).toBe(0)
})
