import { GROUP_ALIGNMENT_BYTES } from '../../src/log/limits.ts'
import type { Log } from '../../src/log/log.ts'
import { MetadataSnapshot } from '../../src/meta/metadata-snapshot.ts'
import { MetadataStore } from '../../src/meta/metadata-store.ts'
import { newWorld, overwrite } from '../support/node.ts'
import { StoreBench } from '../support/store.ts'

const open = async (world: ReturnType<typeof newWorld>) => {
  const bench = await StoreBench.open(world)
  const metadata = await bench.run(MetadataStore.open('/data', bench.environment, bench.store))
  return { bench, metadata }
}

const put = (
  { bench, metadata }: Awaited<ReturnType<typeof open>>,
  entries: Record<string, object | null>,
) => bench.run(metadata.change((commit) => commit(new Map(Object.entries(entries)))))

const SNAPSHOT = '/data/metadata.snapshot'

/** Makes the header of the journal group that holds the text unreadable. */
const damageGroupOf = (world: ReturnType<typeof newWorld>, text: string): void => {
  for (const path of world.disk.files('/data/journal')) {
    const at = Buffer.from(world.disk.contentOf(path)).indexOf(text)
    if (at < 0) continue
    const groupAt = GROUP_ALIGNMENT_BYTES * Math.floor(at / GROUP_ALIGNMENT_BYTES)
    return world.disk.flipBit(path, 8 * (groupAt + 20))
  }
  throw new Error(`no journal group holds ${text}`)
}

describe('the metadata', () => {
  it('is there again after a crash, changed, removed and all', async () => {
    const world = newWorld()
    const first = await open(world)
    await put(first, { a: { n: 1 }, b: { n: 1 } })
    await put(first, { a: { n: 2 }, b: null })
    world.losePower()
    const { metadata } = await open(world)
    expect(metadata.get('a')).toEqual({ n: 2 })
    expect(metadata.get('b')).toBeUndefined()
  })

  it('shows a change when it is durable, not before', async () => {
    const world = newWorld()
    const { bench, metadata } = await open(world)
    const change = metadata.change((commit) => commit(new Map([['a', { n: 1 }]])))
    await world.scheduler.runFor(0.01)
    expect(metadata.get('a')).toBeUndefined()
    await bench.run(change)
    expect(metadata.get('a')).toEqual({ n: 1 })
  })

  it('runs changes one after the other, also behind one that fails', async () => {
    const world = newWorld()
    const { bench, metadata } = await open(world)
    const add = () =>
      metadata.change(async (commit) => {
        const n = ((metadata.get('n') as { n: number } | undefined)?.n ?? 0) + 1
        await commit(new Map([['n', { n }]]))
        return n
      })
    const failing = metadata.change(() => Promise.reject(new Error('no')))
    const sums = await bench.run(Promise.all([add(), failing.catch(() => 'failed'), add(), add()]))
    expect(sums).toEqual([1, 'failed', 2, 3])
  })

  it('needs only its log, or only its snapshot', async () => {
    for (const lost of ['snapshot', 'log']) {
      const world = newWorld()
      const first = await open(world)
      await put(first, { a: { n: 1 } })
      await world.scheduler.runFor(2_000)
      await first.bench.run(first.bench.store.checkpoint())
      world.losePower()
      const path = lost === 'snapshot' ? SNAPSHOT : '/data/logs/0/00000000000000000000.log'
      await overwrite(world, path, new Uint8Array(world.disk.contentOf(path).length))
      const second = await open(world)
      expect(second.metadata.get('a')).toEqual({ n: 1 })
      await put(second, { b: { n: 2 } })
      world.losePower()
      const third = await open(world)
      expect([third.metadata.get('a'), third.metadata.get('b')]).toEqual([{ n: 1 }, { n: 2 }])
    }
  })

  it('keeps what comes after a snapshot that is ahead of a lost log', async () => {
    const world = newWorld()
    const first = await open(world)
    for (let n = 0; n < 5; n++) await put(first, { [`k${n}`]: { n } })
    await world.scheduler.runFor(2_000)
    world.losePower()
    const { disk } = world.boot()
    for (const path of world.disk.files('/data'))
      if (path.endsWith('.journal') || path.endsWith('.log'))
        await world.scheduler.runUntil(disk.remove(path))
    const second = await open(world)
    expect(second.metadata.get('k4')).toEqual({ n: 4 })
    await put(second, { later: { n: 9 } })
    world.losePower()
    const third = await open(world)
    expect([third.metadata.get('k0'), third.metadata.get('later')]).toEqual([{ n: 0 }, { n: 9 }])
  })

  it('does not mix a change that was lost with what was decided without it', async () => {
    const world = newWorld()
    const first = await open(world)
    await put(first, { kept: { n: 1 } })
    await first.bench.run(first.bench.store.checkpoint())
    await put(first, { lost: { n: 2 } })
    const log = first.bench.store.logs.get(0) as Log
    await first.bench.run(first.bench.parts.writeBehind.flush(log))
    await world.scheduler.runFor(50)
    world.kill()
    damageGroupOf(world, '"n":2')
    const second = await open(world)
    expect([second.metadata.get('kept'), second.metadata.get('lost')]).toEqual([
      { n: 1 },
      undefined,
    ])
    await put(second, { decided: { n: 3 } })
    await second.bench.run(second.bench.store.checkpoint())
    world.kill()
    const third = await open(world)
    expect(third.metadata.get('decided')).toEqual({ n: 3 })
    expect(third.metadata.get('lost')).toBeUndefined()
  })

  it('closes although the storage failed under a change', async () => {
    const world = newWorld()
    const { bench, metadata } = await open(world)
    world.disk.inject({ kind: 'sync', code: 'EIO', nth: 1 })
    metadata.change((commit) => commit(new Map([['a', {}]]))).catch(() => undefined)
    await bench.run(metadata.close())
    expect(bench.fatal).toHaveLength(1)
  })
})

describe('the snapshot', () => {
  const entries = new Map([['k', { n: 1 }]])

  it('is read whole or not at all: every bit flipped, cut at every byte', async () => {
    const world = newWorld()
    const { disk } = world.boot()
    const snapshot = new MetadataSnapshot(disk, '/s')
    await world.scheduler.runUntil(snapshot.write(7, entries))
    const good = world.disk.contentOf('/s')
    for (let bit = 0; bit < 8 * good.length; bit++) {
      world.disk.flipBit('/s', bit)
      expect(await world.scheduler.runUntil(snapshot.read())).toBeUndefined()
      world.disk.flipBit('/s', bit)
    }
    expect(await world.scheduler.runUntil(snapshot.read())).toEqual({
      offset: 7,
      entries: [['k', { n: 1 }]],
    })
    for (let length = 0; length < good.length; length += 3) {
      await overwrite(world, '/s', good.subarray(0, length))
      const again = new MetadataSnapshot(world.boot().disk, '/s')
      expect(await world.scheduler.runUntil(again.read())).toBeUndefined()
    }
  })

  it('is the old one or the new one after a crash, whenever it comes', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const world = newWorld(seed)
      const snapshot = new MetadataSnapshot(world.boot().disk, '/s')
      await world.scheduler.runUntil(snapshot.write(1, entries))
      snapshot.write(2, entries).catch(() => undefined)
      await world.scheduler.runFor(seed / 10)
      world.losePower()
      const found = await world.scheduler.runUntil(
        new MetadataSnapshot(world.boot().disk, '/s').read(),
      )
      expect([1, 2]).toContain(found?.offset)
    }
  })
})
