/** Whoever may have exclusive queues: they go when it closes. */
import type { Owner } from '../engine/messaging.ts'

export class LocalOwner implements Owner {
  readonly id: number
  readonly #close: (owner: LocalOwner) => void
  isClosed = false

  constructor(id: number, close: (owner: LocalOwner) => void) {
    this.id = id
    this.#close = close
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#close(this)
  }
}
