import { BATCH_HEADER_BYTES, writeBatchPrefix } from '@millrace/codec'
import type { SimulatedWorld } from '@millrace/testing'
import { IndexCheck } from '../../src/care/index-check.ts'
import { SIDECAR_BLOCK_BYTES } from '../../src/care/limits.ts'
import {
  checkSegment,
  type CheckedSegment,
  type SegmentFindings,
} from '../../src/care/segment-check.ts'
import type { Sidecar } from '../../src/care/sidecar.ts'
import { OffsetIndex } from '../../src/log/offset-index.ts'
import { TimeIndex } from '../../src/log/time-index.ts'
import { batchOf, newWorld, overwrite } from '../support/node.ts'

const BASE = 100
const PATH = '/segment'

interface Made {
  readonly bytes: Uint8Array
  readonly positions: number[]
}

/** Batches of one record each, from offset 100 on; `epochOf` says the epoch of each. */
const made = (count: number, valueBytes: number, epochOf = (_index: number): number => 3): Made => {
  const parts: Uint8Array[] = []
  const positions: number[] = []
  let position = 0
  for (let index = 0; index < count; index++) {
    const batch = batchOf([`${index}`.padStart(valueBytes, '.')], 1_000 + index)
    writeBatchPrefix(batch, 0, BASE + index, batch.length, epochOf(index))
    parts.push(batch)
    positions.push(position)
    position += batch.length
  }
  return { bytes: Buffer.concat(parts), positions }
}

const check = async (
  world: SimulatedWorld,
  count: number,
  changed: Partial<CheckedSegment> = {},
): Promise<SegmentFindings> => {
  const { disk } = world.boot()
  const run = async (): Promise<SegmentFindings> => {
    const file = await disk.open(PATH, 'read')
    const bytes = await file.size()
    return checkSegment(file, {
      baseOffset: BASE,
      bytes,
      endOffset: BASE + count,
      sidecar: undefined,
      indexes: undefined,
      follows: (base, expected) => base === expected,
      isKnownGap: () => false,
      pace: () => Promise.resolve(),
      ...changed,
    })
  }
  return world.scheduler.runUntil(run())
}

const written = async (bytes: Uint8Array): Promise<SimulatedWorld> => {
  const world = newWorld()
  await overwrite(world, PATH, bytes)
  return world
}

const sidecarOf = async (world: SimulatedWorld, count: number): Promise<Sidecar> => {
  const { bytes, sums } = await check(world, count)
  if (sums === undefined) throw new Error('not good')
  return { segmentBase: BASE, segmentBytes: bytes, verifiedAtMs: 0, sums }
}

const rangesOf = (findings: SegmentFindings): string[] =>
  findings.damage.map(({ kind, from, to }) => `${kind} ${from}-${to}`)

