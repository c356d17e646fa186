import { utf8Decode } from '@millrace/codec'
import type { SimulatedWorld } from '@millrace/testing'
import { decodeManifest, encodeManifest, checkBackupName } from '../../src/care/backup-manifest.ts'
import { verifyBackup } from '../../src/care/backup-verify.ts'
import { backUpStopped } from '../../src/care/offline-backup.ts'
import type { BackupReport } from '../../src/care/reports.ts'
import { restoreBackup } from '../../src/care/restore.ts'
import type { BrokerOptions, TopicHandle } from '../../src/engine/operations.ts'
import { batchOf, caller, newWorld, openNode, type TestNode } from '../support/node.ts'

const RESTORED = '/restored'
const BACKUP = '/data/backups/b1'

/** Appends to `a`, and to `b` only what is acknowledged in `a`: `b` is never ahead of `a`. */
class Load {
  readonly node: TestNode
  readonly acknowledged = { a: 0, b: 0 }
  #isOn = true
  readonly #handles: { a: TopicHandle; b: TopicHandle }
  readonly done: Promise<void>

  constructor(node: TestNode, handles: { a: TopicHandle; b: TopicHandle }) {
    this.node = node
    this.#handles = handles
    this.done = this.#run()
  }

  async #run(): Promise<void> {
    for (let index = 0; this.#isOn; index++) {
      for (const topic of ['a', 'b'] as const) {
        const values = [`${topic}-${index}`.padStart(index % 7 === 0 ? 20_000 : 300, '.')]
        await this.node.submit(this.#handles[topic], batchOf(values))
        this.acknowledged[topic]++
      }
    }
  }

  stop(): void {
    this.#isOn = false
  }
}

const begin = async (
  seed = 1,
  options: Partial<BrokerOptions> = {},
): Promise<{ node: TestNode; load: Load }> => {
  const node = await openNode(newWorld(seed), options)
  const a = await node.create('a', { segmentBytes: 128 * 1024, retentionMs: -1 })
  const b = await node.create('b', { segmentBytes: 128 * 1024, retentionMs: -1 })
  const load = new Load(node, { a, b })
  await node.world.scheduler.runUntil(() => load.acknowledged.b >= 60)
  return { node, load }
}

const take = (node: TestNode, name = 'b1'): Promise<BackupReport> =>
  node.run(node.broker.backUp(caller, { name }))

const restore = async (world: SimulatedWorld, from = BACKUP): Promise<TestNode> => {
  const environment = world.boot()
  const report = await world.scheduler.runUntil(restoreBackup(environment, from, RESTORED))
  expect(report.problems).toEqual([])
  return openNode(world, { directory: RESTORED })
}

const numbersOf = async (node: TestNode, topic: string): Promise<number[]> => {
  const { records, damaged } = await node.readAll(await node.open(topic))
  expect(damaged).toEqual([])
  records.forEach(({ offset }, index) => expect(offset).toBe(index))
  return records.map(({ value }) => Number(value.slice(value.indexOf('-') + 1)))
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: { code: string }) => error.code,
  )

