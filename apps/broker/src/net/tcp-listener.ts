/**
 * A TCP port and the connections that came in through it. Counts, refuses, hands over to a protocol;
 * knows none.
 *
 * Threats answered here: more connections than allowed, a process out of file descriptors, a socket
 * that fails before anyone listens to it.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { BrokerError } from '@millrace/codec'
import type { Connection, EngineLog, Session } from '@millrace/core'
import { type ConnectionSurroundings, SocketConnection } from './connection.ts'
import type { ConnectionCounter } from './connection-counter.ts'
import type { Listener } from './listener.ts'
import { SharedReader } from './shared-read.ts'

export interface TcpListenerOptions {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly log: EngineLog
  readonly surroundings: ConnectionSurroundings
  readonly counter: ConnectionCounter
  readonly accept: (connection: Connection) => Session
  /** What a peer is told that is not let in. */
  readonly refusal: (error: BrokerError) => Uint8Array | undefined
}

export class TcpListener implements Listener {
  readonly #options: TcpListenerOptions
  readonly #server: Server
  readonly #reader = new SharedReader()

  constructor(options: TcpListenerOptions) {
    this.#options = options
    this.#server = createServer(
      { noDelay: true, keepAlive: true, pauseOnConnect: true },
      (socket) => this.#handleSocket(socket),
    )
  }

  listen(): Promise<number> {
    const { host, port } = this.#options
    const server = this.#server
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => {
        server.off('error', reject)
        server.on('error', (error) => this.#handleServerError(error))
        const address = server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : port)
      })
    })
  }

  stopAccepting(): void {
    this.#server.close()
  }

  /** The gateway ends its sessions. */
  close(): void {
    this.stopAccepting()
  }

  /** EMFILE and its like: the peer waits in the backlog, the broker goes on. */
  #handleServerError(error: Error): void {
    const { name, log } = this.#options
    log.error('listener.accept-failed', { listener: name, reason: error.message })
  }

  #handleSocket(socket: Socket): void {
    // Without a listener an 'error' would end the process.
    socket.on('error', ignoreError)
    const { counter, surroundings } = this.#options
    const id = counter.enter()
    if (id === undefined) {
      this.#refuse(socket)
      return
    }
    const adopted = this.#reader.adopt(socket, (bytes) => connection.receive(bytes))
    adopted.on('error', ignoreError)
    adopted.once('close', () => counter.leave())
    const connection = new SocketConnection(id, adopted, surroundings)
    connection.attach(this.#options.accept(connection))
  }

  #refuse(socket: Socket): void {
    const { name, log, counter, refusal } = this.#options
    const error = new BrokerError('ERR_CONNECTION_LIMIT', [counter.countMax])
    log.warn('listener.connection-refused', { listener: name, reason: error.message })
    socket.end(refusal(error) ?? new Uint8Array(0), () => socket.destroySoon())
    socket.resume()
  }
}

/** What follows is 'close', and that is listened to. */
const ignoreError = (): void => undefined
