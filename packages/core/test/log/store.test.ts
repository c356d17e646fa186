import { segmentFiles, newWorld } from '../support/node.ts'
import { StoreBench, settings } from '../support/store.ts'

const large = (mark: string): string => mark.padEnd(20_000, mark)

describe('direct appends', () => {
  it('larger than the tail stay in memory until they are durable', async () => {
    const world = newWorld(4)
    const bench = await StoreBench.open(world, { tailBytesMax: 1_000 })
    const log = bench.store.logs.create(settings, { isVolatile: false })
    await bench.append(log, ['kept'])
    const journal = (path: string): boolean => path.endsWith('.journal')
    world.disk.inject({ kind: 'write', code: 'ENOSPC', nth: 1, matches: journal })
    const told = ['x', 'y', 'z'].map((mark) => bench.submit(log, [large(mark)]))
    await world.scheduler.runUntil(() => told.every((one) => one.error !== undefined))
    expect(log.nextOffset).toBe(1)
    await bench.append(log, ['after'])
    expect(await bench.values(log)).toEqual(['kept', 'after'])
  })
})

describe('checkpoints', () => {
  it('never overlap, and each is worth its own table', async () => {
    const world = newWorld(5)
    const bench = await StoreBench.open(world)
    const log = bench.store.logs.create(settings, { isVolatile: false })
    await bench.append(log, ['a'])
    await bench.run(Promise.all([1, 2, 3].map(() => bench.store.checkpoint())))
    expect(bench.store.checkpoints).toBe(3)
  })

  it('recycle journal files, and only those before the checkpoint before the last', async () => {
    const world = newWorld(6)
    const bench = await StoreBench.open(world, {
      checkpointBytes: 1 << 30,
      directAppendBytes: 1 << 30,
    })
    const log = bench.store.logs.create(settings, { isVolatile: false })
    for (let index = 0; index < 40; index++) await bench.append(log, ['.'.repeat(6_000)])
    expect(bench.store.journalFilesRecycled).toBe(0)
    await bench.run(bench.store.checkpoint())
    expect(bench.store.journalFilesRecycled).toBe(0)
    await bench.append(log, ['b'])
    await bench.run(bench.store.checkpoint())
    expect(bench.store.journalFilesRecycled).toBeGreaterThan(2)
  })

  it('survive the damage of the last table by the one before', async () => {
    const world = newWorld(7)
    const bench = await StoreBench.open(world, { directAppendBytes: 1 << 30 })
    const log = bench.store.logs.create(settings, { isVolatile: false })
    const values = Array.from({ length: 60 }, (_, index) => `${index}`.padEnd(3_000, '.'))
    for (const value of values) await bench.append(log, [value])
    await bench.run(bench.store.checkpoint())
    await bench.append(log, ['last'])
    await bench.run(bench.store.checkpoint())
    await world.scheduler.runFor(100)
    world.losePower()
    const found = findTables(world)
    expect(found.length).toBeGreaterThan(1)
    const last = found.sort((left, right) => left.sequence - right.sequence).at(-1)
    world.disk.flipBit(last?.path ?? '', 8 * (last?.payloadAt ?? 0) + 8 * 20)
    const next = await StoreBench.open(world)
    const again = next.store.logs.get(log.id)
    if (again === undefined) throw new Error('the log is gone')
    expect(await next.values(again)).toEqual([...values, 'last'])
  })

  it('are taken soon after a start that had much to replay, so that deaths do not add up', async () => {
    const world = newWorld(8)
    const options = { checkpointBytes: 150_000, directAppendBytes: 1 << 30 }
    let logId = 0
    for (let life = 0; life < 12; life++) {
      const bench = await StoreBench.open(world, options)
      expect(bench.report.bytesReplayed).toBeLessThan(400_000)
      const log =
        bench.store.logs.get(logId) ?? bench.store.logs.create(settings, { isVolatile: false })
      logId = log.id
      for (let index = 0; index < 40; index++) await bench.append(log, ['.'.repeat(3_000)])
      await world.scheduler.runFor(50)
      world.losePower()
    }
    const files = world.disk.files('/data').filter((path) => path.endsWith('.journal'))
    expect(files.length).toBeLessThan(14)
  })
})