describe('checking a segment', () => {
  it('finds nothing wrong with a good one, however its batches lie in the windows', async () => {
    for (const valueBytes of [10, 300, 250_000, 1_500_000]) {
      const count = valueBytes > 1_000_000 ? 3 : 40
      const { bytes } = made(count, valueBytes)
      const findings = await check(await written(bytes), count)
      expect(findings).toMatchObject({ batches: count, bytes: bytes.length, damage: [] })
      expect(findings.sums).toHaveLength(Math.ceil(bytes.length / SIDECAR_BLOCK_BYTES))
    }
  })

  it('leaves out what stands behind the end of its data', async () => {
    const { bytes } = made(10, 50)
    const findings = await check(await written(Buffer.concat([bytes, bytes])), 10)
    expect(findings).toMatchObject({ bytes: bytes.length, damage: [] })
  })

  it.each([1, 30, 100, 61 + 70])(
    'finds what is missing when %d bytes of the end are',
    async (cut) => {
      const { bytes } = made(10, 50)
      const findings = await check(await written(bytes.subarray(0, bytes.length - cut)), 10)
      const lost = Math.ceil(cut / (bytes.length / 10))
      expect(findings.sums).toBeUndefined()
      expect(findings.damage[0]?.from).toBe(BASE + 10 - lost)
      expect(findings.damage.at(-1)?.to).toBe(BASE + 10)
    },
  )

  it('finds every flipped bit of a batch with the sidecar, and names that batch', async () => {
    const { bytes, positions } = made(9, 40)
    const world = await written(bytes)
    const sidecar = await sidecarOf(world, 9)
    for (const index of [0, 4, 8]) {
      const start = positions[index] ?? 0
      for (let bit = 8 * start; bit < 8 * (positions[index + 1] ?? bytes.length); bit++) {
        world.disk.flipBit(PATH, bit)
        const findings = await check(world, 9, { sidecar })
        world.disk.flipBit(PATH, bit)
        expect([bit, findings.damage.map(({ from, to }) => [from, to])]).toEqual([
          bit,
          [[BASE + index, BASE + index + 1]],
        ])
        expect(findings.sums).toBeUndefined()
      }
    }
  })

  it('names the batch whose epoch has changed, deep in a large segment', async () => {
    const { bytes, positions } = made(3_000, 300)
    const world = await written(bytes)
    const sidecar = await sidecarOf(world, 3_000)
    for (const index of [0, 1, 711, 712, 1_500, 2_999])
      for (const bit of [0, 7, 15, 31]) {
        world.disk.flipBit(PATH, 8 * ((positions[index] ?? 0) + 12) + bit)
        const findings = await check(world, 3_000, { sidecar })
        world.disk.flipBit(PATH, 8 * ((positions[index] ?? 0) + 12) + bit)
        expect(findings.damage).toHaveLength(1)
        expect(findings.damage[0]).toMatchObject({ from: BASE + index, to: BASE + index + 1 })
      }
  })

  it('suspects all batches of a block when more than one bit of a prefix changed', async () => {
    const { bytes, positions } = made(20, 40)
    const world = await written(bytes)
    const sidecar = await sidecarOf(world, 20)
    // In the first batch: no neighbour before it shows that its epoch is out of line.
    const last = positions[19] ?? 0
    for (const bit of [0, 5]) world.disk.flipBit(PATH, 8 * (last + 15) + bit)
    const findings = await check(world, 20, { sidecar })
    expect(findings.damage.length).toBeGreaterThanOrEqual(1)
    expect(findings.damage.at(-1)).toMatchObject({ from: BASE + 19, to: BASE + 20 })
  })

  it('finds an epoch that falls without a sidecar, and blames the batch that is out of line', async () => {
    const low = made(9, 40, (index) => (index === 4 ? 2 : 3))
    expect(rangesOf(await check(await written(low.bytes), 9))).toEqual(['epoch 104-105'])
    const high = made(9, 40, (index) => (index === 4 ? 900 : 3))
    expect(rangesOf(await check(await written(high.bytes), 9))).toEqual(['epoch 104-105'])
    const rising = made(9, 40, (index) => 3 + Math.floor(index / 3))
    expect(rangesOf(await check(await written(rising.bytes), 9))).toEqual([])
  })

  it('goes on behind damage and sums up all the same', async () => {
    const { bytes, positions } = made(2_000, 300)
    const world = await written(bytes)
    const sidecar = await sidecarOf(world, 2_000)
    world.disk.zeroPage(PATH, 3)
    world.disk.flipBit(PATH, 8 * ((positions[1_900] ?? 0) + BATCH_HEADER_BYTES + 4))
    const findings = await check(world, 2_000, { sidecar })
    expect(findings.sidecar).toBe('contradicted')
    expect(findings.damage).toHaveLength(2)
    expect(findings.damage[1]).toMatchObject({ kind: 'batch', from: 2_000, to: 2_001 })
    expect(findings.batches).toBeGreaterThan(1_950)
  })

  it('takes a sidecar of another length for none', async () => {
    const { bytes } = made(10, 50)
    const world = await written(bytes)
    const sidecar = await sidecarOf(world, 10)
    const longer = await written(made(12, 50).bytes)
    expect(await check(longer, 12, { sidecar })).toMatchObject({ sidecar: 'stale', damage: [] })
  })
})

describe('checking indexes', () => {
  const indexed = (count: number, shift = 0): { bytes: Uint8Array; indexes: IndexCheck } => {
    const { bytes, positions } = made(count, 6_000)
    const offsets = new OffsetIndex()
    const times = new TimeIndex()
    positions.forEach((position, index) => {
      const end = positions[index + 1] ?? bytes.length
      offsets.add(BASE + index, position + (index === 6 ? shift : 0))
      times.add(1_000 + index, end)
    })
    const files = [offsets.encode(BASE, bytes.length), times.encode(BASE, bytes.length)] as const
    return { bytes, indexes: new IndexCheck(...files, BASE) }
  }

  it('agrees with those of the batches that are there', async () => {
    const { bytes, indexes } = indexed(20)
    const findings = await check(await written(bytes), 20, { indexes })
    expect(indexes.isGood(findings.bytes)).toBe(true)
  })

  it('finds an entry that points at no batch', async () => {
    const { bytes, indexes } = indexed(20, 1)
    const findings = await check(await written(bytes), 20, { indexes })
    expect(indexes.isGood(findings.bytes)).toBe(false)
  })

  it('finds indexes that cover more than there is, or are not whole', async () => {
    const { bytes, indexes } = indexed(20)
    expect(indexes.isGood(bytes.length - 1)).toBe(false)
    expect(new IndexCheck(new Uint8Array(3), new Uint8Array(3), BASE).isWhole).toBe(false)
  })
})
