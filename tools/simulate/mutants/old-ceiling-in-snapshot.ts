import type { Mutant } from './mutant.ts'

export const oldCeilingInSnapshot: Mutant = {
  name: 'old-ceiling-in-snapshot',
  description: 'A ledger that is written whole says the ceiling from before the one under way.',
  patches: [
    {
      file: 'packages/core/src/queue/ledger-log.ts',
      find: 'this.#writer.whole(ledger, ledger.ceilingWritten)',
      replace: 'this.#writer.whole(ledger, ceiling ?? ledger.ceiling)',
    },
  ],
}
