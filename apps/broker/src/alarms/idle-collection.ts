/**
 * Gives memory back once a broker that was busy is left alone.
 *
 * The runtime collects garbage while it allocates, and keeps the room that a burst has needed: tens of
 * megabytes for as long as nothing happens. A collection costs a pause, so it comes when nobody is
 * there to notice, once after each busy time, and never with a large heap, where the pause is long.
 */
import type { TimerHandle, Timers } from '@millrace/core'
import {
  BUSY_CPU_SHARE,
  IDLE_COLLECTION_HEAP_BYTES_MAX,
  IDLE_CPU_SHARE,
  IDLE_LOOK_MS,
  IDLE_LOOKS,
} from '../limits.ts'

export interface IdleCollectionSources {
  /** Of the process, since its start. */
  readonly cpuMs: () => number
  readonly heapBytes: () => number
  readonly collectGarbage: () => void
  readonly timers: Timers
}

export class IdleCollection {
  readonly #sources: IdleCollectionSources
  #timer: TimerHandle | undefined
  #cpuMs: number
  /** Since the last collection. */
  #wasBusy = true
  #idleLooks = 0

  constructor(sources: IdleCollectionSources) {
    this.#sources = sources
    this.#cpuMs = sources.cpuMs()
  }

  start(): void {
    this.#timer = this.#sources.timers.after(IDLE_LOOK_MS, () => {
      this.#look()
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #look(): void {
    const { cpuMs, heapBytes, collectGarbage } = this.#sources
    const usedMs = cpuMs()
    const share = (usedMs - this.#cpuMs) / IDLE_LOOK_MS
    this.#cpuMs = usedMs
    if (share >= BUSY_CPU_SHARE) this.#wasBusy = true
    this.#idleLooks = share < IDLE_CPU_SHARE ? this.#idleLooks + 1 : 0
    if (!this.#wasBusy || this.#idleLooks < IDLE_LOOKS) return
    if (heapBytes() > IDLE_COLLECTION_HEAP_BYTES_MAX) return
    this.#wasBusy = false
    collectGarbage()
    // The collection itself is no work.
    this.#cpuMs = cpuMs()
  }
}
