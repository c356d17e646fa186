import { batchTotalBytes } from '@millrace/codec'
import type {
  BrokerOptions,
  FileRange,
  ReadResult,
  TopicHandle,
} from '../../src/engine/operations.ts'
import { FILE_RANGE_BYTES_MIN } from '../../src/log/limits.ts'
import {
  caller,
  newWorld,
  openNode,
  recordsOf,
  segmentFiles,
  type TestNode,
} from '../support/node.ts'

const SEGMENT_BYTES = 512 * 1024
/** Small enough that several batches stand between two entries of an index. */
const VALUES = Array.from({ length: 400 }, (_, index) => `${index}`.padStart(4_000, '.'))
const SWEEP_MS = 61_000

const options: Partial<BrokerOptions> = {
  storage: { journalFileBytes: 1 << 20, checkpointBytes: 2 << 20, unflushedBytesMax: 4 << 20 },
}

interface Filled {
  readonly node: TestNode
  readonly handle: TopicHandle
}

/** Segments of which all but the last are full; in files, and not in memory. */
const filled = async (withSidecars = true): Promise<Filled> => {
  const before = await openNode(newWorld(), options)
  const settings = { segmentBytes: SEGMENT_BYTES, retentionMs: -1 }
  const first = await before.create('t', settings)
  for (const value of VALUES) await before.append(first, [value])
  await before.close()
  const node = await openNode(before.world, options)
  if (withSidecars) await node.world.scheduler.runFor(SWEEP_MS)
  return { node, handle: await node.open('t') }
}

const fetch = (
  { node, handle }: Filled,
  offset: number,
  bytesMax = 200_000,
  mayStayInFile = true,
): Promise<ReadResult> =>
  node.run(
    new Promise((resolve) => {
      const operation = { handle, partition: 0, offset, bytesMax, bytesMin: 0, waitMsMax: 0 }
      node.session.fetch({ ...operation, mayStayInFile }, resolve)
    }),
  )

const bytesOf = async (node: TestNode, range: FileRange | undefined): Promise<Uint8Array> => {
  const bytes = new Uint8Array(range?.byteLength ?? 0)
  const count = await node.run(range?.read(bytes, 0) ?? Promise.resolve(0))
  expect(count).toBe(bytes.length)
  return bytes
}

const valuesIn = (bytes: Uint8Array, from = 0): string[] =>
  recordsOf([bytes], from).map(({ value }) => value)

it('gives ranges that hold every record once, whole batches, from any offset', async () => {
  const all = await filled()
  for (const start of [0, 1, 2, 77, 130]) {
    let offset = start
    let ranges = 0
    const values: string[] = []
    while (offset < VALUES.length) {
      const { lease, nextOffset } = await fetch(all, offset)
      const { range, parts = [] } = lease ?? {}
      if (range !== undefined) ranges++
      const bytes = range === undefined ? Buffer.concat(parts) : await bytesOf(all.node, range)
      expect(bytes.length).toBe(lease?.byteLength)
      expect(recordsOf([bytes])[0]?.offset).toBe(offset)
      values.push(...valuesIn(bytes))
      expect(nextOffset).toBe(start + values.length)
      lease?.release()
      offset = nextOffset
    }
    expect(values).toEqual(VALUES.slice(start))
    expect(ranges).toBeGreaterThan(3)
  }
  await all.node.close()
})

it('begins with the batch that holds the offset', async () => {
  const before = await openNode(newWorld(), options)
  const handle = await before.create('t', { segmentBytes: SEGMENT_BYTES, retentionMs: -1 })
  for (let index = 0; index < VALUES.length; index += 2)
    await before.append(handle, VALUES.slice(index, index + 2))
  await before.close()
  const node = await openNode(before.world, options)
  await node.world.scheduler.runFor(SWEEP_MS)
  const { lease } = await fetch({ node, handle: await node.open('t') }, 13)
  expect(recordsOf([await bytesOf(node, lease?.range)])[0]?.offset).toBe(12)
  lease?.release()
  await node.close()
})

