import type { Mutant } from './mutant.ts'

export const refusedBatchRemembered: Mutant = {
  name: 'refused-batch-remembered',
  description: 'A batch that found no room on the disk is taken back, its sequence is not.',
  patches: [
    {
      file: 'packages/core/src/log/store.ts',
      find: 'this.#parts.producers.takeBack(log, bytes, baseOffset)',
      replace: 'void [bytes, baseOffset]',
    },
  ],
}
