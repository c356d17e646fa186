import type { Mutant } from './mutant.ts'

export const directoryEntryNotSynced: Mutant = {
  name: 'directory-entry-not-synced',
  description: 'A segment is synced, the directory that names it is not.',
  patches: [
    {
      file: 'packages/core/src/log/write-behind.ts',
      find: 'await synced(this.#environment.disk.syncDirectory(log.directory))',
      replace: '',
    },
  ],
}
