import type { Mutant } from './mutant.ts'

export const fanOutNotAtomic: Mutant = {
  name: 'fan-out-not-atomic',
  description: 'A message for several queues may be split over groups of the journal.',
  patches: [
    {
      file: 'packages/core/src/queue/open-batch.ts',
      find: 'targets.length > 1 ? new AtomicUnit() : undefined',
      replace: 'targets.length > 1 && new AtomicUnit().isBroken ? new AtomicUnit() : undefined',
    },
  ],
}
