/** A connection, as owner of exclusive queues: they go with it. */
import { BrokerError } from '@millrace/codec'
import type { Owner } from '../engine/messaging.ts'
import type { RouteTarget } from '../routing/route-target.ts'
import { Queue } from './queue.ts'

export class LocalOwner implements Owner {
  readonly id: number
  readonly #drop: (queue: Queue) => void
  /** Made with the first: most connections own none. */
  #queues: Set<Queue> | undefined
  isClosed = false

  constructor(id: number, drop: (queue: Queue) => void) {
    this.id = id
    this.#drop = drop
  }

  /** False when the connection has ended already. */
  own(queue: Queue): boolean {
    if (this.isClosed) return false
    const queues = (this.#queues ??= new Set())
    if (queues.has(queue)) return true
    queues.add(queue)
    queue.onEnd(() => queues.delete(queue))
    return true
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    for (const queue of [...(this.#queues ?? [])]) this.#drop(queue)
  }
}

/** Throws ERR_QUEUE_LOCKED. */
export const checkOwned = (target: RouteTarget, owner: Owner | undefined): void => {
  if (target instanceof Queue && target.owner !== undefined && target.owner !== owner)
    throw new BrokerError('ERR_QUEUE_LOCKED', [target.name])
}
