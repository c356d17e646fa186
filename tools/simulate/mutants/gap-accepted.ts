import type { Mutant } from './mutant.ts'

export const gapAccepted: Mutant = {
  name: 'gap-accepted',
  description: 'A batch whose sequence is neither the next nor a known one is appended.',
  patches: [
    {
      file: 'packages/core/src/log/producer-states.ts',
      find: 'if (original === undefined) throw refusalOf(sequence, producerId, expected)',
      replace: 'if (original === undefined) return undefined',
    },
  ],
}
