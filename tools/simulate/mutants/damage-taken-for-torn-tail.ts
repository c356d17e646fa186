import type { Mutant } from './mutant.ts'

export const damageTakenForTornTail: Mutant = {
  name: 'damage-taken-for-torn-tail',
  description: 'A damaged group ends the replay, though a later one claims that it was durable.',
  patches: [
    {
      file: 'packages/core/src/log/recovery.ts',
      find: 'if (expected > scan.claimedGroup) return this.#tornAt(expected, groups)',
      replace: 'return this.#tornAt(expected, groups)',
    },
    {
      file: 'packages/core/src/log/recovery.ts',
      find: 'if (damaged.size > 0 && sequence > scan.claimedGroup) return this.#tornAt(sequence, groups)',
      replace: 'if (damaged.size > 0) return this.#tornAt(sequence, groups)',
    },
  ],
}
