import type { Mutant } from './mutant.ts'

export const removalFreesUnderLease: Mutant = {
  name: 'removal-frees-under-lease',
  description:
    'The memory of removed batches is given back once too often, while a lease holds it.',
  patches: [
    {
      file: 'packages/core/src/log/log-trimmer.ts',
      find: `    arena.release(batch.slab)
`,
      replace: `    arena.release(batch.slab)
    arena.release(batch.slab)
`,
    },
  ],
}
