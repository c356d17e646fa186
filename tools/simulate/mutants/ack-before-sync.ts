import type { Mutant } from './mutant.ts'

export const ackBeforeSync: Mutant = {
  name: 'ack-before-sync',
  description: 'Appends are acknowledged when their group is written, while its sync still runs.',
  patches: [
    {
      file: 'packages/core/src/log/journal.ts',
      find: 'const outcomes = await Promise.allSettled([...files].map((file) => file.sync()))',
      replace:
        'const outcomes = await Promise.allSettled([...files].map(async (file) => void file.sync().catch(() => {})))',
    },
  ],
}
