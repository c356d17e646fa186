/** Settled messages of a queue from a time on, as far as its log still has them, are ready again. */
import { BrokerError } from '@millrace/codec'
import type { LogStore } from '../log/store.ts'
import type { QueueEntry, EntryList } from './queue-entry.ts'
import type { Queue } from './queue.ts'
import { StoredLane } from './stored-lane.ts'

export interface ReplayParts {
  readonly store: LogStore
  /** Whoever may have something in flight. */
  sessions(): Iterable<{ readonly inFlight: EntryList }>
}

/** Answers how many there are. Throws ERR_UNSUPPORTED_FEATURE. */
export const replayQueue = async (
  queue: Queue,
  sinceMs: number,
  parts: ReplayParts,
): Promise<number> => {
  let messageCount = 0
  for (const lane of queue.lanes) {
    if (!(lane instanceof StoredLane))
      throw new BrokerError('ERR_UNSUPPORTED_FEATURE', ['a replay of a queue in memory'])
    const found = await parts.store.times.find(lane.log, sinceMs)
    const offset = found?.offset ?? lane.log.highWatermark
    queue.unholdAll()
    queue.endAllDelays()
    if (offset < lane.ledger.floor)
      messageCount += lane.replayFrom(offset, inFlightOf(lane, parts.sessions()))
  }
  queue.wake()
  await queue.ledgerLog?.flushed()
  return messageCount
}

const inFlightOf = (
  lane: StoredLane,
  sessions: Iterable<{ readonly inFlight: EntryList }>,
): QueueEntry[] => {
  const entries = [...lane.home.moving].filter((entry) => entry.lane === lane)
  for (const { inFlight } of sessions)
    for (let entry = inFlight.first; entry !== undefined; entry = entry.next)
      if (entry.lane === lane) entries.push(entry)
  return entries
}
