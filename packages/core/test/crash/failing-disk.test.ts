import type { DiskCallKind } from '@millrace/testing'
import { newWorld } from '../support/node.ts'
import { Workload, callCount, verify, verifyGoesOn } from './workload.ts'

interface Sweep {
  readonly struck: number
  readonly fatal: number
}

/** One life in which the nth call of a kind fails; then the process ends and another one looks. */
const failNth = async (kind: DiskCallKind, nth: number): Promise<'spared' | 'fatal' | 'borne'> => {
  const world = newWorld(nth)
  const fault = world.disk.inject({ kind, code: 'EIO', nth })
  const workload = new Workload(world)
  workload.start()
  const isStopped = (): boolean => workload.isDone || workload.fatal.length > 0
  await world.scheduler.runUntil(isStopped)
  // What is under way may still fail, or be acknowledged by mistake.
  await world.scheduler.runFor(1_000)
  if (fault.firedCount === 0) return 'spared'
  if (workload.toldAfterFatal > 0) throw new Error('an append was acknowledged after onFatal')
  if (workload.fatal.length > 1) throw new Error('onFatal ran twice')
  if (world.disk.counters.syncsAfterFailure > 0) throw new Error('a failed sync was tried again')
  if (kind === 'sync' && workload.fatal.length === 0 && workload.error === undefined)
    throw new Error('a failed sync was borne')
  world.losePower()
  await verifyGoesOn(await verify(workload))
  return workload.fatal.length > 0 ? 'fatal' : 'borne'
}

const sweep = async (kind: DiskCallKind, step: number): Promise<Sweep> => {
  const counts = { struck: 0, fatal: 0 }
  for (let nth = 1; ; nth += step) {
    let outcome: Awaited<ReturnType<typeof failNth>>
    try {
      outcome = await failNth(kind, nth)
    } catch (error) {
      throw new Error(`${kind} ${nth} fails: ${String(error)}`, { cause: error })
    }
    if (outcome === 'spared') return counts
    counts.struck++
    if (outcome === 'fatal') counts.fatal++
  }
}

describe('a disk that fails', () => {
  it.each<[DiskCallKind, number]>([
    ['sync', 1],
    ['syncDirectory', 1],
    ['write', 2],
    ['open', 1],
    ['close', 1],
    ['rename', 1],
    ['truncate', 1],
    ['remove', 1],
    ['makeDirectory', 1],
  ])(
    '%s: acknowledges nothing after a failure, stops once, and starts again',
    async (kind, step) => {
      const { struck } = await sweep(kind, step)
      expect(struck).toBeGreaterThan(kind === 'truncate' ? -1 : 0)
    },
    60_000,
  )

  it('never bears a sync that finds the disk full', async () => {
    for (let nth = 8; nth < 40; nth += 3) {
      const world = newWorld(nth)
      const isSegment = (path: string): boolean => path.endsWith('.log')
      const fault = world.disk.inject({ kind: 'sync', code: 'ENOSPC', nth: 1, matches: isSegment })
      const workload = new Workload(world)
      workload.start()
      await world.scheduler.runUntil(() => workload.isDone || workload.fatal.length > 0)
      await world.scheduler.runFor(100)
      expect(fault.firedCount).toBe(1)
      expect(workload.fatal).toHaveLength(1)
      expect(world.disk.counters.syncsAfterFailure).toBe(0)
      world.losePower()
      await verify(workload)
    }
  }, 60_000)

  it('opens again after a failed read during recovery', async () => {
    const world = newWorld(3)
    const workload = new Workload(world)
    workload.start()
    await world.scheduler.runUntil(() => workload.isDone || callCount(world) >= 110)
    world.losePower()
    for (let nth = 1; nth < 12; nth++) {
      world.disk.inject({ kind: 'read', code: 'EIO', nth })
      const life = new Workload(world)
      const before = world.disk.counters.failures.read
      life.start()
      await world.scheduler.runUntil(() => life.isDone || life.broker !== undefined)
      if (world.disk.counters.failures.read > before)
        expect(life.error).toMatchObject({ code: 'EIO' })
      world.losePower()
    }
    await verify(workload)
  }, 60_000)
})