it('keeps to the bytes asked for, and reads where a range would be short', async () => {
  const all = await filled()
  const { lease } = await fetch(all, 0, FILE_RANGE_BYTES_MIN * 2)
  expect(lease?.range?.byteLength).toBeGreaterThanOrEqual(FILE_RANGE_BYTES_MIN)
  expect(lease?.range?.byteLength).toBeLessThanOrEqual(FILE_RANGE_BYTES_MIN * 2)
  lease?.release()
  const short = (await fetch(all, 0, FILE_RANGE_BYTES_MIN - 1)).lease
  expect(short?.range).toBeUndefined()
  short?.release()
  await all.node.close()
})

it.each([
  ['who did not ask', async (all: Filled) => (await fetch(all, 0, 200_000, false)).lease],
  ['the segment that is written to', async (all: Filled) => (await fetch(all, 395)).lease],
])('reads for %s', async (_who, read) => {
  const all = await filled()
  const lease = await read(all)
  expect(lease?.range).toBeUndefined()
  expect(lease?.parts.length).toBeGreaterThan(0)
  lease?.release()
  await all.node.close()
})

it('reads a segment that has no sidecar yet, and gives ranges once it has', async () => {
  const all = await filled(false)
  const before = (await fetch(all, 0)).lease
  expect(before?.range).toBeUndefined()
  before?.release()
  await all.node.world.scheduler.runFor(SWEEP_MS)
  const after = (await fetch(all, 0)).lease
  expect(after?.range).toBeDefined()
  after?.release()
  await all.node.close()
})

it('gives no range of a segment whose sidecar is damaged', async () => {
  const { node } = await filled()
  await node.close()
  const [sidecar = ''] = node.world.disk
    .files('/data/logs/1')
    .filter((path) => /0\.crc$/.test(path))
  node.world.disk.flipBit(sidecar, 8 * 50)
  const next = await openNode(node.world, options)
  const { lease } = await fetch({ node: next, handle: await next.open('t') }, 0)
  expect(lease?.range).toBeUndefined()
  lease?.release()
  await next.close()
})

it('verifies, and names what is damaged, once damage is known', async () => {
  const all = await filled()
  const [segment = ''] = segmentFiles(all.node.world).filter((path) => path.includes('/logs/1/'))
  all.node.world.disk.flipBit(segment, 8 * 9_000)
  const report = await all.node.run(all.node.broker.checkStorage(caller, {}))
  expect(report.ranges).toHaveLength(1)
  const { lease, error } = await fetch(all, 0)
  expect([error, lease?.range]).toEqual([undefined, undefined])
  const values = valuesIn(Buffer.concat(lease?.parts ?? []))
  expect(values).toEqual(VALUES.slice(0, values.length))
  lease?.release()
  expect((await fetch(all, values.length)).error?.code).toBe('ERR_DATA_CORRUPT')
  await all.node.close()
})

it('does not believe a sidecar any more whose file cannot be read', async () => {
  const all = await filled()
  const { lease } = await fetch(all, 0)
  const matches = (path: string): boolean => path.includes('/logs/1/')
  all.node.world.disk.faults.add({ kind: 'read', code: 'EIO', nth: 1, matches })
  const reading = lease?.range?.read(new Uint8Array(100), 0) ?? Promise.resolve(0)
  await expect(all.node.run(reading)).rejects.toMatchObject({ code: 'EIO' })
  lease?.release()
  const again = (await fetch(all, 0)).lease
  expect([again?.range, again?.parts.length]).toEqual([undefined, 1])
  again?.release()
  await all.node.close()
})

