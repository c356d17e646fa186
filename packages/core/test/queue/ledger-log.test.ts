import { defaultStorageOptions } from '../../src/log/limits.ts'
import type { SimulatedWorld } from '@millrace/testing'
import { LedgerLog } from '../../src/queue/ledger-log.ts'
import { LedgerWriter } from '../../src/queue/ledger-record.ts'
import { LedgerSchedule } from '../../src/queue/ledger-schedule.ts'
import { AtomicUnit } from '../../src/log/stored-batch.ts'
import { newWorld } from '../support/node.ts'
import { StoreBench, settings } from '../support/store.ts'

/** A ledger of one lane over a store, in a world of its own. */
const open = async (world: SimulatedWorld, id?: number) => {
  const bench = await StoreBench.open(world)
  const { store, environment } = bench
  const schedule = new LedgerSchedule(environment)
  const writer = new LedgerWriter()
  const logId = id ?? store.logs.reserveId()
  const log = store.logs.get(logId)
  const place = { log, begin: () => store.logs.begin(logId, settings, true) }
  let ceilings = 0
  const hooks = { wake: () => void ceilings++ }
  const parts = { environment, store, schedule, writer, sizes: defaultStorageOptions }
  const ledgers = new LedgerLog(parts, place, [0], hooks)
  await bench.run(ledgers.recover())
  const pass = (ms = 100) => world.scheduler.runFor(ms)
  return { bench, ledgers, ledger: ledgers.ledgers[0]!, logId, pass, ceilings: () => ceilings }
}

const again = async (world: SimulatedWorld, logId: number) => {
  world.losePower()
  return open(world, logId)
}

describe('the log of a ledger', () => {
  it('is made with the first change, and brings it back after a power loss', async () => {
    const world = newWorld()
    const { ledgers, ledger, logId, bench } = await open(world)
    expect(ledgers.log).toBeUndefined()
    ledger.settle(3)
    ledger.returned(5, 2)
    expect(ledgers.isBusy).toBe(true)
    await bench.run(ledgers.flushed())
    expect(ledgers.isBusy).toBe(false)
    const next = await again(world, logId)
    expect([next.ledger.settled.has(3), next.ledger.countOf(5)]).toEqual([true, 2])
  })

  it('is written by itself a little after a change', async () => {
    const world = newWorld()
    const { ledger, logId, pass } = await open(world)
    ledger.settle(0)
    await pass()
    expect((await again(world, logId)).ledger.floor).toBe(1)
  })

  it('begins anew when it has grown, while settlements go on', async () => {
    const world = newWorld()
    const { ledgers, ledger, logId, pass } = await open(world)
    // Every other one, so that nothing of it can be said in short.
    for (let round = 0; round < 60; round++) {
      for (let offset = 0; offset < 20_000; offset++)
        ledger.settle(1 + 2 * (round * 20_000 + offset))
      ledgers.flush()
      await pass(20)
    }
    await pass(500)
    expect(ledgers.log!.earliestOffset).toBeGreaterThan(0)
    const runs = [...ledger.settled.runs()].length
    expect(runs).toBe(1_200_000)
    const next = await again(world, logId)
    expect([...next.ledger.settled.runs()].length).toBe(runs)
    expect(next.ledger.floor).toBe(0)
  }, 60_000)

  it('says all of it again after refusals, and is not flushed before', async () => {
    const world = newWorld()
    const { ledgers, ledger, logId, pass, ceilings } = await open(world)
    ledger.settle(0)
    await pass()
    world.disk.inject({ kind: 'write', code: 'ENOSPC', nth: 1, times: 2 })
    ledger.settle(1)
    ledger.allow(10)
    let isFlushed = false
    void ledgers.flushed().then(() => (isFlushed = true))
    await pass(5)
    ledger.settle(2)
    expect([isFlushed, ledgers.isBusy, ceilings()]).toEqual([false, true, 0])
    await pass(2_000)
    expect([isFlushed, ledgers.isBusy, ceilings()]).toEqual([true, false, 1])
    expect((await again(world, logId)).ledger.floor).toBe(3)
  })

  it('does not take back what a transaction has settled and memory does not know of yet', async () => {
    const world = newWorld()
    const { ledgers, ledger, logId, bench, pass } = await open(world)
    ledger.settle(0)
    ledgers.hold()
    const stored = new Promise<void>((resolve, reject) => {
      ledgers.settleTogether(new Map([[0, [7, 5]]]), new AtomicUnit(), {
        stored: () => resolve(),
        refused: reject,
      })
    })
    ledgers.writeWhole()
    await bench.run(stored)
    await pass()
    const crashed = await again(world, logId)
    expect([5, 7].map((offset) => crashed.ledger.settled.has(offset))).toEqual([true, true])
  })

  it('writes what was due when the transaction lets go', async () => {
    const world = newWorld()
    const { ledgers, ledger, pass } = await open(world)
    ledger.settle(4)
    ledgers.hold()
    ledgers.writeWhole()
    await pass()
    expect(ledgers.log!.earliestOffset).toBe(0)
    ledgers.release()
    await pass(500)
    expect(ledgers.log!.earliestOffset).toBeGreaterThan(0)
  })

  it('answers who waits when its queue goes', async () => {
    const { ledgers, ledger, bench } = await open(newWorld())
    ledger.settle(0)
    const flushed = ledgers.flushed()
    ledgers.close()
    await bench.run(flushed)
  })
})
