import type { Mutant } from './mutant.ts'

export const replayedProducersForgotten: Mutant = {
  name: 'replayed-producers-forgotten',
  description:
    'A recovery knows of idempotent producers what the snapshot says, and nothing of the batches after it.',
  patches: [
    {
      file: 'packages/core/src/log/recovery.ts',
      find: 'this.#parts.producers.note(log, bytes, baseOffset, nextOffset, epoch)',
      replace: '',
    },
  ],
}
