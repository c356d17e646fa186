import type { Mutant } from './mutant.ts'

export const rangeOfReplacedSegment: Mutant = {
  name: 'range-of-replaced-segment',
  description: 'A range is cut by the index of a segment that compaction has replaced meanwhile.',
  patches: [
    {
      file: 'packages/core/src/log/file-ranges.ts',
      find: `segment.isRemoved || log.isDeleted || segment.vouchedBytes <= 0`,
      replace: `log.isDeleted || segment.vouchedBytes <= 0`,
    },
  ],
}
