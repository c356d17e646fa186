/**
 * A TCP proxy in this process that breaks its connections: each one after so many bytes in one of
 * its directions, wherever that falls within a frame. What it has forwarded it cannot take back, so
 * a request may have been carried out whose answer is lost.
 */
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'

export interface FaultProxyOptions {
  /** How many bytes the next connection may carry, in each direction; Infinity lets it live. */
  readonly budget: () => { readonly up: number; readonly down: number }
}

export class FaultProxy {
  readonly #server: Server
  readonly #options: FaultProxyOptions
  readonly #sockets = new Set<Socket>()
  #targetPort = 0
  /** Connections that it broke. */
  cutCount = 0

  private constructor(options: FaultProxyOptions) {
    this.#options = options
    this.#server = createServer((client) => this.#accept(client))
  }

  static async listen(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `millrace://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Where connections go from now on. */
  forwardTo(port: number): void {
    this.#targetPort = port
  }

  /** Breaks every connection there is. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #accept(client: Socket): void {
    const broker = connect({ port: this.#targetPort, host: '127.0.0.1', noDelay: true })
    client.setNoDelay(true)
    const cut = (): void => {
      if (!client.destroyed) this.cutCount++
      client.resetAndDestroy()
      broker.resetAndDestroy()
    }
    const { up, down } = this.#options.budget()
    this.#forward(client, broker, up, cut)
    this.#forward(broker, client, down, cut)
  }

  #forward(from: Socket, to: Socket, budget: number, cut: () => void): void {
    let rest = budget
    this.#sockets.add(from)
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.#sockets.delete(from)
      to.end()
    })
    from.on('data', (chunk: Buffer) => {
      const part = chunk.subarray(0, Math.max(0, rest))
      rest -= chunk.length
      // Sent for certain, and the rest for certain not.
      if (rest <= 0) to.write(part, cut)
      else if (!to.write(part)) {
        from.pause()
        to.once('drain', () => from.resume())
      }
    })
  }
}
