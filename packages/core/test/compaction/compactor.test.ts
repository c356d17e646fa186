import {
  RecordBatchBuilder,
  RecordCursor,
  batchAttributes,
  batchTotalBytes,
  compressionCodecs,
  compressionOf,
  deflateBatch,
  inflateBatch,
  utf8Decode,
  utf8Encode,
  type BatchCompression,
} from '@millrace/codec'
import type { BrokerOptions, TopicHandle, TopicSettingsPatch } from '../../src/engine/operations.ts'
import {
  caller,
  newWorld,
  openNode,
  overwrite,
  segmentFiles,
  type Outcome,
  type TestNode,
} from '../support/node.ts'

const CHECK_MS = 1_000
const PAD = 'p'.repeat(400)

const storage = {
  retentionCheckMs: CHECK_MS,
  compactionBytesPerSecond: 1 << 30,
  compactionKeyBytesMax: 1 << 20,
}

const open = (world: TestNode['world'], more: Partial<BrokerOptions> = {}): Promise<TestNode> =>
  openNode(world, { ...more, storage: { ...storage, ...more.storage } })

/** About eight records a segment. */
const compacted: TopicSettingsPatch = { segmentBytes: 4_096, cleanupPolicy: 'compact' }

type Pair = readonly [key: string | null, value: string | null]

const batchOf = (pairs: readonly Pair[], now: number): Uint8Array => {
  const builder = new RecordBatchBuilder()
  for (const [key, value] of pairs)
    builder.appendFields(
      now,
      key === null ? null : utf8Encode(key),
      value === null ? null : utf8Encode(value + PAD),
      [],
    )
  return builder.build()
}

const put = async (node: TestNode, handle: TopicHandle, ...pairs: Pair[]): Promise<void> => {
  for (const pair of pairs) {
    const bytes = batchOf([pair], node.world.clock.now())
    await node.run(node.submit(handle, bytes) as Promise<Outcome>)
  }
}

interface Kept {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
}

/** Every record, by reading from the start as any reader does. */
const readAll = async (node: TestNode, handle: TopicHandle): Promise<Kept[]> => {
  const kept: Kept[] = []
  let offset = 0
  for (;;) {
    const result = await node.fetch(handle, offset)
    if (result.error !== undefined) throw result.error
    if (result.lease === undefined) return kept
    for (const part of result.lease.parts)
      for (let at = 0; at < part.length; at += batchTotalBytes(part, at)) {
        const cursor = new RecordCursor(part, at)
        while (cursor.next())
          if (cursor.offset >= offset)
            kept.push({
              offset: cursor.offset,
              key: cursor.key === null ? null : utf8Decode(cursor.key),
              value: cursor.value === null ? null : utf8Decode(cursor.value).slice(0, -PAD.length),
            })
      }
    result.lease.release()
    if (result.nextOffset <= offset) throw new Error('the reader does not get on')
    offset = result.nextOffset
  }
}

/** Long enough for two checkpoints and a pass. */
const settle = (node: TestNode): Promise<void> => node.world.scheduler.runFor(6 * CHECK_MS)

const rounds = async (node: TestNode, handle: TopicHandle, count: number, keys = 5) => {
  for (let round = 0; round < count; round++)
    for (let key = 0; key < keys; key++) await put(node, handle, [`k${key}`, `v${round}`])
}

