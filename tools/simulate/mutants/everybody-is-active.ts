import type { Mutant } from './mutant.ts'

export const everybodyIsActive: Mutant = {
  name: 'everybody-is-active',
  description: 'A queue with a single active consumer serves all of them in turn.',
  patches: [
    {
      file: 'packages/core/src/queue/queue.ts',
      find: 'this.#line.next(only)',
      replace: 'this.#line.next(only === undefined ? only : undefined)',
    },
  ],
}
