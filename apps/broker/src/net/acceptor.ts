/**
 * A TCP port: listens, counts, numbers, and turns away what is too much. Reads nothing and knows no
 * protocol.
 *
 * Threats answered here: more connections than allowed, a process out of file descriptors, a socket
 * that fails before anyone listens to it.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { BrokerError } from '@millrace/codec'
import type { EngineLog, TlsPeer } from '@millrace/core'
import type { ConnectionCounter } from './connection-counter.ts'

/** A connection that was let in. */
export interface Entry {
  readonly id: number
  readonly socket: Socket
  readonly isTls: boolean
  readonly tlsPeer: TlsPeer | undefined
  /** It no longer counts. Calling it again does nothing. */
  leave(): void
}

export interface AcceptorOptions {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly log: EngineLog
  readonly counter: ConnectionCounter
  /** Nothing is read before somebody asks. */
  readonly pauseOnConnect: boolean
  readonly allowHalfOpen: boolean
  readonly onEntry: (entry: Entry) => void
  /** What a peer is told that is not let in; without it the connection just ends. */
  readonly refusal: (error: BrokerError) => Uint8Array | undefined
}

export class Acceptor {
  readonly #options: AcceptorOptions
  readonly #server: Server

  constructor(options: AcceptorOptions) {
    this.#options = options
    const { pauseOnConnect, allowHalfOpen } = options
    this.#server = createServer(
      { noDelay: true, keepAlive: true, pauseOnConnect, allowHalfOpen },
      (socket) => this.#handleSocket(socket),
    )
  }

  /** The port it got; rejects with the operating system's error. */
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

  /** No new connections from now on; those there are stay. */
  close(): void {
    this.#server.close()
  }

  /** EMFILE and its like: the peer waits in the backlog, the broker goes on. */
  #handleServerError(error: Error): void {
    const { name, log } = this.#options
    log.error('listener.accept-failed', { listener: name, reason: error.message })
  }

  #handleSocket(socket: Socket): void {
    // Without a listener an 'error' would end the process.
    socket.on('error', ignoreError)
    const { counter, onEntry } = this.#options
    const id = counter.enter()
    if (id === undefined) {
      this.#refuse(socket)
      return
    }
    let isIn = true
    const leave = (): void => {
      if (isIn) counter.leave()
      isIn = false
    }
    onEntry({ id, socket, isTls: false, tlsPeer: undefined, leave })
  }

  #refuse(socket: Socket): void {
    const { name, log, counter, refusal } = this.#options
    const error = new BrokerError('ERR_CONNECTION_LIMIT', [counter.countMax])
    log.warn('listener.connection-refused', { listener: name, reason: error.message })
    refuseSocket(socket, refusal(error))
  }
}

/** Says why, if there is something to say, and hangs up. */
export const refuseSocket = (socket: Socket, lastWords: Uint8Array | undefined): void => {
  if (lastWords === undefined) {
    socket.destroy()
    return
  }
  socket.end(lastWords, () => socket.destroySoon())
  socket.resume()
}

/** What follows is 'close', and that is listened to. */
export const ignoreError = (): void => undefined