describe('compaction', () => {
  it('keeps the last record of each key where it was, and everything that is not sealed', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', compacted)
    await rounds(node, handle, 12)
    const before = await readAll(node, handle)
    await settle(node)
    const after = await readAll(node, handle)
    expect(after.length).toBeLessThan(20)
    const lastOf = new Map(before.map((record) => [record.key, record]))
    for (const record of lastOf.values()) expect(after).toContainEqual(record)
    const known = new Map(before.map((record) => [record.offset, record]))
    for (const record of after) expect(known.get(record.offset)).toEqual(record)
    expect(after.map(({ offset }) => offset)).toEqual(
      [...after.map(({ offset }) => offset)].sort((a, b) => a - b),
    )
    expect(node.broker.describeTopic(caller, 't').partitions[0]).toMatchObject({
      earliest: 0,
      next: 60,
      quarantined: [],
    })
    expect(node.broker.status().storage.recordsCompacted).toBe(before.length - after.length)
  })

  it.each([
    ['a clean stop', true],
    ['a power loss', false],
  ])('reads the same after %s', async (_name, isClean) => {
    const world = newWorld()
    let node = await open(world)
    const handle = await node.create('t', compacted)
    await rounds(node, handle, 12)
    await settle(node)
    const after = await readAll(node, handle)
    if (isClean) await node.close()
    else world.losePower()
    node = await open(world)
    expect(await readAll(node, await node.open('t'))).toEqual(after)
    expect(node.broker.status().storage.recovery.quarantinedRanges).toBe(0)
    await settle(node)
    const again = await readAll(node, await node.open('t'))
    for (const record of again) expect(after).toContainEqual(record)
  })

  it('leaves records without a key alone', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', compacted)
    for (let index = 0; index < 30; index++) await put(node, handle, [null, `n${index}`])
    await settle(node)
    expect(await readAll(node, handle)).toHaveLength(30)
  })

  it('keeps a tombstone for its time, then lets it go', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', { ...compacted, tombstoneMs: 60_000 })
    await put(node, handle, ['gone', 'a'], ['stays', 'b'], ['gone', null])
    await rounds(node, handle, 8)
    await settle(node)
    const first = await readAll(node, handle)
    expect(first).toContainEqual({ offset: 2, key: 'gone', value: null })
    expect(first.filter(({ key }) => key === 'gone')).toHaveLength(1)
    await node.world.scheduler.runFor(30_000)
    expect((await readAll(node, handle)).some(({ key }) => key === 'gone')).toBe(true)
    await node.world.scheduler.runFor(40_000)
    const second = await readAll(node, handle)
    expect(second.some(({ key }) => key === 'gone')).toBe(false)
    expect(second).toContainEqual({ offset: 1, key: 'stays', value: 'b' })
  })

  it('waits until records are as old as the lag', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', { ...compacted, compactionLagMs: 3_600_000 })
    await rounds(node, handle, 8)
    await settle(node)
    expect(await readAll(node, handle)).toHaveLength(40)
    await node.world.scheduler.runFor(3_600_000)
    await settle(node)
    expect((await readAll(node, handle)).length).toBeLessThan(20)
  }, 20_000)

  it('takes more passes when the keys do not fit into memory', async () => {
    const node = await open(newWorld(), { storage: { compactionKeyBytesMax: 1_000 } })
    const handle = await node.create('t', compacted)
    await rounds(node, handle, 4, 30)
    await node.world.scheduler.runFor(40 * CHECK_MS)
    const after = await readAll(node, handle)
    expect(new Set(after.map(({ key }) => key)).size).toBe(30)
    expect(after.length).toBeLessThan(60)
  })

  it('touches nothing that a recovery may replay into', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', compacted)
    await rounds(node, handle, 8)
    // No checkpoint was taken yet: the first pass may only ask for one.
    await node.world.scheduler.runFor(CHECK_MS + 500)
    expect(node.broker.status().storage.segmentsCompacted).toBe(0)
    expect(node.broker.status().storage.checkpoints).toBe(1)
  })

  it('serves a reader the same while segments are replaced under it', async () => {
    const node = await open(newWorld())
    const handle = await node.create('t', compacted)
    await rounds(node, handle, 20)
    const seen: number[] = []
    let offset = 0
    for (let step = 0; step < 400; step++) {
      const result = await node.fetch(handle, offset)
      expect(result.error).toBeUndefined()
      for (const part of result.lease?.parts ?? [])
        for (let at = 0; at < part.length; at += batchTotalBytes(part, at)) {
          const cursor = new RecordCursor(part, at)
          while (cursor.next()) if (cursor.offset >= offset) seen.push(cursor.offset)
        }
      result.lease?.release()
      offset = result.nextOffset >= 100 ? 0 : Math.max(result.nextOffset, offset)
      await node.world.scheduler.runFor(20)
    }
    expect(node.broker.status().storage.segmentsCompacted).toBeGreaterThan(3)
    expect(node.broker.describeTopic(caller, 't').partitions[0]?.quarantined).toEqual([])
    expect(seen.length).toBeGreaterThan(200)
  })

  it('inflates what is compressed, and compresses what stays', async () => {
    // For the test: runs of zeros are what it makes smaller.
    const compression: BatchCompression = {
      compress: (_codec, bytes) => {
        const end = bytes.findLastIndex((byte) => byte !== 0) + 1
        return new Uint8Array([...bytes.subarray(0, end), (bytes.length - end) & 0xff])
      },
      decompress: (_codec, bytes) => {
        const zeros = bytes.at(-1) ?? 0
        return new Uint8Array([...bytes.subarray(0, -1), ...new Uint8Array(zeros)])
      },
    }
    const node = await open(newWorld(), { compression })
    const handle = await node.create('t', { ...compacted, segmentBytes: 4_096 })
    const now = node.world.clock.now()
    for (let round = 0; round < 30; round++) {
      const builder = new RecordBatchBuilder()
      for (const key of [`once${round}`, 'k0', 'k1'])
        builder.appendFields(now, utf8Encode(key), new Uint8Array(120), [])
      const batch = deflateBatch(builder.build(), compression, compressionCodecs.lz4)
      await node.run(node.submit(handle, batch) as Promise<Outcome>)
    }
    await settle(node)
    const keys: string[] = []
    let offset = 0
    for (;;) {
      const result = await node.fetch(handle, offset)
      if (result.lease === undefined) break
      for (const part of result.lease.parts)
        for (let at = 0; at < part.length; at += batchTotalBytes(part, at)) {
          const batch = part.slice(at, at + batchTotalBytes(part, at))
          expect(compressionOf(batchAttributes(batch))).toBe(compressionCodecs.lz4)
          const cursor = new RecordCursor(inflateBatch(batch, compression, 1 << 20))
          while (cursor.next()) keys.push(utf8Decode(cursor.key as Uint8Array))
        }
      result.lease.release()
      offset = result.nextOffset
    }
    for (let round = 0; round < 30; round++) expect(keys).toContain(`once${round}`)
    expect(keys.filter((key) => key === 'k0').length).toBeLessThan(15)
    expect(keys).toContain('k1')
  })

  it('leaves a damaged segment as it is, and says so', async () => {
    const world = newWorld()
    let node = await open(world)
    await node.create('t', compacted)
    await rounds(node, await node.open('t'), 8)
    await node.close()
    const path = segmentFiles(world).filter((name) => name.includes('/logs/1/'))[1] as string
    const bytes = world.disk.contentOf(path).slice()
    bytes[600] = (bytes[600] as number) ^ 1
    await overwrite(world, path, bytes)
    node = await open(world)
    await settle(node)
    expect(world.disk.contentOf(path)).toEqual(bytes)
    expect(node.fatal).toEqual([])
  })

  it('gives way to retention, which takes the segments that it reads', async () => {
    const world = newWorld()
    const node = await open(world, { storage: { compactionBytesPerSecond: 3_000 } })
    const handle = await node.create('t', compacted)
    await rounds(node, handle, 8)
    await world.scheduler.runFor(3 * CHECK_MS)
    const partitions = [{ partition: 0, before: -1 }]
    await node.run(node.broker.deleteRecords(caller, { topic: 't', partitions }))
    await world.scheduler.runFor(60 * CHECK_MS)
    expect(node.fatal).toEqual([])
    expect(await readAll(node, handle).catch((error: { code: string }) => error.code)).toBe(
      'ERR_OFFSET_OUT_OF_RANGE',
    )
  })

  it('recognises a producer whose batches it took away', async () => {
    const world = newWorld()
    let node = await open(world)
    let handle = await node.create('t', compacted)
    const producer = await node.run(node.broker.initProducer(caller))
    const stamped = (sequence: number): Uint8Array => {
      const options = { producerId: producer.producerId, producerEpoch: 0, baseSequence: sequence }
      const builder = new RecordBatchBuilder(options)
      builder.appendFields(node.world.clock.now(), utf8Encode('k0'), utf8Encode(PAD), [])
      return builder.build()
    }
    for (let sequence = 0; sequence < 6; sequence++)
      await node.run(node.submit(handle, stamped(sequence)) as Promise<Outcome>)
    await rounds(node, handle, 8)
    await settle(node)
    expect((await readAll(node, handle)).some(({ offset }) => offset < 6)).toBe(false)
    await node.close()
    const { disk } = world.boot()
    await world.scheduler.runUntil(disk.remove('/data/producers.snapshot'))
    node = await open(world)
    handle = await node.open('t')
    // From the header of the empty batch that was kept for it.
    const again = await node.run(node.submit(handle, stamped(5)) as Promise<Outcome>)
    expect(again).toMatchObject({ isDuplicate: true, baseOffset: 5 })
  })

  it('is refused to a topic that is not synced', async () => {
    const node = await open(newWorld())
    await expect(node.create('t', { ...compacted, durability: 'memory' })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
  })
})
