import { RecordBatchBuilder, batchLeaderEpoch, batchTotalBytes, utf8Encode } from '@millrace/codec'
import type { BrokerOptions, StorageOptions, TopicHandle } from '../../src/engine/operations.ts'
import { caller, newWorld, openNode, segmentFiles, type TestNode } from '../support/node.ts'

const VALUES = Array.from({ length: 40 }, (_, index) => `${index}`.padStart(400, '.'))
const SWEEP_MS = 61_000

const options = (storage: Partial<StorageOptions> = {}): Partial<BrokerOptions> => ({
  storage: { scrubIntervalMs: 200_000, ...storage },
})

/** Forty batches of one record in segments of 4 KiB, all but the last few sealed and synced. */
const filled = async (
  storage: Partial<StorageOptions> = {},
): Promise<{ node: TestNode; handle: TopicHandle; sealed: string[] }> => {
  const node = await openNode(newWorld(), options(storage))
  const handle = await node.create('t', { segmentBytes: 4_096, retentionMs: -1 })
  for (const value of VALUES) await node.append(handle, [value])
  await node.close()
  return { ...(await reopened(node, storage)), sealed: segmentsOf(node).slice(0, -1) }
}

const reopened = async (
  before: TestNode,
  storage: Partial<StorageOptions> = {},
): Promise<{ node: TestNode; handle: TopicHandle }> => {
  const node = await openNode(before.world, options(storage))
  return { node, handle: await node.open('t') }
}

const segmentsOf = ({ world }: TestNode): string[] =>
  segmentFiles(world)
    .filter((path) => path.includes('/logs/1/'))
    .sort()

const filesOf = ({ world }: TestNode, ending: string): string[] =>
  world.disk
    .files('/data/logs/1')
    .filter((path) => path.endsWith(ending))
    .sort()

const careOf = ({ broker }: TestNode) => broker.status().storage.care

const gapsOf = ({ broker }: TestNode) =>
  broker.describeTopic(caller, 't').partitions[0]?.quarantined

const flip = ({ world }: TestNode, path: string, byte: number, bit = 3): void =>
  world.disk.flipBit(path, 8 * byte + bit)

