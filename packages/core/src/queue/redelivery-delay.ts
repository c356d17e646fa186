/**
 * Messages that came back, and are not delivered again before their time.
 *
 * ```
 *   in flight ──(came back)──> here, by the time they are due ──(due)──> their lanes, at their places
 * ```
 * They are unsettled and in no lane: not ready, but counted where the length of the queue is limited.
 * Of a key-ordered queue they hold their keys. Nothing of this is stored: after a restart they are
 * ready at once.
 */
import type { QueueSettings, RedeliveryDelayOf, Return } from '../engine/messaging.ts'
import type { QueueEntry } from './queue-entry.ts'

const delays: Readonly<Record<RedeliveryDelayOf, Readonly<Record<Return, boolean>>>> = {
  all: { requeue: true, release: true },
  failed: { requeue: true, release: false },
  returned: { requeue: false, release: true },
}

/** How long one waits that came back so often; 0 for not at all. */
export const redeliveryDelayMs = (
  { redeliveryDelayMsMin, redeliveryDelayMsMax = Infinity, redeliveryDelayOf }: QueueSettings,
  deliveryCount: number,
  how: Return,
): number => {
  if (redeliveryDelayMsMin === undefined || !delays[redeliveryDelayOf][how]) return 0
  return Math.min(redeliveryDelayMsMin * deliveryCount, redeliveryDelayMsMax)
}

interface Delayed {
  readonly entry: QueueEntry
  /** Monotonic, whole milliseconds: what came back together is due together. */
  readonly dueAtMs: number
}

/** A binary heap, one that is due first at its top; their order is that of their lanes again. */
export class DelayedReturns {
  readonly #heap: Delayed[] = []
  /** Of their payloads. */
  bytes = 0

  get count(): number {
    return this.#heap.length
  }

  /** When the first is due; `Infinity` when none waits. */
  get nextAtMs(): number {
    return this.#heap[0]?.dueAtMs ?? Infinity
  }

  /** Its content is dropped where it can be read again. */
  add(entry: QueueEntry, dueAtMs: number): void {
    entry.state = 'delayed'
    entry.lane.handedOver(entry)
    this.bytes += entry.payloadBytes
    const heap = this.#heap
    const added = { entry, dueAtMs: Math.ceil(dueAtMs) }
    let at = heap.length
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (heap[parent]!.dueAtMs <= added.dueAtMs) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = added
  }

  /** The first, if it is due by then. */
  take(nowMs: number): QueueEntry | undefined {
    const first = this.#heap[0]
    if (first === undefined || first.dueAtMs > nowMs) return undefined
    const last = this.#heap.pop()!
    if (last !== first) this.#sink(last)
    first.entry.state = 'in-flight'
    this.bytes -= first.entry.payloadBytes
    return first.entry
  }

  /** To the place that is free at the top, or below it. */
  #sink(delayed: Delayed): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.dueAtMs < heap[child]!.dueAtMs) child++
      if (heap[child]!.dueAtMs >= delayed.dueAtMs) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = delayed
  }
}
