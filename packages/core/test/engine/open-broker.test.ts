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
