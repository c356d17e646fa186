/** Two ends in one process. Bytes are copied and arrive a microtask later, as from a socket. */
import type { BrokerAddress, Link, LinkHandlers, Transport } from '../../src/transport.ts'

/** The far end, as the fake broker sees it. */
export interface PeerHandlers {
  onBytes(bytes: Uint8Array): void
  onClose(): void
}

export class MemoryLink implements Link {
  readonly #near: LinkHandlers
  peer: PeerHandlers | undefined
  /** Bytes per `onData`, to split frames wherever it hurts. */
  chunkBytes = Infinity
  /** `write` answers with it; `drain()` makes it true again. */
  hasRoom = true
  /** One entry per write. */
  readonly writes: Uint8Array[] = []
  isOpen = true
  isPaused = false

  constructor(near: LinkHandlers) {
    this.#near = near
  }

  write(chunks: readonly Uint8Array[], byteLength: number): boolean {
    const bytes = new Uint8Array(byteLength)
    let at = 0
    for (const chunk of chunks) {
      bytes.set(chunk, at)
      at += chunk.length
    }
    if (at !== byteLength) throw new Error(`${byteLength} bytes were announced, ${at} came`)
    this.writes.push(bytes)
    queueMicrotask(() => this.isOpen && this.peer?.onBytes(bytes))
    return this.hasRoom
  }

  drain(): void {
    this.hasRoom = true
    this.#near.onDrain()
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  close(): void {
    this.end()
  }

  destroy(): void {
    this.end()
  }

  /** From the far end. */
  receive(bytes: Uint8Array): void {
    queueMicrotask(() => {
      for (let at = 0; at < bytes.length && this.isOpen; at += this.chunkBytes) {
        // A buffer of its own, overwritten afterwards: who kept a view of it will notice.
        const chunk = bytes.slice(at, Math.min(bytes.length, at + this.chunkBytes))
        this.#near.onData(chunk)
        chunk.fill(0xee)
      }
    })
  }

  end(error?: Error): void {
    if (!this.isOpen) return
    this.isOpen = false
    queueMicrotask(() => {
      this.#near.onClose(error)
      this.peer?.onClose()
    })
  }
}

export class MemoryTransport implements Transport {
  readonly #accept: (link: MemoryLink, address: BrokerAddress) => void
  link: MemoryLink | undefined
  /** Where the client tried to go, in order. */
  readonly dialed: string[] = []
  /** These do not answer. */
  readonly unreachable = new Set<string>()
  failure: Error | undefined
  isSilent = false

  constructor(accept: (link: MemoryLink, address: BrokerAddress) => void) {
    this.#accept = accept
  }

  connect(address: BrokerAddress, handlers: LinkHandlers, signal: AbortSignal): Promise<Link> {
    this.dialed.push(address.url)
    if (this.failure !== undefined) return Promise.reject(this.failure)
    if (this.unreachable.has(address.url)) return Promise.reject(new Error('ECONNREFUSED'))
    if (this.isSilent) {
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
    }
    const link = new MemoryLink(handlers)
    this.link = link
    this.#accept(link, address)
    return Promise.resolve(link)
  }
}
