import { openBroker } from '../../src/engine/open-broker.ts'
import { caller, newWorld, openNode, smallStorage, type TestNode } from '../support/node.ts'

const endOf = ({ broker }: TestNode, topic: string): number | undefined =>
  broker.describeTopic(caller, topic).partitions[0]?.highWatermark

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

  it('shows the offsets that a loss has led it to, when it dies at once', async () => {
    const world = newWorld(5)
    const first = await openNode(world)
    const handle = await first.create('orders')
    await first.create('idle')
    for (const value of ['a', 'to be lost', 'c']) await first.append(handle, [value])
    world.kill()
    const journal = '/data/journal/000001.journal'
    const at = Buffer.from(world.disk.file(journal).content.snapshot()).indexOf('to be lost')
    // The header of its group.
    world.disk.flipBit(journal, 8 * (at - (at % 512)))
    const second = await openNode(world)
    const shown = endOf(second, 'idle')
    expect(shown).toBeGreaterThan(0)
    world.kill()
    expect(endOf(await openNode(world), 'idle')).toBe(shown)
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
