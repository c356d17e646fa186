import { SeededRandom, type SimulatedWorld } from '@millrace/testing'
import { newWorld, openNode } from '../support/node.ts'
import { Workload, verify, verifyGoesOn } from './workload.ts'

/** A finished life on a world that has lost its power since, every acknowledged group claimed. */
const settledWorld = async (seed: number, isLeftOpen: boolean): Promise<Workload> => {
  const world = newWorld(seed)
  const workload = new Workload(world, { isLeftOpen })
  workload.start()
  await world.scheduler.runUntil(() => workload.isDone)
  if (workload.error !== undefined) throw workload.error
  await world.scheduler.runFor(3_000)
  world.losePower()
  return workload
}

type Damage = (world: SimulatedWorld, path: string, random: SeededRandom) => string

const flip: Damage = (world, path, random) => {
  const bit = random.below(8 * world.disk.contentOf(path).length)
  world.disk.flipBit(path, bit)
  return `bit ${bit}`
}

/** A bit of what is not zero: most of a preallocated file is. */
const flipUsed: Damage = (world, path, random) => {
  const bytes = world.disk.contentOf(path)
  const used = [...bytes.keys()].filter((at) => bytes[at] !== 0)
  const bit = 8 * (used[random.below(used.length)] ?? 0) + random.below(8)
  world.disk.flipBit(path, bit)
  return `bit ${bit}`
}

const zeroPage: Damage = (world, path, random) => {
  const page = random.below(Math.ceil(world.disk.contentOf(path).length / 4_096))
  world.disk.zeroPage(path, page)
  return `page ${page}`
}

const kinds: readonly (readonly [string, RegExp])[] = [
  ['journal', /\.journal$/],
  ['segment', /\.log$/],
  ['index', /\.(index|timeindex)$/],
  ['snapshot', /metadata\.snapshot$/],
]

const damageOne = async (
  seed: number,
  pattern: RegExp,
  damage: Damage,
  isLeftOpen: boolean,
): Promise<boolean> => {
  const workload = await settledWorld(seed, isLeftOpen)
  const { world } = workload
  const random = new SeededRandom(seed)
  const paths = world.disk
    .files('/data')
    .filter((path) => pattern.test(path) && world.disk.contentOf(path).length > 0)
  if (paths.length === 0) return false
  const path = random.pick(paths)
  const what = damage(world, path, random)
  try {
    const node = await verify(workload, { isDamaged: true })
    await verifyGoesOn(node)
  } catch (error) {
    throw new Error(`seed ${seed}, ${path}, ${what}, open ${isLeftOpen}: ${String(error)}`, {
      cause: error,
    })
  }
  return true
}

describe.each(kinds)('damage at rest in the %s', (_name, pattern) => {
  it.each<[string, Damage]>([
    ['a flipped bit', flip],
    ['a flipped bit of something', flipUsed],
    ['a zeroed page', zeroPage],
  ])(
    '%s: starts, says what is lost, delivers nothing wrong, goes on',
    async (_what, damage) => {
      let struck = 0
      for (let seed = 1; seed <= 8; seed++)
        if (await damageOne(seed, pattern, damage, seed % 2 === 0)) struck++
      expect(struck).toBeGreaterThan(0)
    },
    60_000,
  )
})

describe('what is gone altogether', () => {
  const withoutFile = async (pattern: RegExp, seed: number): Promise<Workload> => {
    const workload = await settledWorld(seed, seed % 2 === 0)
    const { world } = workload
    const { disk } = world.boot()
    for (const path of world.disk.files('/data'))
      if (pattern.test(path)) await world.scheduler.runUntil(disk.remove(path))
    return workload
  }

  it('rebuilds every index from its segment', async () => {
    for (const seed of [1, 2]) {
      const node = await verify(await withoutFile(/\.(index|timeindex)$/, seed))
      expect(node.broker.status().storage.indexesRebuilt).toBeGreaterThan(0)
    }
  })

  it('needs the metadata snapshot no more than the log', async () => {
    for (const seed of [3, 4])
      await verifyGoesOn(await verify(await withoutFile(/snapshot$/, seed)))
  })

  it('has the definitions in the snapshot when the log of them is gone', async () => {
    const workload = await withoutFile(/logs\/0\//, 5)
    await verifyGoesOn(await verify(workload, { isDamaged: true }))
  })

  it('names the range of a missing segment and serves all others', async () => {
    const workload = await settledWorld(7, false)
    const { world } = workload
    const segments = world.disk
      .files('/data')
      .filter((path) => path.includes('/logs/1/') && path.endsWith('.log'))
    expect(segments.length).toBeGreaterThan(3)
    const { disk } = world.boot()
    await world.scheduler.runUntil(disk.remove(segments[1] as string))
    const node = await verify(workload, { isDamaged: true })
    const { records, damaged } = await node.readAll(await node.open('small'))
    expect(damaged).toHaveLength(1)
    const lost = (damaged[0]?.to ?? 0) - (damaged[0]?.from ?? 0)
    expect(records).toHaveLength((workload.told.get('small')?.length ?? 0) - lost)
    await verifyGoesOn(node)
  })

  it('refuses data without meta.json rather than guess its format', async () => {
    const workload = await withoutFile(/meta\.json$/, 8)
    await expect(openNode(workload.world)).rejects.toMatchObject({ code: 'ERR_DATA_FORMAT' })
  })

  it('goes on elsewhere when a log is lost again with all that told where it went on', async () => {
    const workload = await withoutFile(/\.journal$/, 11)
    const { world } = workload
    const offsets = new Set<number>()
    for (let life = 0; life < 3; life++) {
      const node = await openNode(world)
      offsets.add((await node.append(await node.open('small'), ['again'])).baseOffset)
      world.losePower()
      const { disk } = world.boot()
      for (const path of world.disk.files('/data').filter((name) => name.endsWith('.journal')))
        await world.scheduler.runUntil(disk.remove(path))
      world.losePower()
    }
    expect(offsets.size).toBe(3)
  })

  it('gives topics whose logs are gone new ones behind a gap, and no offset twice', async () => {
    const workload = await withoutFile(/\.journal$/, 11)
    let node = await openNode(workload.world)
    for (let life = 0; life < 3; life++) {
      const handle = await node.open('small')
      const outcome = await node.append(handle, [`life ${life}`])
      expect(outcome.baseOffset).toBeGreaterThanOrEqual(1_048_576)
      expect(outcome.baseOffset % 1_048_576).toBe(life)
      const { records, damaged } = await node.readAll(handle)
      expect(records.slice(-life - 1).map(({ value }) => value)).toContain(`life ${life}`)
      expect(damaged.length).toBeGreaterThan(0)
      workload.world.losePower()
      node = await openNode(workload.world)
    }
  })

  it('uses no log id twice when the whole journal is gone', async () => {
    const workload = await withoutFile(/\.journal$/, 9)
    const node = await openNode(workload.world)
    const handle = await node.create('new')
    await node.append(handle, ['n'])
    await node.run(node.broker.close())
    expect(node.fatal).toEqual([])
    const again = await openNode(workload.world)
    expect(await again.values(await again.open('new'))).toEqual(['n'])
  })
})
