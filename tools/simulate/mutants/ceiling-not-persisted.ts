import type { Mutant } from './mutant.ts'

export const ceilingNotPersisted: Mutant = {
  name: 'ceiling-not-persisted',
  description: 'The ledger does not say how far deliveries went: they come again unmarked.',
  patches: [
    {
      file: 'packages/core/src/queue/ledger-record.ts',
      find: 'this.#add(CEILING, lane, varints([changes.ceiling]))',
      replace: 'this.#add(CEILING, lane, varints([0]))',
    },
  ],
}
