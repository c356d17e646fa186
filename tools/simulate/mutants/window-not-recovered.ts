import type { Mutant } from './mutant.ts'

export const windowNotRecovered: Mutant = {
  name: 'window-not-recovered',
  description: 'A start does not read which message ids a queue knows.',
  patches: [
    {
      file: 'packages/core/src/queue/dedup-recovery.ts',
      find: 'if (dedupWindowMs === undefined) return',
      replace: 'if (dedupWindowMs !== -1) return',
    },
  ],
}