describe('a backup of a running broker', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'is a state of all logs that was there, with all that was acknowledged before it (seed %d)',
    async (seed) => {
      const { node, load } = await begin(seed)
      const before = { ...load.acknowledged }
      const report = await take(node)
      expect(report).toMatchObject({ name: 'b1', path: BACKUP })
      await node.world.scheduler.runUntil(() => load.acknowledged.b >= before.b + 40)
      const after = { ...load.acknowledged }
      load.stop()
      await node.run(load.done)
      await node.close()
      const restored = await restore(node.world)
      const a = await numbersOf(restored, 'a')
      const b = await numbersOf(restored, 'b')
      expect(a).toEqual(a.map((_, index) => index))
      expect(b).toEqual(b.map((_, index) => index))
      expect(a.length).toBeGreaterThanOrEqual(before.a)
      expect(b.length).toBeGreaterThanOrEqual(before.b)
      expect(a.length).toBeLessThan(after.a)
      // One moment for both: what was not acknowledged in `a` cannot be in `b`.
      expect(b.length).toBeLessThanOrEqual(a.length)
      expect(a.length - b.length).toBeLessThanOrEqual(1)
      const check = await restored.run(restored.broker.checkStorage(caller, {}))
      expect(check.damagedRanges).toBe(0)
      await restored.append(await restored.open('a'), ['more'])
    },
  )

  it('stays what it is while the broker goes on, and after a power loss', async () => {
    const { node, load } = await begin()
    await take(node)
    await node.world.scheduler.runUntil(() => load.acknowledged.b >= 400)
    load.stop()
    await node.run(load.done)
    node.world.losePower()
    const { disk } = node.world.boot()
    const { problems } = await node.run(verifyBackup(disk, BACKUP))
    expect(problems).toEqual([])
    const again = await openNode(node.world)
    expect(await numbersOf(again, 'a')).toHaveLength(load.acknowledged.a)
  })

  it('outlives the topics that are deleted while it is taken and afterwards', async () => {
    const { node, load } = await begin()
    load.stop()
    await node.run(load.done)
    const backup = node.broker.backUp(caller, { name: 'b1' })
    await node.run(node.broker.deleteTopic(caller, { topic: 'b' }))
    await node.run(backup)
    await node.run(node.broker.deleteTopic(caller, { topic: 'a' }))
    await node.world.scheduler.runFor(60_000)
    expect(node.world.disk.files('/data/logs').filter((path) => /logs\/[12]\//.test(path))).toEqual(
      [],
    )
    await node.close()
    const restored = await restore(node.world)
    expect(await numbersOf(restored, 'a')).toHaveLength(load.acknowledged.a)
  })

  it('copies where files cannot have a second name', async () => {
    const { node, load } = await begin()
    node.world.disk.inject({ kind: 'link', code: 'EXDEV', nth: 1, times: 1 })
    await take(node)
    load.stop()
    await node.run(load.done)
    await node.close()
    expect(await numbersOf(await restore(node.world), 'a')).not.toHaveLength(0)
  })

  it('leaves the broker and its directory well when it dies in the middle, and can be taken again', async () => {
    for (const delayUs of [100, 1_000, 3_000, 6_000, 12_000, 20_000]) {
      const { node, load } = await begin(delayUs)
      void node.broker.backUp(caller, { name: 'b1' }).catch(() => undefined)
      await node.world.scheduler.runFor(delayUs / 1_000)
      const { acknowledged } = load
      const before = { ...acknowledged }
      node.world.kill()
      const again = await openNode(node.world)
      expect((await numbersOf(again, 'a')).length).toBeGreaterThanOrEqual(before.a)
      expect((await again.run(again.broker.checkStorage(caller, {}))).damagedRanges).toBe(0)
      const isWhole = node.world.disk.find(BACKUP) !== undefined
      await take(again, isWhole ? 'b2' : 'b1')
    }
  })

  it('says what it cannot do, and leaves nothing behind', async () => {
    const { node, load } = await begin()
    load.stop()
    await node.run(load.done)
    for (const name of ['', '../x', 'a/b', '.hidden', 'x.partial', 'a'.repeat(101)])
      expect(await node.run(codeOf(node.broker.backUp(caller, { name })))).toBe(
        'ERR_INVALID_ARGUMENT',
      )
    const first = codeOf(node.broker.backUp(caller, { name: 'b1' }))
    const second = codeOf(node.broker.backUp(caller, { name: 'b2' }))
    expect(await node.run(Promise.all([first, second]))).toEqual(['done', 'ERR_BUSY'])
    expect(await node.run(codeOf(node.broker.backUp(caller, { name: 'b1' })))).toBe(
      'ERR_INVALID_ARGUMENT',
    )
    for (const [code, told] of [
      ['ENOSPC', 'ERR_STORAGE_FULL'],
      ['EIO', 'ERR_INVALID_ARGUMENT'],
    ] as const) {
      const matches = (path: string): boolean => path.includes('.partial')
      node.world.disk.inject({ kind: 'write', code, nth: 3, matches })
      expect(await node.run(codeOf(node.broker.backUp(caller, { name: 'b3' })))).toBe(told)
      const names = node.world.disk.files('/data/backups')
      expect(names.filter((path) => path.includes('b3'))).toEqual([])
    }
    expect(node.fatal).toEqual([])
    expect(node.broker.status().storage.isFull).toBe(false)
    await take(node, 'b3')
  })

  it('has a name that the clock gives when nobody gives one', async () => {
    const { node } = await begin()
    const { name } = await node.run(node.broker.backUp(caller, {}))
    expect(name).toMatch(/^backup-\d{8}T\d{9}Z$/)
    expect(() => checkBackupName(name)).not.toThrow()
  })
})

describe('a backup of a stopped broker', () => {
  it('has all that the directory has', async () => {
    const { node, load } = await begin()
    load.stop()
    await node.run(load.done)
    node.world.kill()
    const environment = node.world.boot()
    await node.run(backUpStopped(environment, '/data', '/copy'))
    const { problems } = await node.run(verifyBackup(environment.disk, '/copy'))
    expect(problems).toEqual([])
    const restored = await restore(node.world, '/copy')
    expect(await numbersOf(restored, 'a')).toHaveLength(load.acknowledged.a)
  })

  it('is refused while a broker has the directory', async () => {
    const { node } = await begin()
    const { disk, ...rest } = { ...node.world.boot() }
    await node.run(disk.lock('/data'))
    const backup = backUpStopped({ ...rest, disk }, '/data', '/copy')
    expect(await node.run(codeOf(backup))).toBe('ERR_DIRECTORY_LOCKED')
  })
})

