import type { Mutant } from './mutant.ts'

export const compactionSwapsUnsynced: Mutant = {
  name: 'compaction-swaps-unsynced',
  description: 'A rewritten segment takes the place of the old one before it is on the disk.',
  patches: [
    {
      file: 'packages/core/src/compaction/segment-rewrite.ts',
      find: 'if (this.#file !== undefined) await synced(this.#file.sync())',
      replace: 'void synced',
    },
  ],
}
