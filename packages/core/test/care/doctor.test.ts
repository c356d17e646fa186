import type { SimulatedWorld } from '@millrace/testing'
import { examine, type Examination } from '../../src/care/doctor.ts'
import { decodeFileHeader } from '../../src/log/journal-format.ts'
import { batchOf, newWorld, openNode, overwrite } from '../support/node.ts'

const VALUES = Array.from({ length: 60 }, (_, index) => `${index}`.padStart(400, '.'))

/** A directory with sealed segments, sidecars, indexes and a journal; closed in order, or killed. */
const stopped = async (isClosed = true): Promise<SimulatedWorld> => {
  const first = await openNode(newWorld())
  const settings = { segmentBytes: 4_096, retentionMs: -1 }
  const handle = await first.create('t', settings)
  for (const value of VALUES.slice(0, 30)) await first.append(handle, [value])
  await first.close()
  const node = await openNode(first.world)
  await node.world.scheduler.runFor(90_000)
  const again = await node.open('t')
  for (const value of VALUES.slice(30)) await node.append(again, [value])
  void node.submit(again, batchOf(['last']))
  await node.world.scheduler.runFor(100)
  if (isClosed) await node.close()
  else node.world.kill()
  return node.world
}

const examined = (world: SimulatedWorld, directory = '/data'): Promise<Examination> =>
  world.scheduler.runUntil(examine(world.boot(), directory))

const contentsOf = (world: SimulatedWorld): Map<string, string> =>
  new Map(
    world.disk
      .files('/data')
      .map((path) => [path, Buffer.from(world.disk.contentOf(path)).toString('base64')]),
  )

const filesOf = (world: SimulatedWorld, pattern: RegExp): string[] =>
  world.disk.files('/data').filter((path) => pattern.test(path))

describe('the doctor', () => {
  it.each([
    ['closed', true],
    ['killed', false],
  ])('finds a directory healthy whose broker was %s, and changes nothing', async (_how, closed) => {
    const world = await stopped(closed)
    const before = contentsOf(world)
    const examination = await examined(world)
    expect(examination).toMatchObject({ isHealthy: true, problems: [] })
    expect(examination.storage?.batches).toBeGreaterThanOrEqual(closed ? 60 : 30)
    expect(contentsOf(world)).toEqual(before)
  })

  it('finds one flipped bit in each file, names the file, and changes nothing', async () => {
    const world = await stopped()
    const files = filesOf(world, /\.(log|index|timeindex|crc|snapshot)$/)
    for (const kind of ['.log', '.index', '.timeindex', '.crc', '.snapshot'])
      expect(files.filter((path) => path.endsWith(kind)).length).toBeGreaterThan(0)
    for (const path of files) {
      const bytes = world.disk.contentOf(path)
      if (bytes.length === 0) continue
      for (const share of [0.3, 0.7]) {
        const bit = 8 * Math.floor(bytes.length * share) + 1
        world.disk.flipBit(path, bit)
        const before = contentsOf(world)
        const { isHealthy, problems } = await examined(world)
        const expected = path.slice('/data/'.length).replace('timeindex', 'index')
        expect([path, isHealthy]).toEqual([path, false])
        expect(problems.map(({ file }) => file)).toEqual([expected])
        expect(contentsOf(world)).toEqual(before)
        world.disk.flipBit(path, bit)
      }
    }
    expect(await examined(world)).toMatchObject({ isHealthy: true })
  }, 60_000)

  it('finds what is damaged in the journal, also where no recovery needs it', async () => {
    const world = await stopped()
    const path = filesOf(world, /\.journal$/).find((each) =>
      world.disk
        .contentOf(each)
        .subarray(8_192)
        .some((byte) => byte !== 0),
    )
    const bytes = world.disk.contentOf(path ?? '')
    for (const at of [3, 20, 4_096 + 3, 8_192 + 4, 8_192 + 20, 8_192 + 70]) {
      expect(bytes.length).toBeGreaterThan(at)
      world.disk.flipBit(path ?? '', 8 * at + 2)
      const { isHealthy, problems } = await examined(world)
      expect([at, isHealthy]).toEqual([at, false])
      expect(problems[0]?.file).toBe((path ?? '').slice('/data/'.length))
      world.disk.flipBit(path ?? '', 8 * at + 2)
    }
  })

  it('finds a segment that is missing, and one that is cut', async () => {
    const world = await stopped()
    const [, second, third] = filesOf(world, /logs\/1\/.*\.log$/).sort()
    await world.scheduler.runUntil(world.boot().disk.remove(second ?? ''))
    await overwrite(world, third ?? '', world.disk.contentOf(third ?? '').subarray(0, 900))
    const { storage, isHealthy } = await examined(world)
    expect(isHealthy).toBe(false)
    expect(storage?.damagedRanges).toBe(2)
  })

  it('says of a damaged meta.json that no broker opens the directory', async () => {
    const world = await stopped()
    world.disk.flipBit('/data/meta.json', 0)
    const { isHealthy, problems, storage } = await examined(world)
    expect(isHealthy).toBe(false)
    expect(problems.map(({ file }) => file)).toEqual(['meta.json'])
    expect(storage).toBeUndefined()
  })

  it('cannot examine what is in use, is not there, or has another format', async () => {
    const world = await stopped()
    const environment = world.boot()
    const lock = await world.scheduler.runUntil(environment.disk.lock('/data'))
    const run = (directory: string) =>
      world.scheduler.runUntil(
        examine(environment, directory).then(
          () => 'done',
          (error: { code: string }) => error.code,
        ),
      )
    expect(await run('/data')).toBe('ERR_DIRECTORY_LOCKED')
    await world.scheduler.runUntil(lock.release())
    expect(await run('/none')).toBe('ENOENT')
    await overwrite(world, '/data/meta.json', Buffer.from('{"format":9,"directoryId":"x"}'))
    expect(await examined(world).catch((error: { code: string }) => error.code)).toBe(
      'ERR_DATA_FORMAT',
    )
  })
})

describe('the doctor and the journal', () => {
  it('misses no group of a file that a checkpoint let go between two that are kept', async () => {
    const storage = { journalFileBytes: 16 * 1024, checkpointBytes: 64 * 1024 }
    const node = await openNode(newWorld(9), { storage })
    const { world } = node
    const handle = await node.create('t', { segmentBytes: 64 * 1024, retentionMs: -1 })
    for (let index = 0; index < 300; index++)
      await node.append(handle, [`${index}`.padStart(900, '.')])
    await node.close()
    const numberOf = (path: string): number =>
      decodeFileHeader(world.disk.contentOf(path))?.fileNumber ?? 0
    const files = filesOf(world, /\.journal$/)
      .filter((path) => numberOf(path) > 0)
      .sort((left, right) => numberOf(left) - numberOf(right))
    expect(files.length).toBeGreaterThan(3)
    await world.scheduler.runUntil(world.boot().disk.remove(files[1] ?? ''))
    expect(await examined(world)).toMatchObject({ isHealthy: true, problems: [] })
  })
})
