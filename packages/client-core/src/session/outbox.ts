/**
 * The bytes on their way out: everything that one turn of the event loop produced leaves in one
 * write. Not a limit: who submits asks `isBlocked` first, and requests are counted elsewhere.
 */
import type { Link } from '../transport.ts'

export class Outbox {
  #chunks: Uint8Array[] = []
  #bytes = 0
  #isBlocked = false

  get queuedBytes(): number {
    return this.#bytes
  }

  /** The link asked for a pause and has not drained yet. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
  }

  /** Whether something was written. Not while it is blocked. */
  flush(link: Link): boolean {
    if (this.#chunks.length === 0) return false
    const chunks = this.#chunks
    const bytes = this.#bytes
    this.#chunks = []
    this.#bytes = 0
    this.#isBlocked = !link.write(chunks, bytes)
    return true
  }

  unblock(): void {
    this.#isBlocked = false
  }

  clear(): void {
    this.#chunks = []
    this.#bytes = 0
  }
}
