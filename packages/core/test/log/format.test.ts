import { utf8Encode } from '@millrace/codec'
import { newWorld, openNode, overwrite } from '../support/node.ts'

const identityOf = (text: string): string | undefined =>
  (JSON.parse(text) as { directoryId?: string }).directoryId

const metaOf = (world: ReturnType<typeof newWorld>): string =>
  new TextDecoder().decode(world.disk.contentOf('/data/meta.json'))

describe('the identity of a data directory', () => {
  it('is given once', async () => {
    const world = newWorld()
    await (await openNode(world)).close()
    const first = metaOf(world)
    expect(JSON.parse(first)).toMatchObject({ format: 1 })
    expect(identityOf(first)).toMatch(/^[0-9a-f]{32}$/)
    await (await openNode(world)).close()
    expect(metaOf(world)).toBe(first)
  })

  it.each([
    ['a later format', '{"format":2,"directoryId":"x"}'],
    ['an earlier format', '{"format":0,"directoryId":"x"}'],
    ['no format', '{"directoryId":"x"}'],
    ['no id', '{"format":1}'],
    ['no object', 'null'],
    ['no JSON', '{"format":1'],
    ['nothing', ''],
  ])('with %s is refused by name, and the directory stays as it is', async (_what, text) => {
    const world = newWorld()
    await (await openNode(world)).close()
    await overwrite(world, '/data/meta.json', utf8Encode(text))
    await expect(openNode(world)).rejects.toMatchObject({ code: 'ERR_DATA_FORMAT' })
    expect(metaOf(world)).toBe(text)
  })

  it('that is gone is not made again over data: with a journal, or with logs only', async () => {
    for (const lost of [['meta.json'], ['meta.json', 'journal']]) {
      const world = newWorld()
      const node = await openNode(world)
      await node.append(await node.create('t'), ['x'.repeat(40_000)])
      await node.close()
      const { disk } = world.boot()
      for (const path of world.disk.files('/data'))
        if (lost.some((name) => path.startsWith(`/data/${name}`)))
          await world.scheduler.runUntil(disk.remove(path))
      await expect(openNode(world)).rejects.toMatchObject({ code: 'ERR_DATA_FORMAT' })
    }
  })
})

describe('the lock of a data directory', () => {
  it('is given to one at a time, and back when the broker closes', async () => {
    const world = newWorld()
    const node = await openNode(world)
    expect(world.disk.locked.has('/data')).toBe(true)
    await node.close()
    expect(world.disk.locked.has('/data')).toBe(false)
  })

  it('is given back when the directory cannot be opened', async () => {
    const world = newWorld()
    await (await openNode(world)).close()
    await overwrite(world, '/data/meta.json', utf8Encode('{}'))
    await expect(openNode(world)).rejects.toMatchObject({ code: 'ERR_DATA_FORMAT' })
    expect(world.disk.locked.has('/data')).toBe(false)
  })
})
