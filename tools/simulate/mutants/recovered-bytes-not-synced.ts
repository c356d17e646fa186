import type { Mutant } from './mutant.ts'

export const recoveredBytesNotSynced: Mutant = {
  name: 'recovered-bytes-not-synced',
  description: 'What a recovery found in the page cache is shown before it is on the disk.',
  patches: [
    {
      file: 'packages/core/src/log/recovery.ts',
      find: 'for (const file of scan.files) await file.file.sync()',
      replace: '',
    },
    {
      file: 'packages/core/src/log/recovery.ts',
      find: 'await this.#parts.writeBehind.syncAll()',
      replace: '',
    },
  ],
}
