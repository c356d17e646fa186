/** Every structure on disk cut at every byte of its last two records, and opened again. */
import { batchOf, newWorld, openNode, overwrite } from '../support/node.ts'
import type { SimulatedWorld } from '@millrace/testing'

const VALUES = ['a', 'b', 'c', 'd'].map((mark) => mark.repeat(40))
const BATCH = batchOf([VALUES[0] as string]).length

/** Four records, in segments and a table, or in the journal only; all claimed. */
const makeWorld = async (isClosed: boolean): Promise<SimulatedWorld> => {
  const world = newWorld(1)
  const node = await openNode(world, { storage: { journalFileBytes: 32 * 1024 } })
  const handle = await node.create('t')
  for (const value of VALUES) await node.append(handle, [value])
  await world.scheduler.runFor(2_000)
  if (isClosed) await node.close()
  world.losePower()
  return world
}

const openCut = async (
  world: SimulatedWorld,
  path: string,
  good: Uint8Array,
  length: number,
): Promise<string[]> => {
  await overwrite(world, path, good.subarray(0, length))
  const node = await openNode(world, { storage: { journalFileBytes: 32 * 1024 } })
  const { records, damaged } = await node.readAll(await node.open('t'))
  const values = records.map((record) => record.value)
  for (const [index, record] of records.entries())
    if (record.value !== VALUES[record.offset]) throw new Error(`${index} is wrong at ${length}`)
  if (values.length < VALUES.length && damaged.length === 0)
    throw new Error(`records are missing without a word at ${length}`)
  expect(node.fatal).toEqual([])
  return values
}

/** Cuts a copy of one world's file; every cut is made on a world of its own. */
const sweep = async (
  isClosed: boolean,
  find: (world: SimulatedWorld) => string,
  range: (good: Uint8Array) => readonly [number, number],
  step = 1,
): Promise<number[]> => {
  const counts: number[] = []
  const first = await makeWorld(isClosed)
  const good = first.disk.contentOf(find(first))
  const [from, to] = range(good)
  for (let length = from; length <= to; length += step) {
    const world = await makeWorld(isClosed)
    counts.push((await openCut(world, find(world), good, length)).length)
  }
  return counts
}

const endOfUse = (bytes: Uint8Array): number => {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}

const named =
  (part: string) =>
  (world: SimulatedWorld): string =>
    world.disk.files('/data').find((path) => path.includes(part)) ?? ''

describe('cut at every byte', () => {
  it('a segment loses what is cut, by name, and nothing before it', async () => {
    const counts = await sweep(true, named('/logs/1/'), (good) => [
      good.length - 2 * BATCH,
      good.length,
    ])
    expect(counts.at(0)).toBe(2)
    expect(counts.at(BATCH - 1)).toBe(2)
    expect(counts.at(BATCH)).toBe(3)
    expect(counts.at(-1)).toBe(4)
  }, 60_000)

  it('a journal loses nothing that is in segments, and says what it loses else', async () => {
    const inJournal = await sweep(
      false,
      named('.journal'),
      // From behind the last record on: with that and the claim gone nothing tells a loss from a torn tail.
      (good) => [endOfUse(good) - 1_300, endOfUse(good)],
      13,
    )
    expect(inJournal.at(-1)).toBe(4)
  }, 60_000)

  it('a metadata snapshot is missed by nobody', async () => {
    const counts = await sweep(
      true,
      named('snapshot'),
      (good) => [good.length - 150, good.length],
      5,
    )
    expect(new Set(counts)).toEqual(new Set([4]))
  }, 60_000)

  it('the log of the definitions is missed by nobody while there is a snapshot', async () => {
    const counts = await sweep(
      true,
      named('/logs/0/'),
      (good) => [good.length - 150, good.length],
      5,
    )
    expect(new Set(counts)).toEqual(new Set([4]))
  }, 60_000)
})
