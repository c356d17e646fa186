/**
 * An async iterator over things that arrive in lists: what is in hand is given out without waiting,
 * one promise a call as the language wants it, and only an empty hand asks for the next list.
 */
export interface ListSource<T> {
  /** The next one if it is in hand. */
  takeNow(): T | undefined
  /** Waits until something is in hand; false at the end. Rejects when it broke. */
  refill(): Promise<boolean>
  /** The reader left. */
  close(): Promise<void>
}

const done = (): IteratorReturnResult<undefined> => ({ done: true, value: undefined })

export class QueuedIterator<T extends object> implements AsyncIterableIterator<T, undefined> {
  readonly #source: ListSource<T>
  /** Calls of `next` that wait, one behind the other. */
  #tail: Promise<unknown> = Promise.resolve()
  #waitingCount = 0
  #isDone = false

  constructor(source: ListSource<T>) {
    this.#source = source
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#waitingCount === 0 && !this.#isDone) {
      const value = this.#source.takeNow()
      if (value !== undefined) return Promise.resolve({ done: false, value })
    }
    return this.#enqueue()
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#isDone = true
    await this.#source.close()
    return done()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #enqueue(): Promise<IteratorResult<T, undefined>> {
    this.#waitingCount += 1
    const result = this.#tail.then(() => this.#wait())
    this.#tail = result.catch(() => undefined)
    return result
  }

  async #wait(): Promise<IteratorResult<T, undefined>> {
    try {
      while (!this.#isDone) {
        const value = this.#source.takeNow()
        if (value !== undefined) return { done: false, value }
        if (!(await this.#source.refill())) this.#isDone = true
      }
      return done()
    } catch (error) {
      this.#isDone = true
      throw error
    } finally {
      this.#waitingCount -= 1
    }
  }
}
