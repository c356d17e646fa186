import type { Mutant } from './mutant.ts'

export const deliveredAboveHighWatermark: Mutant = {
  name: 'delivered-above-high-watermark',
  description: 'A message is delivered before it is durable, so its settlement may be first.',
  patches: [
    {
      file: 'packages/core/src/queue/stored-lane.ts',
      find: 'return entry.position < this.log.highWatermark ? entry : undefined',
      replace: 'return entry',
    },
  ],
}
