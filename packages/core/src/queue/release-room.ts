/**
 * What a slice of released messages may hold together: no more than a queue that refuses has room for,
 * and a bounded size. A queue with a window of message ids does not get one twice.
 *
 * All or nothing: a message that one of its targets has no room for stays for all of them, or the
 * others would get it again with every try.
 */
import type { RouteTarget } from '../routing/route-target.ts'
import { remembersId } from './dedup-window.ts'
import { RELEASE_BYTES_MAX } from './limits.ts'
import type { PreparedMessage } from './publisher.ts'
import { wouldRefuse } from './queue-description.ts'
import { Queue } from './queue.ts'
import { TopicTarget } from './topic-target.ts'

/** What a message takes in a log beside its bytes, about. */
const OVERHEAD_BYTES = 64

interface Share {
  count: number
  bytes: number
  ids: Set<string> | undefined
}

export class ReleaseRoom {
  readonly #nowMs: number
  readonly #shares = new Map<Queue, Share>()
  #bytes = 0

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  get isSpent(): boolean {
    return this.#bytes >= RELEASE_BYTES_MAX
  }

  /**
   * The message with the targets that it is new to; `undefined` when one of them has no room. Throws
   * what a topic has against it.
   */
  admit(prepared: PreparedMessage): PreparedMessage | undefined {
    const { message } = prepared
    const targets = prepared.targets.filter((target) => this.#isWelcome(target, prepared))
    const { length: bytes } = message.payload
    for (const target of targets)
      if (target instanceof Queue && this.#isFull(target, bytes)) return undefined
    for (const target of targets)
      if (target instanceof Queue) this.#count(target, bytes, message.messageId)
    this.#bytes += (OVERHEAD_BYTES + bytes + message.properties.length) * targets.length
    return { ...prepared, targets }
  }

  #isWelcome(target: RouteTarget, { message }: PreparedMessage): boolean {
    if (target instanceof TopicTarget) {
      target.checkFits(message)
      return !target.topic.isDeleted
    }
    if (!(target instanceof Queue)) return true
    if (target.isDeleted) return false
    const { dedupWindowMs } = target.settings
    if (dedupWindowMs === undefined || !remembersId(target, message)) return true
    const { messageId } = message
    if (this.#shares.get(target)?.ids?.has(messageId) === true) return false
    return !target.dedup.isRepeat(messageId, this.#nowMs, dedupWindowMs)
  }

  #isFull(queue: Queue, bytes: number): boolean {
    const share = this.#shares.get(queue)
    return wouldRefuse(queue, (share?.bytes ?? 0) + bytes, (share?.count ?? 0) + 1)
  }

  #count(queue: Queue, bytes: number, messageId: string | undefined): void {
    let share = this.#shares.get(queue)
    if (share === undefined)
      this.#shares.set(queue, (share = { count: 0, bytes: 0, ids: undefined }))
    share.count++
    share.bytes += bytes
    if (messageId !== undefined && queue.settings.dedupWindowMs !== undefined)
      (share.ids ??= new Set()).add(messageId)
  }
}
