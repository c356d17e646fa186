/**
 * How much memory this process is in need of: the heap, the buffers outside of it, and what the
 * runtime itself took at the start.
 *
 * Not the resident size: what was freed and is kept for the next use counts there, so that an alarm
 * might never be cleared. For the same reason garbage may have to be collected before it is believed:
 * a broker that reads no publishers allocates little, and nobody would collect for it.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Usage = Pick<NodeJS.MemoryUsage, 'rss' | 'heapTotal' | 'external'>

export class ProcessMemory {
  readonly #read: () => Usage
  readonly #runtimeBytes: number

  /** To be made before much is allocated. */
  constructor(read: () => Usage = () => process.memoryUsage()) {
    this.#read = read
    const { rss, heapTotal, external } = read()
    this.#runtimeBytes = Math.max(0, rss - heapTotal - external)
  }

  get usedBytes(): number {
    const { rss, heapTotal, external } = this.#read()
    return Math.min(rss, heapTotal + external + this.#runtimeBytes)
  }
}

/** Costs a pause of the event loop: for when memory runs short, and seldom. */
export const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  // Buffers found dead are freed on another thread, which the next collection waits for.
  collect()
}
