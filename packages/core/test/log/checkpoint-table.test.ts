import {
  decodeCheckpoint,
  encodeCheckpoint,
  type CheckpointTable,
} from '../../src/log/checkpoint-table.ts'

const table: CheckpointTable = {
  nextLogId: 4_294_967_297,
  group: 9_007_199_254_740_991,
  rows: [
    {
      logId: 3,
      isVolatile: false,
      epoch: 2,
      earliestOffset: 10,
      nextOffset: 5_000_000_000,
      segmentBase: 4_999_999_999,
      position: 4_294_967_295,
      segmentStartedAtMs: 1_767_225_600_000,
      ceiling: 0,
    },
    {
      logId: 4,
      isVolatile: true,
      epoch: 1,
      earliestOffset: 0,
      nextOffset: 0,
      segmentBase: 0,
      position: 0,
      segmentStartedAtMs: 0,
      ceiling: 1_048_576,
    },
  ],
}

describe('the checkpoint table', () => {
  it('comes back from its bytes, large numbers too', () => {
    expect(decodeCheckpoint(encodeCheckpoint(table))).toEqual(table)
  })

  it('has 20 bytes and 72 for each log', () => {
    expect(encodeCheckpoint({ ...table, rows: [] })).toHaveLength(20)
    expect(encodeCheckpoint(table)).toHaveLength(20 + 2 * 72)
  })

  it('is refused when its count does not belong to its length', () => {
    const bytes = encodeCheckpoint(table)
    for (const length of [20, 91, 92, 163])
      expect(() => decodeCheckpoint(bytes.subarray(0, length))).toThrow(RangeError)
  })
})
