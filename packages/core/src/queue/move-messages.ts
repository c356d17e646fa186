/** Moves ready messages of a queue to an exchange: stored there first, then settled here. */
import type { DeadLetters } from './dead-letters.ts'
import type { QueueEntry } from './queue-entry.ts'
import type { Queue } from './queue.ts'
import type { Waiting } from './waiting-gets.ts'

/** Under way at once. */
const BATCH_COUNT = 256

export interface MoveRequest {
  readonly exchange: string
  readonly routingKey: string | undefined
  readonly count: number
}

export const moveMessages = async (
  queue: Queue,
  request: MoveRequest,
  parts: { readonly deadLetters: DeadLetters; readonly gets: Waiting },
): Promise<number> => {
  let moved = 0
  // What is published back to the queue meanwhile is not moved again.
  let left = Math.min(request.count, queue.readyCount)
  while (left > 0) {
    const entries = await takeSome(queue, Math.min(left, BATCH_COUNT), parts.gets)
    if (entries.length === 0) break
    moved += await Promise.all(entries.map((entry) => moveOne(queue, entry, request, parts))).then(
      (counts) => counts.reduce((sum, count) => sum + count, 0),
    )
    left -= entries.length
  }
  return moved
}

const takeSome = async (queue: Queue, count: number, gets: Waiting): Promise<QueueEntry[]> => {
  const entries: QueueEntry[] = []
  while (entries.length < count) {
    const entry = queue.isDeleted ? undefined : queue.takeOne()
    if (entry !== undefined) entries.push(entry)
    else if (entries.length > 0 || !queue.isBusy) break
    else await gets.nextWake(queue)
  }
  return entries
}

/** What reaches nobody, or a queue that is full, stays where it was. */
const moveOne = (
  queue: Queue,
  entry: QueueEntry,
  request: MoveRequest,
  { deadLetters }: { readonly deadLetters: DeadLetters },
): Promise<number> =>
  new Promise((resolve) => {
    const message = {
      ...entry.message,
      exchange: request.exchange,
      routingKey: request.routingKey ?? entry.message.routingKey,
      extraRoutingKeys: undefined,
    }
    const told: { isStored?: boolean; count?: number } = {}
    const settle = (): void => {
      const { isStored, count } = told
      if (isStored === undefined || count === undefined) return
      const isMoved = isStored && count > 0
      queue.moving.delete(entry)
      if (isMoved) queue.settle(entry, 'ack')
      else queue.giveBack(entry)
      resolve(isMoved ? 1 : 0)
    }
    queue.moving.add(entry)
    told.count = deadLetters.transfer(queue, message, (error, isRefused) => {
      told.isStored = error === undefined && !isRefused
      settle()
    })
    settle()
  })
