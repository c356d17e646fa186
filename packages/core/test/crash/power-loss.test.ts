import { newWorld } from '../support/node.ts'
import { Workload, callCount, verify, verifyGoesOn } from './workload.ts'

/** Cuts the power when the life has made so many calls; true when it had ended before. */
const crashAfter = async (calls: number, seed: number): Promise<boolean> => {
  const world = newWorld(seed)
  const workload = new Workload(world)
  workload.start()
  await world.scheduler.runUntil(() => workload.isDone || callCount(world) >= calls)
  const isOver = workload.isDone
  if (workload.error !== undefined) throw workload.error
  world.losePower()
  try {
    const node = await verify(workload)
    await verifyGoesOn(node)
  } catch (error) {
    throw new Error(`power lost after ${calls} calls (seed ${seed}): ${String(error)}`, {
      cause: error,
    })
  }
  return isOver
}

describe('power loss', () => {
  it.each([1, 2, 3])(
    'loses nothing acknowledged after any single disk call (seed %d)',
    async (seed) => {
      let calls = seed
      while (!(await crashAfter(calls, 1_000 * seed + calls))) calls += 3
      expect(calls).toBeGreaterThan(120)
    },
    60_000,
  )

  it('loses nothing when the recovery itself is cut off, again and again', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = newWorld(seed)
      const workload = new Workload(world)
      workload.start()
      await world.scheduler.runUntil(() => workload.isDone || callCount(world) >= 120 + seed)
      world.losePower()
      for (let cut = 1; cut < 40; cut += 4) {
        const life = new Workload(world)
        const before = callCount(world)
        life.start()
        await world.scheduler.runUntil(() => life.isDone || callCount(world) >= before + cut)
        if (life.broker !== undefined) break
        world.losePower()
      }
      world.losePower()
      await verifyGoesOn(await verify(workload))
    }
  }, 60_000)
})
