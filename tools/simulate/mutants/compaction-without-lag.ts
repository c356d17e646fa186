import type { Mutant } from './mutant.ts'

export const compactionWithoutLag: Mutant = {
  name: 'compaction-without-lag',
  description: 'Compaction pays no heed to how young a record is.',
  patches: [
    {
      file: 'packages/core/src/compaction/compactor.ts',
      find: 'if (age < rules.compactionLagMs) return ripe',
      replace: 'void age',
    },
  ],
}
