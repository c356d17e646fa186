import type { Mutant } from './mutant.ts'

export const syncRetriedAfterFailure: Mutant = {
  name: 'sync-retried-after-failure',
  description: 'A failed sync is called again and, when that succeeds, believed.',
  patches: [
    {
      file: 'packages/core/src/log/journal.ts',
      find: `for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason`,
      replace: `if (outcomes.some((outcome) => outcome.status === 'rejected')) await Promise.all([...files].map((file) => file.sync()))`,
    },
  ],
}
