import { bytesThrough, isNeeded } from '../../src/care/journal-copy.ts'
import { FILE_DATA_AT, decodeFileHeader, readGroupHeader } from '../../src/log/journal-format.ts'
import { newWorld } from '../support/node.ts'
import { StoreBench, settings } from '../support/store.ts'

/** The sequence numbers of the groups in a copy, in order. */
const groupsIn = (bytes: Uint8Array): number[] => {
  const incarnation = decodeFileHeader(bytes.subarray(0, FILE_DATA_AT))?.incarnation ?? 0
  const groups: number[] = []
  for (let at = FILE_DATA_AT; at < bytes.length; at += 512) {
    const group = readGroupHeader(bytes, at, bytes.length, incarnation)
    if (group !== undefined) groups.push(group.sequence)
  }
  return groups
}

const filled = async (): Promise<StoreBench> => {
  const bench = await StoreBench.open(newWorld(), { checkpointBytes: 1 << 30 })
  const log = bench.store.logs.create(settings, { isVolatile: false })
  for (let index = 0; index < 200; index++) await bench.append(log, [`${index}`.padStart(900, '.')])
  return bench
}

it('copies a journal file up to the end of a group, and nothing of the next one', async () => {
  const bench = await filled()
  const [first, second] = bench.store.care.pool.filesInUse
  if (first === undefined || second === undefined) throw new Error('one file only')
  for (const file of [first, second]) {
    const from = file.header?.firstGroup ?? 0
    for (const through of [
      from,
      from + 3,
      file.lastGroup - 1,
      file.lastGroup,
      file.lastGroup + 9,
    ]) {
      const copied = groupsIn(await bench.run(bytesThrough(file, through)))
      expect(copied[0]).toBe(from)
      expect(copied.at(-1)).toBe(Math.min(through, file.lastGroup))
      expect(copied).toHaveLength(Math.min(through, file.lastGroup) - from + 1)
    }
  }
})

it('needs the files that a replay from one group to another reads', async () => {
  const bench = await filled()
  const { filesInUse } = bench.store.care.pool
  expect(filesInUse.length).toBeGreaterThan(2)
  const second = filesInUse[1]
  const from = second?.header?.firstGroup ?? 0
  const to = second?.lastGroup ?? 0
  const needed = (after: number, through: number): number[] =>
    [...filesInUse.keys()].filter((index) => {
      const file = filesInUse[index]
      return file !== undefined && isNeeded(file, after, through)
    })
  expect(needed(from - 1, to)).toEqual([1])
  expect(needed(from - 2, to)).toEqual([0, 1])
  expect(needed(from - 1, to + 1)).toEqual([1, 2])
})
