/**
 * The end of a memory queue's line that is not in memory: first in, first out, through an unsynced log.
 *
 * ```
 *   readFrom      visible         appended, told soon      added in this turn
 *      v_____________v____________________v________________________v
 *        in the log only          in the log and in memory
 * ```
 *
 * A message leaves memory when the log shows it, and not before: a refusal for want of room puts it
 * off, and loses nothing. What was never written, because the line moved on at once, is never written.
 */
import { batchRecordCount, RecordBatchBuilder, RingQueue } from '@millrace/codec'
import type { QueuedMessage } from '../engine/messaging.ts'
import type { Environment, TimerHandle } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import type { LogStore } from '../log/store.ts'
import { BATCH_BYTES_MAX, BATCH_RECORDS_MAX, READ_BYTES, READY_COUNT_MAX } from './limits.ts'
import { EnvelopeWriter, readMessage } from './message-record.ts'
import { keepMessage } from './publisher.ts'
import { visitMessages } from './slice-messages.ts'
import type { SpillLogs } from './spill-logs.ts'

const RETRY_MS = 1_000
const LINGER_MS = 20

export interface SpillParts {
  readonly environment: Environment
  readonly store: LogStore
  readonly logs: SpillLogs
}

export interface SpillHooks {
  readonly queueName: string
  /** The next messages of the line, in order. */
  take(messages: readonly QueuedMessage[]): void
  /** Messages that were in the log and cannot be read any more. */
  lost(count: number): void
  wake(): void
}

export class Spill {
  readonly #parts: SpillParts
  readonly #hooks: SpillHooks
  readonly #writer = new EnvelopeWriter()
  readonly #builder = new RecordBatchBuilder()
  /** Not visible in the log yet, oldest first. */
  readonly #waiting = new RingQueue<QueuedMessage>()
  /** How many of them, from the front, are on their way into it. */
  #appendedCount = 0
  #log: Log | undefined
  #readFrom = 0
  #isOpening = false
  #isReading = false
  #flushTimer: TimerHandle | undefined
  /** Since the last flush. */
  #addedBytes = 0
  #isClosed = false
  /** Raised when what is being read is of no interest any more. */
  #turn = 0
  /** Raised when what is being written is of no interest any more. */
  #line = 0
  /** Of payloads. */
  bytes = 0

  constructor(parts: SpillParts, hooks: SpillHooks) {
    this.#parts = parts
    this.#hooks = hooks
  }

  get count(): number {
    return this.#unreadCount + this.#waiting.length
  }

  /** `readNext` has an answer later. */
  get isBusy(): boolean {
    return this.#isReading || this.#appendedCount > 0
  }

  add(message: QueuedMessage): void {
    this.#waiting.push(message)
    this.bytes += message.payload.length
    this.#addedBytes += message.payload.length
    this.#flushSoon()
  }

