import type { Mutant } from './mutant.ts'

export const markerNotVerified: Mutant = {
  name: 'marker-not-verified',
  description: 'Recovery believes the marker of a direct append without looking into the segment.',
  patches: [
    {
      file: 'packages/core/src/log/recovery.ts',
      find: `? await this.#isInSegment(entry)
          : isPayloadIntact(group, entry)`,
      replace: `? true
          : isPayloadIntact(group, entry)`,
    },
  ],
}
