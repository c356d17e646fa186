/**
 * The way bytes travel: TCP in client-node, a WebSocket in a browser, a pair in memory in tests. A
 * transport knows nothing of frames.
 */

/** `millrace` is TCP, `millraces` TCP with TLS, `ws` and `wss` a WebSocket. */
export type AddressScheme = 'millrace' | 'millraces' | 'ws' | 'wss'

/** Where a broker listens, and how it is spoken to. */
export interface BrokerAddress {
  readonly scheme: AddressScheme
  readonly host: string
  readonly port: number
  /** Of a WebSocket; empty otherwise. */
  readonly path: string
  /** The way it is written in errors: `millrace://127.0.0.1:7420`. */
  readonly url: string
}

/** What a link calls; never before `connect` has resolved, never after `onClose`. */
export interface LinkHandlers {
  /** The chunk is borrowed for the call. */
  onData(chunk: Uint8Array): void
  /** After a `write` that returned false: there is room again. */
  onDrain(): void
  /** Once. `error` is undefined when the peer ended the stream in order. */
  onClose(error: Error | undefined): void
}

/** One open stream of bytes, both ways. */
export interface Link {
  /**
   * Takes the chunks in order, all of them. False asks for a pause until `onDrain`. The bytes must
   * stay as they are until they were sent; the array itself is the caller's again at once.
   */
  write(chunks: readonly Uint8Array[], byteLength: number): boolean
  /** No `onData` until `resume`. */
  pause(): void
  resume(): void
  /** Sends what was written, then ends. `onClose` follows. */
  close(): void
  /** Ends at once; what was not sent yet is lost. `onClose` follows. */
  destroy(): void
}

export interface Transport {
  /** Rejects when the broker cannot be reached, or when `signal` aborts first. */
  connect(address: BrokerAddress, handlers: LinkHandlers, signal: AbortSignal): Promise<Link>
}