describe('verifying and restoring', () => {
  const taken = async (): Promise<SimulatedWorld> => {
    const { node, load } = await begin()
    await node.run(node.broker.checkStorage(caller, {}))
    await take(node)
    load.stop()
    await node.run(load.done)
    await node.close()
    return node.world
  }

  it('finds a flipped bit in every file, and restores nothing then', async () => {
    const world = await taken()
    const { disk } = world.boot()
    const files = world.disk.files(BACKUP).filter((path) => !path.endsWith('backup.json'))
    expect(files.some((path) => path.endsWith('.crc'))).toBe(true)
    for (const path of files) {
      const bit = 8 * Math.floor(world.disk.contentOf(path).length / 2) + 2
      world.disk.flipBit(path, bit)
      const { problems } = await world.scheduler.runUntil(verifyBackup(disk, BACKUP))
      const named = problems.map(({ file }) => `${BACKUP}/${file}`)
      expect(named).toContain(path)
      // The sum of a segment is taken from its sidecar, which is then wrong by itself.
      expect(problems).toHaveLength(1)
      world.disk.flipBit(path, bit)
    }
    world.disk.flipBit(files[0] ?? '', 0)
    const report = await world.scheduler.runUntil(restoreBackup(world.boot(), BACKUP, RESTORED))
    expect(report.problems).toHaveLength(1)
    expect(world.disk.find(RESTORED)).toBeUndefined()
  })

  it('finds a file that is missing or cut, and believes no damaged manifest', async () => {
    const world = await taken()
    const environment = world.boot()
    const { disk } = environment
    const { scheduler } = world
    const [first, second] = world.disk.files(BACKUP).filter((path) => path.endsWith('.log'))
    await scheduler.runUntil(disk.remove(first ?? ''))
    const file = await scheduler.runUntil(disk.open(second ?? '', 'write'))
    await scheduler.runUntil(file.truncate(10))
    const { problems } = await scheduler.runUntil(verifyBackup(disk, BACKUP))
    expect(problems.map(({ problem }) => problem.slice(0, 10))).toEqual([
      'is missing',
      'has 10 byt',
    ])
    const manifest = `${BACKUP}/backup.json`
    const length = world.disk.contentOf(manifest).length
    for (let at = 2; at < length - 2; at += 211) {
      world.disk.flipBit(manifest, 8 * at + 1)
      expect(await scheduler.runUntil(codeOf(verifyBackup(disk, BACKUP)))).toBe(
        'ERR_INVALID_ARGUMENT',
      )
      world.disk.flipBit(manifest, 8 * at + 1)
    }
  })

  it('gives the restored directory an identity of its own, and fills only an empty one', async () => {
    const world = await taken()
    const environment = world.boot()
    const run = <T>(work: Promise<T>): Promise<T> => world.scheduler.runUntil(work)
    const report = await run(restoreBackup(environment, BACKUP, RESTORED))
    const idIn = (directory: string): unknown =>
      JSON.parse(utf8Decode(world.disk.contentOf(`${directory}/meta.json`))).directoryId
    expect(idIn(RESTORED)).toBe(report.directoryId)
    expect(idIn(RESTORED)).not.toBe(idIn('/data'))
    expect(idIn(BACKUP)).toBe(idIn('/data'))
    expect(await run(codeOf(restoreBackup(environment, BACKUP, RESTORED)))).toBe(
      'ERR_INVALID_ARGUMENT',
    )
    expect(await run(codeOf(restoreBackup(environment, '/data', '/other')))).toBe(
      'ERR_INVALID_ARGUMENT',
    )
  })

  it('leaves no directory that a broker opens when a restore dies', async () => {
    const world = await taken()
    for (const delayMs of [0.2, 1, 3, 6]) {
      const target = `/restored-${delayMs}`
      void restoreBackup(world.boot(), BACKUP, target).catch(() => undefined)
      await world.scheduler.runFor(delayMs)
      world.losePower()
      const isWhole = world.disk.find(`${target}/meta.json`) !== undefined
      const hasLogs = world.disk.find(`${target}/logs`) !== undefined
      if (isWhole || !hasLogs) continue
      await expect(openNode(world, { directory: target })).rejects.toMatchObject({
        code: 'ERR_DATA_FORMAT',
      })
    }
  })

  it('takes no path that leads out of the directory', () => {
    const manifest = {
      format: 1,
      name: 'b1',
      createdAtMs: 1,
      directoryId: 'x',
      group: 1,
      files: [{ path: 'logs/1/00000000000000000000.log', bytes: 1, crc: 1 }],
    }
    expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest)
    for (const path of ['../x', '/etc/passwd', 'logs/1/../../x', 'logs/x/y', 'LOCK', 'a\u0000'])
      expect(
        decodeManifest(encodeManifest({ ...manifest, files: [{ path, bytes: 1, crc: 1 }] })),
      ).toBeUndefined()
  })
})
