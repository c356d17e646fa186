import { FullDisk } from '../../src/log/full-disk.ts'
import { DIRECTORY, newWorld } from '../support/node.ts'

it('is closed only when the ballast is not being written any more', async () => {
  const world = newWorld()
  const environment = world.boot()
  const { scheduler, disk } = world
  await scheduler.runUntil(environment.disk.makeDirectory(DIRECTORY))
  const fullDisk = new FullDisk(environment, DIRECTORY, 1 << 20, { onRoom: () => undefined })
  void fullDisk.makeBallast()
  await scheduler.runUntil(fullDisk.close())
  const calls = { ...disk.counters.calls }
  await scheduler.runFor(5_000)
  expect(disk.counters.calls).toEqual(calls)
  expect(disk.contentOf(`${DIRECTORY}/ballast`)).toHaveLength(1 << 20)
})
