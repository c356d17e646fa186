import type { Mutant } from './mutant.ts'

export const ledgerSnapshotForgetsRuns: Mutant = {
  name: 'ledger-snapshot-forgets-runs',
  description: 'A ledger that is written whole leaves out what is settled above its floor.',
  patches: [
    {
      file: 'packages/core/src/queue/ledger-record.ts',
      find: 'if (runs.length > 0) this.#add(SETTLED, lane, runs)',
      replace: '',
    },
  ],
}
