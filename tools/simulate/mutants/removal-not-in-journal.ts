import type { Mutant } from './mutant.ts'

export const removalNotInJournal: Mutant = {
  name: 'removal-not-in-journal',
  description:
    'A log begins later from now on, and the journal says nothing of it: a crash brings the records back.',
  patches: [
    {
      file: 'packages/core/src/log/log-trimmer.ts',
      find: 'await this.#parts.submitTrim({ logId: log.id, nextOffset: earliest, epoch: log.epoch })',
      replace: 'await Promise.resolve()',
    },
  ],
}
