import type { Mutant } from './mutant.ts'

export const queueDeletedInWord: Mutant = {
  name: 'queue-deleted-in-word',
  description: 'A deletion that waits while the broker closes is answered and not done.',
  patches: [
    {
      file: 'packages/core/src/queue/queue-registry.ts',
      find: `      this.#checkOpen()
      if (queue.isDeleted) return 0
`,
      replace: `      if (queue.isDeleted) return 0
`,
    },
  ],
}