describe('a range that is held', () => {
  const firstBatches = async (all: Filled): Promise<{ result: ReadResult; expected: string[] }> => {
    const result = await fetch(all, 0)
    return { result, expected: VALUES.slice(0, result.nextOffset) }
  }

  it('stays readable when retention removes its segment', async () => {
    const all = await filled()
    const { result, expected } = await firstBatches(all)
    await all.node.run(
      all.node.broker.deleteRecords(caller, {
        topic: 't',
        partitions: [{ partition: 0, before: 390 }],
      }),
    )
    expect(segmentFiles(all.node.world).some((path) => /\/logs\/1\/0+\.log$/.test(path))).toBe(
      false,
    )
    expect(valuesIn(await bytesOf(all.node, result.lease?.range))).toEqual(expected)
    result.lease?.release()
    await all.node.close()
  })

  it('stays what it was when its segment is written anew, and delays nobody', async () => {
    const all = await filled()
    const { result, expected } = await firstBatches(all)
    await all.node.run(
      all.node.broker.truncateTopic(caller, { topic: 't', partition: 0, from: 1 }),
      SWEEP_MS,
    )
    expect(valuesIn(await bytesOf(all.node, result.lease?.range))).toEqual(expected)
    const anew = await all.node.values(all.handle)
    expect(anew).toEqual(VALUES.slice(0, 1))
    result.lease?.release()
    await all.node.close()
  })

  it('outlives its topic and the store, and closes its file in the end', async () => {
    const all = await filled()
    const { result, expected } = await firstBatches(all)
    await all.node.run(all.node.broker.deleteTopic(caller, { topic: 't' }))
    await all.node.world.scheduler.runFor(1_000)
    await all.node.close()
    expect(valuesIn(await bytesOf(all.node, result.lease?.range))).toEqual(expected)
    const { calls } = all.node.world.disk.counters
    const closed = calls.close
    result.lease?.release()
    result.lease?.release()
    await all.node.world.scheduler.runFor(1_000)
    expect(calls.close).toBe(closed + 1)
  })

  it('lets a read under way come to its end before the file is closed', async () => {
    const all = await filled()
    const { result, expected } = await firstBatches(all)
    await all.node.run(all.node.broker.deleteTopic(caller, { topic: 't' }))
    await all.node.world.scheduler.runFor(1_000)
    const bytes = new Uint8Array(result.lease?.byteLength ?? 0)
    const reading = result.lease?.range?.read(bytes, 0)
    result.lease?.release()
    await all.node.run(Promise.resolve(reading))
    expect(valuesIn(bytes)).toEqual(expected)
    await all.node.close()
  })
})

it('finds everything while its segment is written anew again and again', async () => {
  const node = await openNode(newWorld(), options)
  const handle = await node.create('t', { segmentBytes: SEGMENT_BYTES, retentionMs: -1 })
  for (const value of VALUES.slice(0, 40)) await node.append(handle, [value])
  for (let from = 39; from > 33; from--) {
    await node.run(node.broker.checkStorage(caller, {}))
    let isOver = false
    const truncation = node.broker.truncateTopic(caller, { topic: 't', partition: 0, from })
    void truncation.then(() => (isOver = true))
    for (let offset = 0; !isOver; offset = (offset + 7) % 30) {
      const { error, lease } = await fetch({ node, handle }, offset, 100_000)
      lease?.release()
      expect(error).toBeUndefined()
      // Never the same distance from the moment of the replacement.
      await node.world.scheduler.runFor(offset / 20)
    }
    await node.run(truncation)
  }
  expect(node.broker.describeTopic(caller, 't').partitions[0]?.quarantined).toEqual([])
  await node.close()
})

it('holds a few files only: the others are read', async () => {
  const few = { ...options, storage: { ...options.storage, openFilesMax: 8 } }
  const before = await filled()
  await before.node.close()
  const node = await openNode(before.node.world, few)
  const all = { node, handle: await node.open('t') }
  const starts: number[] = [0]
  for (const path of segmentFiles(node.world)
    .filter((name) => name.includes('/logs/1/'))
    .sort())
    starts.push(Number(path.slice(-24, -4)))
  const results: ReadResult[] = []
  for (const start of starts.slice(1, 4)) results.push(await fetch(all, start))
  expect(results.map(({ lease }) => lease?.range !== undefined)).toEqual([true, true, false])
  expect(batchTotalBytes(Buffer.concat(results[2]?.lease?.parts ?? []), 0)).toBeGreaterThan(0)
  const again = await fetch(all, 0)
  for (const { lease } of [...results, again]) lease?.release()
  const freed = await fetch(all, starts[3] ?? 0)
  expect(freed.lease?.range).toBeDefined()
  freed.lease?.release()
  await node.close()
})
