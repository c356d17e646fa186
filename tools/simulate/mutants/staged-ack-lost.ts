import type { Mutant } from './mutant.ts'

export const stagedAckLost: Mutant = {
  name: 'staged-ack-lost',
  description: 'A transaction stores its messages, and leaves its acks to the next flush.',
  patches: [
    {
      file: 'packages/core/src/queue/transactions.ts',
      find: 'for (const [ledger, offsets] of ledgers) ledger.settleTogether(offsets, unit, waiter)',
      replace: 'for (let index = 0; index < ledgers.size; index++) waiter.stored()',
    },
  ],
}
