/**
 * Reads messages that are due, wherever they stand in the log of a delayed exchange: some reads at a
 * time, one for those that stand close together. Of what is read only those messages are copied.
 *
 * Invariant: what is not answered is in the index again, or was lost.
 */
import { batchTotalBytes, isBrokerError, RecordCursor } from '@millrace/codec'
import type { QueuedMessage } from '../engine/messaging.ts'
import type { LogSlice } from '../log/log-slice.ts'
import type { LogStore } from '../log/store.ts'
import type { DelayedLane } from './delayed-lane.ts'
import {
  RELEASE_BYTES_MAX,
  RELEASE_NEAR_COUNT,
  RELEASE_READ_BYTES,
  RELEASE_READS_MAX,
} from './limits.ts'
import { readMessage } from './message-record.ts'
import { keepMessage } from './publisher.ts'

/** A message that was taken from the index. */
export interface Due {
  readonly dueMs: number
  readonly position: number
  message: QueuedMessage | undefined
}

/** One batch, whatever its size. */
const ONE_BATCH_BYTES = 1

/** The first of the slice with their messages, as many as there is room for. */
export const readDue = async (
  slice: readonly Due[],
  lane: DelayedLane,
  store: LogStore,
): Promise<readonly Due[]> => {
  const reader = new DueReader(slice, lane, store)
  const count = await reader.run()
  for (const { dueMs, position } of slice.slice(count)) lane.kept.push(dueMs, position)
  return slice.slice(0, count).filter(({ message }) => message !== undefined)
}

class DueReader {
  readonly #slice: readonly Due[]
  readonly #lane: DelayedLane
  readonly #store: LogStore
  readonly #byPosition: Map<number, Due>
  #bytes = 0

  constructor(slice: readonly Due[], lane: DelayedLane, store: LogStore) {
    this.#slice = slice
    this.#lane = lane
    this.#store = store
    this.#byPosition = new Map(slice.map((due) => [due.position, due]))
  }

  /** Answers how many from the front are read, or lost. */
  async run(): Promise<number> {
    const slice = this.#slice
    let count = 0
    try {
      for (;;) {
        while (count < slice.length && !this.#isMissing(slice[count]!)) count++
        if (count === slice.length || this.#bytes >= RELEASE_BYTES_MAX) return count
        await Promise.all(this.#starts(count).map((due) => this.#read(due)))
      }
    } catch (error) {
      for (const due of slice)
        if (this.#byPosition.has(due.position)) this.#lane.kept.push(due.dueMs, due.position)
      throw error
    }
  }

  #isMissing({ message, position }: Due): boolean {
    return message === undefined && this.#byPosition.has(position)
  }

  /** Of the next ones those that begin a read: the first of each that stand close together. */
  #starts(from: number): Due[] {
    const next: Due[] = []
    const readsMax = Math.max(1, Math.min(RELEASE_READS_MAX, this.#affordableCount))
    for (let at = from; at < this.#slice.length && next.length < readsMax; at++)
      if (this.#isMissing(this.#slice[at]!)) next.push(this.#slice[at]!)
    next.sort((left, right) => left.position - right.position)
    let last = -Infinity
    return next.filter(({ position }) => {
      const isStart = position - last > RELEASE_NEAR_COUNT
      last = position
      return isStart
    })
  }

  /** By the mean size of what is kept: large ones are read one after the other. */
  get #affordableCount(): number {
    const { readyBytes, readyCount } = this.#lane
    return Math.floor(RELEASE_BYTES_MAX / Math.max(1, readyBytes / Math.max(1, readyCount)))
  }

  async #read(wanted: Due): Promise<void> {
    const { log } = this.#lane
    const { position } = wanted
    const isDense = this.#byPosition.has(position + 1) || this.#byPosition.has(position - 1)
    const bytesMax = isDense ? RELEASE_READ_BYTES : ONE_BATCH_BYTES
    try {
      this.#take(await this.#store.reader.read(log, position, bytesMax))
      if (wanted.message === undefined) this.#lose(position, position + 1)
    } catch (error) {
      const gap = log.gapAt(position)
      if (!isBrokerError(error) || gap === undefined) throw error
      this.#lose(position, gap.to)
    }
  }

  #take(found: LogSlice): void {
    try {
      for (const part of found.parts)
        for (let at = 0; at < part.length; at += batchTotalBytes(part, at)) {
          const cursor = new RecordCursor(part, at)
          while (cursor.next()) this.#takeOne(cursor)
        }
    } finally {
      found.release()
    }
  }

  #takeOne(cursor: RecordCursor): void {
    const due = this.#byPosition.get(cursor.offset)
    if (due === undefined || due.message !== undefined) return
    const message = readMessage(cursor)
    due.message = keepMessage(message, message.timestampMs)
    this.#bytes += message.payload.length + message.properties.length
  }

  #lose(from: number, to: number): void {
    this.#lane.lose(from, to)
    for (const position of this.#byPosition.keys())
      if (position >= from && position < to) this.#byPosition.delete(position)
  }
}
