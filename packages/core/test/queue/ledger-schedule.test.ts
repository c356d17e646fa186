import { LedgerSchedule, type ScheduledLedger } from '../../src/queue/ledger-schedule.ts'
import { newWorld } from '../support/node.ts'

const start = () => {
  const world = newWorld()
  return { world, schedule: new LedgerSchedule(world.boot()) }
}

class FakeLedger implements ScheduledLedger {
  isScheduled = false
  changedAtMs = 0
  flushCount = 0

  flush(): void {
    this.flushCount++
  }
}

const ledgers = (count: number): FakeLedger[] =>
  Array.from({ length: count }, () => new FakeLedger())
const flushesOf = (some: readonly FakeLedger[]): number =>
  some.reduce((sum, { flushCount }) => sum + flushCount, 0)

describe('the schedule of ledgers', () => {
  it('writes those of few queues with the next group, not with each', async () => {
    const { world, schedule } = start()
    await world.scheduler.runFor(20)
    const [ledger] = ledgers(1) as [FakeLedger]
    for (let group = 0; group < 5; group++) {
      schedule.changed(ledger)
      schedule.ride()
    }
    expect(ledger.flushCount).toBe(1)
    await world.scheduler.runFor(50)
    expect(ledger.flushCount).toBe(2)
  })

  it('lets those of many gather, whatever groups are written', async () => {
    const { world, schedule } = start()
    const many = ledgers(100)
    for (const ledger of many) schedule.changed(ledger)
    for (let ms = 0; ms < 190; ms += 10) {
      for (const ledger of many) schedule.changed(ledger)
      schedule.ride()
      await world.scheduler.runFor(10)
    }
    expect(flushesOf(many)).toBe(0)
    await world.scheduler.runFor(60)
    expect(flushesOf(many)).toBe(100)
  })

  it('writes what has gathered long enough, and leaves the rest', async () => {
    const { world, schedule } = start()
    const [early, late] = [ledgers(70), ledgers(70)]
    for (const ledger of early) schedule.changed(ledger)
    await world.scheduler.runFor(120)
    for (const ledger of late) schedule.changed(ledger)
    await world.scheduler.runFor(130)
    expect([flushesOf(early), flushesOf(late)]).toEqual([70, 0])
    await world.scheduler.runFor(120)
    expect(flushesOf(late)).toBe(70)
  })

  it('writes all when it is closed, and nothing after it', async () => {
    const { world, schedule } = start()
    const many = ledgers(100)
    for (const ledger of many) schedule.changed(ledger)
    schedule.close()
    for (const ledger of many) schedule.changed(ledger)
    await world.scheduler.runFor(500)
    expect(flushesOf(many)).toBe(100)
  })
})