describe('unsynced logs', () => {
  it('show what is below a durable ceiling, tell in order, and refuse what has none', async () => {
    const world = newWorld(9)
    const bench = await StoreBench.open(world)
    const log = bench.store.logs.create(settings, { isVolatile: true })
    const journal = (path: string): boolean => path.endsWith('.journal')
    world.disk.inject({ kind: 'write', code: 'ENOSPC', nth: 1, times: 40, matches: journal })
    const refused = bench.submit(log, ['no ceiling'])
    await world.scheduler.runUntil(() => refused.error !== undefined)
    expect(refused.error?.code).toBe('ERR_STORAGE_FULL')
    expect(log.nextOffset).toBe(0)
    world.disk.faults.clear()
    await world.scheduler.runFor(2_000)
    await bench.append(log, ['one'])
    expect(await bench.values(log)).toEqual(['one'])
  })

  it('cost the same for each append, however long the tail is', async () => {
    const world = newWorld(10)
    const bench = await StoreBench.open(world, {
      writeBehindBytes: 1 << 30,
      unflushedBytesMax: 1 << 30,
    })
    const log = bench.store.logs.create(settings, { isVolatile: true })
    await bench.append(log, ['first'])
    let peeks = 0
    const { batches } = log
    const peekAt = batches.peekAt.bind(batches)
    batches.peekAt = (index: number) => {
      peeks++
      return peekAt(index)
    }
    const costs: number[] = []
    for (let index = 0; index < 400; index++) {
      peeks = 0
      await bench.append(log, ['x'])
      costs.push(peeks)
    }
    expect(Math.max(...costs.slice(300))).toBeLessThan(40)
  })
})

describe('deleting a log', () => {
  it('lets a reader finish with the file it has open', async () => {
    const world = newWorld(11)
    const bench = await StoreBench.open(world)
    const log = bench.store.logs.create(settings, { isVolatile: false })
    for (let index = 0; index < 10; index++) await bench.append(log, ['.'.repeat(1_000)])
    await bench.run(bench.store.checkpoint())
    bench.forgetTail()
    const path = segmentFiles(world).find((one) => one.includes(`/${log.id}/`)) ?? ''
    const file = await bench.run(bench.parts.files.acquire(path))
    await bench.run(bench.store.deleteLog(log.id))
    expect(segmentFiles(world)).not.toContain(path)
    expect(await bench.run(file.read(new Uint8Array(100), 0))).toBe(100)
    bench.parts.files.release(path)
    await world.scheduler.runFor(10)
    await expect(bench.run(file.read(new Uint8Array(100), 0))).rejects.toMatchObject({
      code: 'EBADF',
    })
  })

  it('is finished by asking again after a crash between the tombstone and the files', async () => {
    const world = newWorld(12)
    const bench = await StoreBench.open(world)
    const log = bench.store.logs.create(settings, { isVolatile: false })
    await bench.append(log, ['.'.repeat(40_000)])
    const deleting = bench.store.deleteLog(log.id)
    await world.scheduler.runUntil(() => log.isDeleted)
    deleting.catch(() => undefined)
    world.losePower()
    const next = await StoreBench.open(world)
    expect(next.store.logs.get(log.id)).toBeUndefined()
    await next.run(next.store.deleteLog(log.id))
    expect(segmentFiles(world).filter((path) => path.includes(`/${log.id}/`))).toEqual([])
    expect(next.store.logs.create(settings, { isVolatile: false }).id).toBeGreaterThan(log.id)
  })
})

interface FoundTable {
  readonly path: string
  readonly sequence: number
  readonly payloadAt: number
}

/** Checkpoint groups, read from the bytes as docs/storage.md draws them. */
const findTables = (world: ReturnType<typeof newWorld>): FoundTable[] => {
  const found: FoundTable[] = []
  for (const path of world.disk.files('/data').filter((one) => one.endsWith('.journal'))) {
    const bytes = world.disk.contentOf(path)
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    for (let at = 8_192; at + 112 <= bytes.length; at += 512) {
      if (view.getUint32(at) !== 0x4d524750 || bytes[at + 48] !== 6) continue
      const entries = view.getUint32(at + 24)
      found.push({
        path,
        sequence: Number(view.getBigUint64(at + 8)),
        payloadAt: at + 48 + 64 * entries,
      })
    }
  }
  return found
}
