import type { Mutant } from './mutant.ts'

export const keyTakenByTwo: Mutant = {
  name: 'key-taken-by-two',
  description: 'A queue ordered by key hands out several messages of a key at a time.',
  patches: [
    {
      file: 'packages/core/src/queue/key-order.ts',
      find: 'if (!this.#takenKeys.has(key)) return true',
      replace: 'if (key !== undefined) return true',
    },
  ],
}
