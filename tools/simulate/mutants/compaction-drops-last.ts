import type { Mutant } from './mutant.ts'

export const compactionDropsLast: Mutant = {
  name: 'compaction-drops-last',
  description: 'Compaction takes the last record of a key for obsolete.',
  patches: [
    {
      file: 'packages/core/src/compaction/compactor.ts',
      find: 'if (last !== undefined && last > offset) return false',
      replace: 'if (last !== undefined && last >= offset) return false',
    },
  ],
}
