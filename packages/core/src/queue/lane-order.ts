/** Which lane of a queue is next: the highest priority that has something, or partitions in turn. */
import type { Lane } from './lane.ts'
import type { QueueEntry } from './queue-entry.ts'

export class LaneOrder {
  #at = 0

  /** A priority that is still being read holds back those below it. */
  head(lanes: readonly Lane[], isByPriority: boolean): QueueEntry | undefined {
    const count = lanes.length
    if (count === 1) return lanes[0]!.head()
    for (let step = 0; step < count; step++) {
      const index = isByPriority ? count - 1 - step : (this.#at + step) % count
      const lane = lanes[index]!
      const entry = lane.head()
      if (entry === undefined && (!isByPriority || lane.readyCount === 0)) continue
      if (!isByPriority) this.#at = index
      return entry
    }
    return undefined
  }

  /** The next one's turn. */
  advance(): void {
    this.#at++
  }
}
