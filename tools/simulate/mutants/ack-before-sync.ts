import type { Mutant } from './mutant.ts'

export const ackBeforeSync: Mutant = {
  name: 'ack-before-sync',
  description: 'Appends are acknowledged when their group is written, while its sync still runs.',
  patches: [
    {
      file: 'packages/core/src/log/journal.ts',
      find: '[...files].map((file) => this.#syncFile(file))',
      replace: '[...files].map(async (file) => void this.#syncFile(file).catch(() => {}))',
    },
  ],
}
