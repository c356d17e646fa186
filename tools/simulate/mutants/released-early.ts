import type { Mutant } from './mutant.ts'

export const releasedEarly: Mutant = {
  name: 'released-early',
  description: 'A delayed exchange routes messages some milliseconds before they are due.',
  patches: [
    {
      file: 'packages/core/src/queue/delayed-release.ts',
      find: 'const nowMs = clock.now()\n    const { dueMs }',
      replace: 'const nowMs = clock.now() + 9\n    const { dueMs }',
    },
  ],
}
