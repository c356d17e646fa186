/**
 * Typed events. `on` returns the function that unsubscribes; a listener that throws is a bug of the
 * program and is not caught here.
 */
export type Listener<T> = (event: T) => void

export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>()

  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    let listeners = this.#listeners.get(name)
    if (listeners === undefined) this.#listeners.set(name, (listeners = new Set()))
    // A wrapper of its own, so that the same function may listen twice and leave once.
    const entry: Listener<never> = (event) => listener(event)
    listeners.add(entry)
    return () => void listeners.delete(entry)
  }

  /** Whether anybody listened. */
  emit<Name extends keyof Events>(name: Name, event: Events[Name]): boolean {
    const listeners = this.#listeners.get(name)
    if (listeners === undefined || listeners.size === 0) return false
    for (const listener of [...listeners]) (listener as Listener<Events[Name]>)(event)
    return true
  }
}