describe('the scrubber', () => {
  it('makes a sidecar for each sealed segment, and none for the one that is written to', async () => {
    const { node, sealed } = await filled()
    expect(sealed.length).toBeGreaterThan(3)
    expect(filesOf(node, '.crc')).toEqual([])
    await node.world.scheduler.runFor(SWEEP_MS)
    expect(filesOf(node, '.crc')).toEqual(sealed.map((path) => path.replace('.log', '.crc')))
    expect(careOf(node)).toMatchObject({ sidecarsWritten: sealed.length, damagedRanges: 0 })
  })

  it('reads nothing again before it is due, also after a restart', async () => {
    const { node, sealed } = await filled()
    await node.world.scheduler.runFor(3 * SWEEP_MS)
    expect(careOf(node).segmentsChecked).toBe(sealed.length)
    await node.close()
    const next = (await reopened(node)).node
    await next.world.scheduler.runFor(SWEEP_MS)
    expect(careOf(next).segmentsChecked).toBeLessThanOrEqual(sealed.length)
    await next.world.scheduler.runFor(3 * SWEEP_MS)
    expect(careOf(next).segmentsChecked).toBeGreaterThanOrEqual(sealed.length)
  })

  it.each([
    ['base offset', 0, 7],
    ['base offset', 7, 0],
    ['length', 8, 1],
    ['length', 11, 0],
    ['epoch', 12, 7],
    ['epoch', 15, 0],
    ['epoch', 15, 4],
    ['magic', 16, 1],
    ['checksum', 17, 1],
    ['records', 200, 1],
  ])('finds a flipped bit of the %s (byte %d, bit %d)', async (_what, byte, bit) => {
    const { node, handle, sealed } = await filled()
    await node.world.scheduler.runFor(SWEEP_MS)
    const path = sealed[2] ?? ''
    const bytes = node.world.disk.contentOf(path)
    const at = batchTotalBytes(bytes)
    expect(batchLeaderEpoch(bytes, at)).toBeGreaterThan(0)
    const damaged = Number(path.slice(-24, -4)) + 1
    flip(node, path, at + byte, bit)
    await node.world.scheduler.runFor(4 * SWEEP_MS)
    expect(gapsOf(node)).toEqual([{ from: damaged, to: damaged + 1 }])
    expect(careOf(node).damagedRanges).toBe(1)
    const { records, damaged: told } = await node.readAll(handle)
    expect(told).toEqual([{ from: damaged, to: damaged + 1 }])
    expect(records.map(({ value }) => value)).toEqual(
      VALUES.filter((_, index) => index !== damaged),
    )
  })

  it('finds damage again after a restart, at once', async () => {
    const { node, sealed } = await filled({ scrubIntervalMs: 10_000_000 })
    await node.world.scheduler.runFor(SWEEP_MS)
    const path = sealed[2] ?? ''
    const bytes = node.world.disk.contentOf(path)
    flip(node, path, batchTotalBytes(bytes) + 15)
    expect((await node.run(node.broker.checkStorage(caller, {}))).damagedRanges).toBe(1)
    const sums = [...node.world.disk.contentOf(path.replace('.log', '.crc')).subarray(44)]
    await node.close()
    const next = (await reopened(node, { scrubIntervalMs: 10_000_000 })).node
    expect(gapsOf(next)).toEqual([])
    await next.world.scheduler.runFor(SWEEP_MS)
    expect(gapsOf(next)).toHaveLength(1)
    expect([...next.world.disk.contentOf(path.replace('.log', '.crc')).subarray(44)]).toEqual(sums)
  })

  it('blesses no damage: a segment that is bad before it has a sidecar gets none', async () => {
    const { node, sealed } = await filled()
    flip(node, sealed[1] ?? '', 300)
    await node.world.scheduler.runFor(3 * SWEEP_MS)
    expect(filesOf(node, '.crc')).toHaveLength(sealed.length - 1)
    expect(gapsOf(node)).toHaveLength(1)
    expect(careOf(node).damagedRanges).toBe(1)
  })

  it('names what a segment has lost that is too short, and one that is gone', async () => {
    const { node, sealed } = await filled()
    const { disk } = node.world
    await node.world.scheduler.runFor(SWEEP_MS)
    await node.close()
    const environment = node.world.boot()
    const file = await node.run(environment.disk.open(sealed[1] ?? '', 'write'))
    await node.run(file.truncate(disk.contentOf(sealed[1] ?? '').length - 1))
    await node.run(environment.disk.remove(sealed[0] ?? ''))
    const next = (await reopened(node)).node
    const report = await next.run(next.broker.checkStorage(caller, {}))
    const first = Number((sealed[1] ?? '').slice(-24, -4))
    const third = Number((sealed[2] ?? '').slice(-24, -4))
    expect(report.ranges.map(({ from, to }) => [from, to])).toEqual([
      [0, first],
      [third - 1, third],
    ])
    expect(gapsOf(next)).toHaveLength(2)
  })

  it('makes a bad index anew', async () => {
    const { node, sealed } = await filled()
    const index = filesOf(node, '.index')[1] ?? ''
    expect(index).not.toBe('')
    const good = node.world.disk.contentOf(index)
    flip(node, index, 30)
    await node.world.scheduler.runFor(SWEEP_MS)
    expect(careOf(node)).toMatchObject({ indexesDamaged: 1, damagedRanges: 0 })
    expect(node.world.disk.contentOf(index)).toEqual(good)
    expect(filesOf(node, '.crc')).toHaveLength(sealed.length)
  })

  it('makes a bad sidecar anew, from data that it has verified', async () => {
    const { node, sealed } = await filled()
    await node.world.scheduler.runFor(SWEEP_MS)
    const path = filesOf(node, '.crc')[0] ?? ''
    const good = node.world.disk.contentOf(path)
    flip(node, path, 44)
    await node.world.scheduler.runFor(4 * SWEEP_MS)
    const sums = (bytes: Uint8Array): number[] => [...bytes.subarray(44)]
    expect(sums(node.world.disk.contentOf(path))).toEqual(sums(good))
    expect(careOf(node)).toMatchObject({ sidecarsDamaged: 1, damagedRanges: 0 })
    expect(filesOf(node, '.crc')).toHaveLength(sealed.length)
  })

  it('reads at the rate that it is given, and makes sidecars also when it is off', async () => {
    const { node, sealed } = await filled({ scrubBytesPerSecond: 100, scrubIntervalMs: 1_000 })
    await node.world.scheduler.runFor(SWEEP_MS)
    const before = careOf(node).bytesChecked
    await node.world.scheduler.runFor(60_000)
    expect(careOf(node).bytesChecked - before).toBeLessThanOrEqual(6_000 + 4_096)
    await node.close()
    const off = (await reopened(node, { scrubBytesPerSecond: 0, scrubIntervalMs: 1_000 })).node
    await off.world.scheduler.runFor(4 * SWEEP_MS)
    expect(careOf(off).segmentsChecked).toBeLessThanOrEqual(1)
    expect(filesOf(off, '.crc').length).toBeGreaterThanOrEqual(sealed.length)
  })

  it('lets go at once when the broker closes, and bears a topic that goes while it is read', async () => {
    const { node } = await filled({ scrubBytesPerSecond: 1, scrubIntervalMs: 1_000 })
    await node.world.scheduler.runFor(2 * SWEEP_MS)
    await node.run(node.broker.deleteTopic(caller, { topic: 't' }))
    await node.world.scheduler.runFor(2 * SWEEP_MS)
    expect(node.fatal).toEqual([])
    const startedAt = node.world.clock.now()
    await node.close()
    expect(node.world.clock.now() - startedAt).toBeLessThan(5_000)
  })
})

