import type { Mutant } from './mutant.ts'

export const rangeClosedUnderLease: Mutant = {
  name: 'range-closed-under-lease',
  description: 'A file that is replaced or removed is closed, though a peer is still sent from it.',
  patches: [
    {
      file: 'packages/core/src/log/file-cache.ts',
      find: `    if (entry.holds === 0) {
      await`,
      replace: `    if (entry.holds >= 0) {
      await`,
    },
  ],
}
