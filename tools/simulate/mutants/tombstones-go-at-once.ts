import type { Mutant } from './mutant.ts'

export const tombstonesGoAtOnce: Mutant = {
  name: 'tombstones-go-at-once',
  description: 'A tombstone is removed by the first pass that meets it.',
  patches: [
    {
      file: 'packages/core/src/compaction/compactor.ts',
      find: 'if (offset < expiredTo) return false',
      replace: 'if (offset < mappedTo) return false',
    },
  ],
}
