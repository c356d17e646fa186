import type { Mutant } from './mutant.ts'

export const requeueForgetsPlace: Mutant = {
  name: 'requeue-forgets-place',
  description: 'Messages that come back are served in the order of their return.',
  patches: [
    {
      file: 'packages/core/src/queue/returned-heap.ts',
      find: 'if (entries[parent]!.position <= entry.position) break',
      replace: 'if (parent >= 0) break',
    },
  ],
}
