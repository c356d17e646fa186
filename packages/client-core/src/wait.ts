/** Waits that an AbortSignal can end. */
import { abortedError } from './errors.ts'

export interface WaitOptions {
  /** Ends the wait with ERR_ABORTED; what was waited for goes on. */
  readonly signal?: AbortSignal | undefined
}

/** The promise, or ERR_ABORTED as soon as the signal says so. */
export const abortable = <T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortedError(signal))
    const settle = (): void => signal.removeEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
    promise.then(resolve, reject).finally(settle)
  })
}

/** A list of waiting calls that are woken, or refused, all at once. */
export class Waiters {
  #list: { resolve: () => void; reject: (error: unknown) => void }[] = []

  get count(): number {
    return this.#list.length
  }

  wait(): Promise<void> {
    return new Promise((resolve, reject) => this.#list.push({ resolve, reject }))
  }

  resolveAll(): void {
    for (const { resolve } of this.#take()) resolve()
  }

  rejectAll(error: unknown): void {
    for (const { reject } of this.#take()) reject(error)
  }

  #take(): { resolve: () => void; reject: (error: unknown) => void }[] {
    const list = this.#list
    this.#list = []
    return list
  }
}
