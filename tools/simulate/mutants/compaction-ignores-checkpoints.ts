import type { Mutant } from './mutant.ts'

export const compactionIgnoresCheckpoints: Mutant = {
  name: 'compaction-ignores-checkpoints',
  description: 'Compaction rewrites segments that a recovery may yet replay batches into.',
  patches: [
    {
      file: 'packages/core/src/compaction/compactor.ts',
      find: 'segment.flushedBytes === segment.sizeBytes && endOf(log, segment) <= log.compactableBelow',
      replace:
        'segment.flushedBytes === segment.sizeBytes && endOf(log, segment) <= log.highWatermark',
    },
  ],
}
