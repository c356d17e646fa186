import type { Mutant } from './mutant.ts'

export const duplicateAnsweredEarly: Mutant = {
  name: 'duplicate-answered-early',
  description: 'A duplicate is acknowledged at once, while its original is not durable yet.',
  patches: [
    {
      file: 'packages/core/src/engine/session.ts',
      find: 'const isVisible = original.nextOffset <= log.highWatermark',
      replace: 'const isVisible = true',
    },
  ],
}
