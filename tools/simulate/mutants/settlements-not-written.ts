import type { Mutant } from './mutant.ts'

export const settlementsNotWritten: Mutant = {
  name: 'settlements-not-written',
  description: 'Settlements are flushed, and nothing of them is in what is written.',
  patches: [
    {
      file: 'packages/core/src/queue/ledger-record.ts',
      find: 'this.#add(SETTLED, lane, encodeRuns(runsOf(changes.settled)))',
      replace: 'this.#add(EXPIRY, lane, varints([]))',
    },
  ],
}
