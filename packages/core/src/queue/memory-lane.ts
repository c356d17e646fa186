/**
 * A lane in memory: of queues that do not survive a restart. The same contract as a stored lane,
 * without a ledger: messages are visible as soon as they are published, and a restart leaves nothing.
 *
 * ```
 *   returned (heap)   ready (ring)   spilled
 *      in memory       in memory     in an unsynced log, once the memory of all queues is spent
 * ```
 *
 * Invariant: while anything is spilled, what is published goes behind it.
 */
import { RingQueue } from '@millrace/codec'
import type { QueuedMessage } from '../engine/messaging.ts'
import type { Lane } from './lane.ts'
import { MEMORY_BYTES_MIN, READY_BYTES_MAX } from './limits.ts'
import { memoryBytesOf, type MemoryBudget } from './memory-budget.ts'
import { isReady, QueueEntry } from './queue-entry.ts'
import type { Queue } from './queue.ts'
import { ReturnedHeap } from './returned-heap.ts'
import { Spill, type SpillParts } from './spill.ts'

/** Read on before the last of what is in memory is handed over. */
const LOW_COUNT = 256

export class MemoryLane implements Lane {
  readonly home: Queue
  readonly index: number
  readonly stride: number
  readonly #budget: MemoryBudget
  readonly #returned = new ReturnedHeap()
  readonly #ready = new RingQueue<QueueEntry>()
  #nextPosition = 0
  readyCount = 0
  readyBytes = 0
  readonly pendingCount = 0
  readonly pendingBytes = 0
  /** Taken by messages that are in memory, in flight ones too. */
  #bytes = 0
  #ringBytes = 0
  readonly #spillParts: SpillParts
  #spill: Spill | undefined
  #isClosed = false

  constructor(
    budget: MemoryBudget,
    spillParts: SpillParts,
    place: { home: Queue; index: number; stride: number },
  ) {
    this.#budget = budget
    this.#spillParts = spillParts
    this.home = place.home
    this.index = place.index
    this.stride = place.stride
  }

  get queueName(): string {
    return this.home.name
  }

  /** The message's bytes are the lane's from here on. */
  push(message: QueuedMessage): void {
    this.readyCount++
    this.readyBytes += message.payload.length
    if (this.#mustSpill) this.#toSpill.add(message)
    else this.#keep(message)
  }

  get isBusy(): boolean {
    return this.#spill?.isBusy === true
  }

  /** How many messages wait outside of memory. */
  get spilledCount(): number {
    return this.#spill?.count ?? 0
  }

  head(): QueueEntry | undefined {
    const entry = this.#returned.peek() ?? this.#ready.peek()
    if (entry !== undefined || this.spilledCount === 0) return entry
    this.#spill?.readNext()
    return this.#ready.peek()
  }

  mayDeliver(): boolean {
    return true
  }

  shift(): void {
    const returned = this.#returned.pop()
    const entry = returned ?? this.#ready.shift()
    if (entry === undefined) return
    if (returned === undefined) this.#ringBytes -= entry.payloadBytes
    const isLow = this.#ready.length < LOW_COUNT && this.#ringBytes < READY_BYTES_MAX / 2
    if (isLow && this.spilledCount > 0) this.#spill?.readNext()
    entry.state = 'in-flight'
    if (entry.verdict !== undefined) return
    this.readyCount--
    this.readyBytes -= entry.payloadBytes
  }

  countReturn(entry: QueueEntry): void {
    entry.deliveryCount++
  }

  putBack(entry: QueueEntry): void {
    entry.state = 'ready'
    entry.isRedelivered = true
    this.#returned.push(entry)
    if (entry.verdict !== undefined) return
    this.readyCount++
    this.readyBytes += entry.payloadBytes
  }

  settle(entry: QueueEntry): void {
    const { content } = entry
    if (content !== undefined) this.#count(-memoryBytesOf(content))
    entry.state = 'settled'
    entry.content = undefined
  }

  dropHead(): boolean {
    const entry = this.#returned.peek() ?? this.#ready.peek()
    if (entry === undefined) return this.#dropSpilled()
    this.shift()
    this.settle(entry)
    return true
  }

  purge(): number {
    const count = this.readyCount
    this.#spill?.clear()
    for (const entry of this.#returned.takeBetween(0, Infinity, isReady)) this.settle(entry)
    for (let entry = this.#ready.shift(); entry !== undefined; entry = this.#ready.shift())
      this.settle(entry)
    this.#ringBytes = 0
    this.readyCount = 0
    this.readyBytes = 0
    return count
  }

  async peek(count: number): Promise<readonly QueueEntry[]> {
    const returned = [...this.#returned.all()].sort((left, right) => left.position - right.position)
    const entries = returned.slice(0, count)
    for (let index = 0; entries.length < count && index < this.#ready.length; index++)
      entries.push(this.#ready.peekAt(index)!)
    if (this.#spill === undefined || entries.length === count) return entries
    const first = this.#nextPosition
    const spilled = await this.#spill.peek(count - entries.length)
    return [...entries, ...spilled.map((each, index) => new QueueEntry(this, first + index, each))]
  }

  /** It stays: there is nowhere to read it again. */
  handedOver(): void {
    return undefined
  }

  close(): void {
    this.#isClosed = true
    this.purge()
    this.#spill?.close()
  }

  get #mustSpill(): boolean {
    if (this.spilledCount > 0) return true
    return this.#bytes >= MEMORY_BYTES_MIN && this.#budget.isSpent
  }

  get #toSpill(): Spill {
    this.#spill ??= new Spill(this.#spillParts, {
      queueName: this.queueName,
      take: (messages) => this.#take(messages),
      lost: (count) => this.#lost(count),
      wake: () => this.home.wake(),
    })
    return this.#spill
  }

  #keep(message: QueuedMessage): void {
    const entry = new QueueEntry(this, this.#nextPosition++, message)
    this.#count(memoryBytesOf(message))
    this.#ringBytes += entry.payloadBytes
    this.#ready.push(entry)
  }

  #take(messages: readonly QueuedMessage[]): void {
    if (this.#isClosed) return
    for (const message of messages) this.#keep(message)
  }

  #lost(count: number): void {
    this.readyBytes -= (this.readyBytes * count) / Math.max(1, this.readyCount)
    this.readyCount -= count
  }

  #dropSpilled(): boolean {
    const spill = this.#spill
    if (spill === undefined || spill.count === 0) return false
    const bytes = spill.bytes / spill.count
    if (!spill.dropFirst()) return false
    // Its place stays empty.
    this.#nextPosition++
    this.readyCount--
    this.readyBytes = this.readyCount === 0 ? 0 : this.readyBytes - bytes
    return true
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    this.#budget.add(bytes)
  }
}