describe('the scrubber beside compaction', () => {
  it('finds nothing wrong with what was compacted, and makes its sidecars anew', async () => {
    const storage = { checkpointBytes: 16 * 1024, retentionCheckMs: 500, scrubIntervalMs: 60_000 }
    const node = await openNode(newWorld(), options(storage))
    const handle = await node.create('t', {
      segmentBytes: 4_096,
      retentionMs: -1,
      cleanupPolicy: 'compact',
    })
    for (let index = 0; index < 300; index++) {
      const builder = new RecordBatchBuilder()
      const value = utf8Encode(`${index}`.padStart(200, '.'))
      builder.appendFields(node.world.clock.now(), utf8Encode(`k${index % 3}`), value, [])
      await node.run(node.submit(handle, builder.build()) as Promise<unknown>)
      if (index % 50 === 49) await node.world.scheduler.runFor(SWEEP_MS)
    }
    await node.world.scheduler.runFor(4 * SWEEP_MS)
    const { records } = await node.readAll(handle)
    expect(records.length).toBeLessThan(150)
    const report = await node.run(node.broker.checkStorage(caller, {}))
    expect(report).toMatchObject({ damagedRanges: 0, damagedFiles: 0 })
    expect(filesOf(node, '.crc').length).toBeGreaterThan(1)
    await node.run(node.broker.backUp(caller, { name: 'b' }))
    await node.close()
    const again = (await reopened(node)).node
    const second = await again.run(again.broker.checkStorage(caller, {}))
    expect(second).toMatchObject({ damagedRanges: 0, damagedFiles: 0 })
  })
})

describe('a check of the storage', () => {
  it('says what there is when all is well, active segments included', async () => {
    const { node, handle } = await filled()
    for (const value of VALUES.slice(0, 5)) await node.append(handle, [value])
    const report = await node.run(node.broker.checkStorage(caller, {}))
    expect(report).toMatchObject({ damagedRanges: 0, ranges: [], damagedFiles: 0 })
    expect(report.batches).toBeGreaterThanOrEqual(VALUES.length)
  })

  it('runs once at a time', async () => {
    const { node } = await filled()
    const first = node.broker.checkStorage(caller, {})
    const second = node.broker.checkStorage(caller, {})
    await expect(node.run(second)).rejects.toMatchObject({ code: 'ERR_BUSY' })
    await expect(node.run(first)).resolves.toMatchObject({ damagedRanges: 0 })
    await expect(node.run(node.broker.checkStorage(caller, {}))).resolves.toBeDefined()
  })

  it('checks one topic, and refuses one that is not there', async () => {
    const { node } = await filled()
    await node.create('other')
    const report = await node.run(node.broker.checkStorage(caller, { topic: 't' }))
    expect(report.logs).toBe(1)
    const missing = Promise.resolve().then(() => node.broker.checkStorage(caller, { topic: 'x' }))
    await expect(node.run(missing)).rejects.toMatchObject({ code: 'ERR_TOPIC_NOT_FOUND' })
  })

  it('lists a hundred ranges and counts them all', async () => {
    const node = await openNode(newWorld(), options())
    const handle = await node.create('t', { segmentBytes: 256 * 1024, retentionMs: -1 })
    for (let index = 0; index < 210; index++) await node.append(handle, [`${index}`])
    await node.close()
    const path = segmentsOf(node)[0] ?? ''
    const length = node.world.disk.contentOf(path).length / 210
    expect(length).toBeGreaterThan(60)
    const bytes = node.world.disk.contentOf(path)
    for (let index = 0, at = 0; index < 210; index++, at += batchTotalBytes(bytes, at))
      if (index % 2 === 1) flip(node, path, at + 50)
    const next = (await reopened(node)).node
    const report = await next.run(next.broker.checkStorage(caller, {}))
    expect(report.damagedRanges).toBe(105)
    expect(report.ranges).toHaveLength(100)
  })
})
