import { openBroker } from '../../src/engine/open-broker.ts'
import { newWorld, openNode, smallStorage } from '../support/node.ts'

describe('a broker on an empty directory', () => {
  it('stores what was acknowledged and has it after a clean close', async () => {
    const world = newWorld()
    const first = await openNode(world)
    const handle = await first.create('orders')
    await first.append(handle, ['a', 'b'])
    await first.append(handle, ['c'])
    expect(await first.values(handle)).toEqual(['a', 'b', 'c'])
    await first.close()
    const second = await openNode(world)
    expect(await second.values(await second.open('orders'))).toEqual(['a', 'b', 'c'])
    expect(second.broker.status().storage.recovery.corruptGroups).toBe(0)
  })

  it('makes the directories above its own, durably', async () => {
    const world = newWorld(3)
    const directory = '/srv/millrace/data'
    const first = await openNode(world, { directory })
    const handle = await first.create('orders')
    await first.append(handle, ['a'])
    world.losePower()
    const second = await openNode(world, { directory })
    expect(await second.values(await second.open('orders'))).toEqual(['a'])
  })

  it('leaves no file open when it cannot be opened', async () => {
    const world = newWorld(4)
    const first = await openNode(world)
    await first.create('orders')
    await first.close()
    for (const kind of ['read', 'sync', 'syncDirectory', 'list', 'size'] as const)
      for (let nth = 1; nth < 40; nth += 3) {
        const environment = world.boot()
        world.disk.inject({ kind, code: 'EIO', nth })
        const opening = openBroker(
          { directory: '/data', autoCreateTopics: false, onFatal: () => undefined },
          environment,
        )
        const broker = await world.scheduler.runUntil(opening).catch(() => undefined)
        if (broker !== undefined) break
        const open = world.disk.files().filter((path) => world.disk.file(path).openCount > 0)
        expect([kind, nth, open]).toEqual([kind, nth, []])
      }
  })

  it('has what was acknowledged after a power loss', async () => {
    const world = newWorld(2)
    const first = await openNode(world, { storage: { ...smallStorage } })
    const handle = await first.create('orders')
    const values = Array.from({ length: 200 }, (_, index) => `${index}`.repeat(300).slice(0, 900))
    for (const value of values) await first.append(handle, [value])
    world.losePower()
    const second = await openNode(world)
    expect(await second.values(await second.open('orders'))).toEqual(values)
    expect(first.broker.status().storage.checkpoints).toBeGreaterThan(0)
  })
})
