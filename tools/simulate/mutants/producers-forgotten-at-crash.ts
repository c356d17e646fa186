import type { Mutant } from './mutant.ts'

export const producersForgottenAtCrash: Mutant = {
  name: 'producers-forgotten-at-crash',
  description: 'A start reads the snapshot of the producers and restores nothing of it.',
  patches: [
    {
      file: 'packages/core/src/log/recovery.ts',
      find: 'producers.restore(row)',
      replace: '',
    },
  ],
}
