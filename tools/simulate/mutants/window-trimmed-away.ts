import type { Mutant } from './mutant.ts'

export const windowTrimmedAway: Mutant = {
  name: 'window-trimmed-away',
  description: 'What is settled goes from the log before the window of message ids has passed.',
  patches: [
    {
      file: 'packages/core/src/queue/queue-trimmer.ts',
      find: 'settledKeptMs(queue.settings)',
      replace: 'queue.settings.retentionMs',
    },
  ],
}
