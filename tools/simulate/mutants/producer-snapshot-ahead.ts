import type { Mutant } from './mutant.ts'

export const producerSnapshotAhead: Mutant = {
  name: 'producer-snapshot-ahead',
  description:
    'The snapshot of the producers holds batches that are not durable: a crash takes them, not the memory of them.',
  patches: [
    {
      file: 'packages/core/src/log/producer-snapshot.ts',
      find: 'const batches = state.batches.filter((batch) => batch.nextOffset <= durable)',
      replace: 'const batches = state.batches',
    },
  ],
}
