import type { Mutant } from './mutant.ts'

export const damageTakenForTornTail: Mutant = {
  name: 'damage-taken-for-torn-tail',
  description: 'A damaged group ends the replay, though a later one claims that it was durable.',
  patches: [
    {
      file: 'packages/core/src/log/recovery.ts',
      find: 'if (sequence > Math.max(expected, scan.claimedGroup + 1)) {',
      replace: 'if (sequence > expected) {',
    },
    {
      file: 'packages/core/src/log/recovery.ts',
      find: 'if (damaged.size > 0 && sequence > scan.claimedGroup) {',
      replace: 'if (damaged.size > 0) {',
    },
    {
      file: 'packages/core/src/log/recovery.ts',
      find: 'if (expected <= scan.claimedGroup) {',
      replace: 'if (expected < 0) {',
    },
  ],
}
