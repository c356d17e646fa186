import { batchOf, caller, newWorld, openNode } from '../support/node.ts'
import { Workload, verify, verifyGoesOn } from './workload.ts'

/** One life in which the nth write finds no room, and all after it for a while. */
const fullAt = async (nth: number, kind: 'write' | 'open'): Promise<boolean> => {
  const world = newWorld(nth)
  const fault = world.disk.inject({ kind, code: 'ENOSPC', nth, times: 2 })
  const workload = new Workload(world)
  workload.start()
  await world.scheduler.runUntil(() => workload.isDone || workload.fatal.length > 0)
  if (fault.firedCount === 0) return false
  if (workload.fatal.length > 0) throw new Error(`fatal: ${String(workload.fatal[0]?.cause)}`)
  if (workload.error !== undefined && workload.broker !== undefined) throw workload.error as Error
  const strange = workload.refusals.find((one) => one.code !== 'ERR_STORAGE_FULL')
  if (strange !== undefined) throw strange
  world.losePower()
  await verifyGoesOn(await verify(workload))
  return true
}

describe('a full disk', () => {
  it.each(['write', 'open'] as const)(
    'refuses by name and loses nothing at every %s',
    async (kind) => {
      let nth = 1
      for (; ; nth++) {
        try {
          if (!(await fullAt(nth, kind))) break
        } catch (error) {
          throw new Error(`${kind} ${nth}: ${String(error)}`, { cause: error })
        }
      }
      expect(nth).toBeGreaterThan(10)
    },
    60_000,
  )

  it('goes on reading and deleting, and takes appends again when there is room', async () => {
    const world = newWorld(5)
    const node = await openNode(world, { storage: { ballastBytes: 64 * 1024 } })
    const kept = await node.create('kept')
    const doomed = await node.create('doomed')
    const values: string[] = []
    for (let index = 0; index < 40; index++) {
      values.push(`${index}`.padEnd(3_000, '.'))
      await node.append(kept, [values[index] as string])
      await node.append(doomed, ['d'.repeat(3_000)])
    }
    world.disk.capacityBytes = world.disk.usedBytes + 1_000
    let refused = 0
    for (let index = 0; index < 60; index++) {
      const outcome = await node.append(kept, ['more'.repeat(1_000)])
      if (outcome.error === undefined) values.push('more'.repeat(1_000))
      else if (outcome.error.code === 'ERR_STORAGE_FULL') refused++
      else throw outcome.error
    }
    expect(refused).toBeGreaterThan(0)
    expect(node.broker.status().storage.isFull).toBe(true)
    expect(await node.values(kept)).toEqual(values)
    await node.run(node.broker.deleteTopic(caller, { topic: 'doomed' }))
    await world.scheduler.runFor(60_000)
    expect(node.fatal).toEqual([])
    world.disk.capacityBytes = Number.MAX_SAFE_INTEGER
    await world.scheduler.runFor(2_000)
    expect(node.broker.status().storage.isFull).toBe(false)
    expect((await node.append(kept, ['after'])).error).toBeUndefined()
    world.losePower()
    const next = await openNode(world)
    expect(await next.values(await next.open('kept'))).toEqual([...values, 'after'])
    expect(next.broker.listTopics(caller).map((one) => one.topic)).toEqual(['kept'])
  })

  it('starts on a disk without a free byte, reads, deletes and comes back', async () => {
    const world = newWorld(6)
    const node = await openNode(world, { storage: { ballastBytes: 512 * 1024 } })
    const kept = await node.create('kept')
    await node.create('doomed')
    const values = Array.from({ length: 30 }, (_, index) => `${index}`.padEnd(2_000, '.'))
    for (const value of values) await node.append(kept, [value])
    await world.scheduler.runFor(100)
    world.losePower()
    world.disk.capacityBytes = world.disk.usedBytes
    const next = await openNode(world, { storage: { ballastBytes: 512 * 1024 } })
    const handle = await next.open('kept')
    expect(await next.values(handle)).toEqual(values)
    const first = await next.run(next.submit(handle, batchOf(['x'])) as Promise<{ error: unknown }>)
    if (first.error !== undefined) expect(first.error).toMatchObject({ code: 'ERR_STORAGE_FULL' })
    await world.scheduler.runFor(1_000)
    await next.run(next.broker.deleteTopic(caller, { topic: 'doomed' }))
    expect(next.fatal).toEqual([])
  })
})
