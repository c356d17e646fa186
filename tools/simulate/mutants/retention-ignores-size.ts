import type { Mutant } from './mutant.ts'

export const retentionIgnoresSize: Mutant = {
  name: 'retention-ignores-size',
  description: 'Retention by size removes all but the last segment, however little is left.',
  patches: [
    {
      file: 'packages/core/src/topic/retention.ts',
      find: 'if (left < retentionBytes || following === undefined) return from',
      replace: 'if (following === undefined) return from',
    },
  ],
}
