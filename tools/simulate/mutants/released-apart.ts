import type { Mutant } from './mutant.ts'

export const releasedApart: Mutant = {
  name: 'released-apart',
  description: 'What a delayed exchange releases is settled there some time after it was stored.',
  patches: [
    {
      file: 'packages/core/src/queue/delayed-release.ts',
      find: 'await this.#parts.transactions.move(going, settlements, () => {',
      replace: 'await this.#parts.transactions.move(going, [], () => {',
    },
  ],
}
