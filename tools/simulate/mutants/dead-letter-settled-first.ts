import type { Mutant } from './mutant.ts'

export const deadLetterSettledFirst: Mutant = {
  name: 'dead-letter-settled-first',
  description:
    'What is dead-lettered is settled where it was, and stored elsewhere a moment later.',
  patches: [
    {
      file: 'packages/core/src/queue/dead-letters.ts',
      find: `    this.#send(queue, message, (error) => {
      queue.moving.delete(entry)
      if (error?.retriable === true) return this.#again(queue, entry, reason)
      if (error !== undefined) this.#lost(queue, error)
      entry.lane.settle(entry)
      queue.counts.deadLettered++
    })
`,
      replace: `    entry.lane.settle(entry)
    this.#parts.timers.after(60, () =>
      this.#send(queue, message, () => {
        queue.moving.delete(entry)
        queue.counts.deadLettered++
      }),
    )
`,
    },
  ],
}