  /** Gives the next messages to `take`, now or a little later. */
  readNext(): void {
    if (this.#isReading || this.#isClosed) return
    const log = this.#log
    if (log !== undefined && this.#unreadCount > 0) return void this.#read(log, this.#turn)
    // On their way into the log: they come from there.
    if (this.#appendedCount > 0) return
    const messages: QueuedMessage[] = []
    let bytes = 0
    while (this.#waiting.length > 0 && messages.length < READY_COUNT_MAX && bytes < READ_BYTES) {
      const message = this.#waiting.shift()!
      bytes += message.payload.length
      messages.push(message)
    }
    this.#give(messages)
  }

  /** The next messages as of this moment, which stay where they are. Rejects when they cannot be read. */
  async peek(count: number): Promise<readonly QueuedMessage[]> {
    const log = this.#log
    const unreadCount = this.#unreadCount
    let offset = this.#readFrom
    const end = offset + unreadCount
    const waitingCount = Math.min(this.#waiting.length, Math.max(0, count - unreadCount))
    const waiting = Array.from({ length: waitingCount }, (_, at) => this.#waiting.peekAt(at)!)
    const messages: QueuedMessage[] = []
    while (log !== undefined && offset < end && messages.length < count) {
      const slice = await this.#parts.store.reader.read(log, offset, READ_BYTES)
      const next = Math.max(slice.nextOffset, offset + 1)
      const reading = { from: offset, read: readMessage, compression: undefined }
      visitMessages(slice, reading, (position, message) => {
        if (position < end && messages.length < count) messages.push(message)
      })
      offset = next
    }
    return [...messages, ...waiting]
  }

  /** Forgets the first one unread. False when it is on its way into the log. */
  dropFirst(): boolean {
    const bytes = this.bytes / Math.max(1, this.count)
    if (this.#unreadCount > 0) {
      this.#turn++
      this.#readFrom++
    } else if (this.#appendedCount > 0 || this.#waiting.shift() === undefined) return false
    this.bytes -= bytes
    this.#endIfDrained()
    return true
  }

  clear(): void {
    this.#turn++
    this.#line++
    this.#waiting.clear()
    this.#appendedCount = 0
    this.bytes = 0
    // What is under way shows later, and is passed over.
    if (this.#log !== undefined) this.#readFrom = this.#log.nextOffset
    this.#endIfDrained()
  }

  close(): void {
    this.#isClosed = true
    this.#flushTimer?.cancel()
    this.clear()
  }

  get #unreadCount(): number {
    return this.#log === undefined ? 0 : Math.max(0, this.#log.highWatermark - this.#readFrom)
  }

  /** Not at once: most of it may be wanted before it is worth a write. */
  #flushSoon(): void {
    const count = this.#waiting.length - this.#appendedCount
    const isMuch = this.#addedBytes >= BATCH_BYTES_MAX || count >= BATCH_RECORDS_MAX
    this.#flushIn(isMuch ? 0 : LINGER_MS)
  }

  #flushIn(delayMs: number): void {
    if (this.#flushTimer !== undefined && delayMs > 0) return
    this.#flushTimer?.cancel()
    this.#flushTimer = this.#parts.environment.timers.after(delayMs, () => this.#flush())
  }

  #flush(): void {
    this.#flushTimer = undefined
    this.#addedBytes = 0
    if (this.#isClosed || this.#isOpening || this.#waiting.length === this.#appendedCount) return
    const refusal = this.#parts.store.refusal()
    if (refusal?.code === 'ERR_STORAGE_FULL') return this.#flushIn(RETRY_MS)
    if (refusal !== undefined) return
    const log = this.#log
    if (log === undefined) return void this.#begin()
    while (this.#appendedCount < this.#waiting.length) this.#append(log)
  }

  async #begin(): Promise<void> {
    const { logs, environment } = this.#parts
    this.#isOpening = true
    try {
      const log = await logs.begin(this.#hooks.queueName)
      this.#log = log
      this.#readFrom = log.nextOffset
    } catch (error) {
      const fields = { queue: this.#hooks.queueName, error: describeError(error) }
      environment.log.warn('messages stay in memory for now', fields)
      this.#flushIn(RETRY_MS)
    }
    this.#isOpening = false
    // Nobody wants it any more.
    if (this.#waiting.length === 0) this.#endIfDrained()
    else if (this.#log !== undefined) this.#flush()
  }

  #append(log: Log): void {
    const builder = this.#builder
    builder.reset()
    let at = this.#appendedCount
    while (at < this.#waiting.length) {
      const message = this.#waiting.peekAt(at)!
      const isLarge = builder.sizeBytes + message.payload.length > BATCH_BYTES_MAX
      if (builder.count >= BATCH_RECORDS_MAX || (isLarge && builder.count > 0)) break
      this.#writer.append(builder, message, message.timestampMs)
      at++
    }
    const bytes = builder.build()
    const recordCount = batchRecordCount(bytes)
    const line = this.#line
    this.#appendedCount += recordCount
    const maxTimestamp = this.#parts.environment.clock.now()
    this.#parts.store.append(log, { bytes, recordCount, maxTimestamp }, true, {
      stored: () => this.#stored(recordCount, line),
      refused: () => this.#refused(log, recordCount, line),
    })
  }

  #stored(count: number, line: number): void {
    if (line !== this.#line) return
    for (let left = count; left > 0; left--) this.#waiting.shift()
    this.#appendedCount -= count
    this.#hooks.wake()
  }

  #refused(log: Log, count: number, line: number): void {
    if (log === this.#log) this.#readFrom = Math.min(this.#readFrom, log.nextOffset)
    if (line !== this.#line) return
    this.#appendedCount -= count
    this.#flushIn(RETRY_MS)
  }

  async #read(log: Log, turn: number): Promise<void> {
    this.#isReading = true
    const offset = this.#readFrom
    const messages: QueuedMessage[] = []
    try {
      const slice = await this.#parts.store.reader.read(log, offset, READ_BYTES)
      const end = Math.max(slice.nextOffset, offset + 1)
      const reading = { from: offset, read: readMessage, compression: undefined }
      // Copied one by one: a small message must not hold on to all that was read with it.
      visitMessages(slice, reading, (_position, message) =>
        messages.push(keepMessage(message, message.timestampMs)),
      )
      if (turn === this.#turn) this.#readFrom = end
    } catch (error) {
      if (turn === this.#turn) this.#skipLost(log, error)
    }
    this.#isReading = false
    if (turn === this.#turn) {
      this.#give(messages)
      this.#trim(log)
    }
    this.#hooks.wake()
  }

  #skipLost(log: Log, error: unknown): void {
    const to = Math.min(log.gapAt(this.#readFrom)?.to ?? log.highWatermark, log.highWatermark)
    const lost = to - this.#readFrom
    const fields = { queue: this.#hooks.queueName, lost, error: describeError(error) }
    this.#parts.environment.log.error('spilled messages cannot be read', fields)
    this.bytes -= (this.bytes * lost) / Math.max(1, this.count)
    this.#readFrom = to
    this.#hooks.lost(lost)
  }

  #give(messages: readonly QueuedMessage[]): void {
    for (const { payload } of messages) this.bytes -= payload.length
    this.#hooks.take(messages)
    this.#endIfDrained()
  }

  /** Files that were read go while others are still written. */
  #trim(log: Log): void {
    const second = log.segments[1]
    if (log.isDeleted || second === undefined || second.baseOffset > this.#readFrom) return
    this.#parts.store.trimmer
      .trim(log, this.#readFrom)
      .catch((error: unknown) => this.#parts.store.noteBackgroundError(error))
  }

  #endIfDrained(): void {
    if (this.count > 0) return
    this.bytes = 0
    const log = this.#log
    if (log === undefined || this.#appendedCount > 0) return
    this.#log = undefined
    this.#readFrom = 0
    this.#turn++
    this.#parts.logs.end(log)
  }
}
