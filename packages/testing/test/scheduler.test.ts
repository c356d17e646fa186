import { Scheduler, SimulatedClock, SimulatedTimers } from '@millrace/testing'

/** A chain of continuations longer than any fixed number of turns would drain. */
const longChain = async (length: number): Promise<void> => {
  for (let index = 0; index < length; index++) await Promise.resolve()
}

describe('Scheduler', () => {
  it('runs events in the order of their times, equal times in the order of arrival', async () => {
    const scheduler = new Scheduler()
    const seen: string[] = []
    for (const [name, timeUs] of [
      ['d', 30],
      ['b', 10],
      ['c', 10],
      ['a', 5],
    ] as const) {
      scheduler.at(timeUs, () => seen.push(name))
    }
    await scheduler.runFor(1)
    expect(seen).toEqual(['a', 'b', 'c', 'd'])
    expect(scheduler.nowUs).toBe(1000)
  })

  it('keeps the order of a thousand shuffled events', async () => {
    const scheduler = new Scheduler()
    const seen: number[] = []
    for (let index = 0; index < 1000; index++) {
      const timeUs = (index * 7919) % 1000
      scheduler.at(timeUs, () => seen.push(timeUs))
    }
    await scheduler.runFor(2)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    expect(seen).toHaveLength(1000)
  })

  it('drains every continuation before the next event, however long the chain', async () => {
    const scheduler = new Scheduler()
    const seen: string[] = []
    scheduler.at(1, () => void longChain(500).then(() => seen.push('chain')))
    scheduler.at(2, () => seen.push('event'))
    await scheduler.runFor(1)
    expect(seen).toEqual(['chain', 'event'])
  })

  it('stops when the promise settles and gives its value', async () => {
    const scheduler = new Scheduler()
    let isLaterRun = false
    const promise = new Promise<number>((resolve) => scheduler.at(50, () => resolve(42)))
    scheduler.at(51, () => (isLaterRun = true))
    await expect(scheduler.runUntil(promise)).resolves.toBe(42)
    expect(isLaterRun).toBe(false)
  })

  it('passes a rejection on', async () => {
    const scheduler = new Scheduler()
    const promise = new Promise((_, reject) => scheduler.at(5, () => reject(new Error('no'))))
    await expect(scheduler.runUntil(promise)).rejects.toThrow('no')
  })

  it('stops when the predicate holds', async () => {
    const scheduler = new Scheduler()
    let count = 0
    const tick = (): void => {
      count++
      scheduler.after(10, tick)
    }
    tick()
    await scheduler.runUntil(() => count === 5)
    expect(scheduler.nowUs).toBe(40)
  })

  it('fails when nothing is left that could reach the goal', async () => {
    await expect(new Scheduler().runUntil(new Promise(() => {}))).rejects.toThrow('waits for ever')
  })

  it('fails when the goal is not reached in the simulated time', async () => {
    const scheduler = new Scheduler()
    const tick = (): void => void scheduler.after(1000, tick)
    tick()
    await expect(scheduler.runUntil(() => false, 100)).rejects.toThrow('within the simulated time')
  })

  it('passes on what an event throws and can run again', async () => {
    const scheduler = new Scheduler()
    scheduler.at(1, () => {
      throw new Error('broken')
    })
    await expect(scheduler.runFor(1)).rejects.toThrow('broken')
    await scheduler.runFor(1)
  })

  it('does not run a cancelled event', async () => {
    const scheduler = new Scheduler()
    let isRun = false
    scheduler.at(1, () => (isRun = true)).cancel()
    await scheduler.runFor(1)
    expect(isRun).toBe(false)
  })

  it('runs tens of thousands of events', async () => {
    const scheduler = new Scheduler()
    let count = 0
    const tick = (): void => {
      if (++count < 20_000) scheduler.after(1, tick)
    }
    scheduler.after(1, tick)
    await scheduler.runUntil(() => count === 20_000)
    expect(scheduler.eventCount).toBe(20_000)
  })
})

describe('SimulatedClock and SimulatedTimers', () => {
  it('moves both times with the events', async () => {
    const scheduler = new Scheduler()
    const clock = new SimulatedClock(scheduler)
    const before = clock.now()
    await scheduler.runFor(1500)
    expect(clock.monotonic()).toBe(1500)
    expect(clock.now() - before).toBe(1500)
  })

  it('jumps the wall clock and leaves monotonic time alone', () => {
    const clock = new SimulatedClock(new Scheduler())
    const before = clock.now()
    clock.jump(-3_600_000)
    expect(clock.now() - before).toBe(-3_600_000)
    expect(clock.monotonic()).toBe(0)
  })

  it('runs a timer no sooner than its delay, and not when cancelled', async () => {
    const scheduler = new Scheduler()
    const timers = new SimulatedTimers(scheduler)
    const seen: number[] = []
    timers.after(20, () => seen.push(scheduler.nowUs))
    timers.after(10, () => seen.push(-1)).cancel()
    await scheduler.runFor(100)
    expect(seen).toEqual([20_000])
  })

  it('defers to after the continuations of this turn', async () => {
    const scheduler = new Scheduler()
    const timers = new SimulatedTimers(scheduler)
    const seen: string[] = []
    scheduler.at(1, () => {
      timers.defer(() => seen.push(`deferred at ${scheduler.nowUs}`))
      void longChain(20).then(() => seen.push('continuation'))
    })
    await scheduler.runFor(1)
    expect(seen).toEqual(['continuation', 'deferred at 1'])
  })

  it('runs nothing for a process that is dead', async () => {
    const scheduler = new Scheduler()
    let isAlive = true
    let isRun = false
    new SimulatedTimers(scheduler, () => isAlive).after(1, () => (isRun = true))
    isAlive = false
    await scheduler.runFor(10)
    expect(isRun).toBe(false)
  })
})
