import type { Mutant } from './mutant.ts'

export const keptNotRecovered: Mutant = {
  name: 'kept-not-recovered',
  description: 'A start does not read what a delayed exchange keeps.',
  patches: [
    {
      file: 'packages/core/src/queue/delayed-release.ts',
      find: 'this.#isRecovered = lane.readyCount === 0',
      replace: 'this.#isRecovered = true',
    },
  ],
}
