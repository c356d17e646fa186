import type { Mutant } from './mutant.ts'

export const checkpointWithoutSync: Mutant = {
  name: 'checkpoint-without-sync',
  description: 'A checkpoint vouches for segments that were written and never synced.',
  patches: [
    {
      file: 'packages/core/src/log/checkpointer.ts',
      find: 'await writeBehind.syncAll()',
      replace: '',
    },
  ],
}
