/**
 * A lane in memory: of queues that do not survive a restart. The same contract as a stored lane,
 * without a log: messages are visible as soon as they are published, and a restart leaves nothing.
 */
import { RingQueue } from '@millrace/codec'
import type { QueuedMessage } from '../engine/messaging.ts'
import type { Lane } from './lane.ts'
import type { MemoryBudget } from './memory-budget.ts'
import { QueueEntry } from './queue-entry.ts'
import type { Queue } from './queue.ts'
import { ReturnedHeap } from './returned-heap.ts'

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
  readonly isBusy = false

  constructor(budget: MemoryBudget, place: { home: Queue; index: number; stride: number }) {
    this.#budget = budget
    this.home = place.home
    this.index = place.index
    this.stride = place.stride
  }

  get queueName(): string {
    return this.home.name
  }

  /** The message's bytes are the lane's from here on. */
  push(message: QueuedMessage): void {
    const entry = new QueueEntry(this, this.#nextPosition++, message)
    this.#budget.add(entry.payloadBytes + message.properties.length)
    this.#ready.push(entry)
    this.readyCount++
    this.readyBytes += entry.payloadBytes
  }

  head(): QueueEntry | undefined {
    return this.#returned.peek() ?? this.#ready.peek()
  }

  mayDeliver(): boolean {
    return true
  }

  shift(): void {
    const entry = this.#returned.pop() ?? this.#ready.shift()
    if (entry === undefined) return
    entry.state = 'in-flight'
    if (entry.verdict !== undefined) return
    this.readyCount--
    this.readyBytes -= entry.payloadBytes
  }

  putBack(entry: QueueEntry, isCounted: boolean): void {
    entry.state = 'ready'
    entry.isRedelivered = true
    if (isCounted) entry.deliveryCount++
    this.#returned.push(entry)
    if (entry.verdict !== undefined) return
    this.readyCount++
    this.readyBytes += entry.payloadBytes
  }

  settle(entry: QueueEntry): void {
    const { content } = entry
    if (content !== undefined) this.#budget.add(-(entry.payloadBytes + content.properties.length))
    entry.state = 'settled'
    entry.content = undefined
  }

  dropHead(): boolean {
    const entry = this.head()
    if (entry === undefined) return false
    this.shift()
    this.settle(entry)
    return true
  }

  purge(): number {
    const count = this.readyCount
    while (this.dropHead());
    return count
  }

  peek(count: number): Promise<readonly QueueEntry[]> {
    const returned = [...this.#returned.all()].sort((left, right) => left.position - right.position)
    const entries = returned.slice(0, count)
    for (let index = 0; entries.length < count && index < this.#ready.length; index++)
      entries.push(this.#ready.peekAt(index)!)
    return Promise.resolve(entries)
  }

  /** It stays: there is nowhere to read it again. */
  handedOver(): void {
    return undefined
  }

  close(): void {
    this.purge()
  }
}
