/**
 * A TCP port whose connections speak TLS. What it hands on is through its handshake and its client
 * certificate, if one is asked for, is verified.
 *
 * ```
 *   accepted → first byte → handshake → certificate → entry
 *        └────────── one deadline ─────────┘
 * ```
 * Threats answered here: handshakes that drip (one deadline over all of it), plain bytes where TLS is
 * spoken (told so in plain, once), renegotiation (off), floods of key updates (the library gives up on
 * them), session tickets of an old set of certificates (they die with it).
 */
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { TLS_HANDSHAKE_MS_MAX } from '../limits.ts'
import {
  Acceptor,
  type AcceptorOptions,
  type Entry,
  ignoreError,
  refuseSocket,
} from './acceptor.ts'
import type { Certificates } from './certificates.ts'
import type { CoarseTimer, CoarseTimers } from './coarse-timers.ts'
import { readTlsPeer } from './tls-peer.ts'

const TLS_HANDSHAKE_RECORD = 0x16

export interface TlsAcceptorOptions extends Omit<
  AcceptorOptions,
  'pauseOnConnect' | 'allowHalfOpen' | 'refusal'
> {
  readonly certificates: Certificates
  readonly timers: CoarseTimers
  readonly handshakeMsMax: number
  /** What a peer is told that speaks plainly here. */
  readonly plainRefusal: () => Uint8Array | undefined
}

interface Pending {
  readonly entry: Entry
  readonly deadline: CoarseTimer
}

/** Unique among the open connections of a port; the TLS socket of a connection has the same. */
const addressKey = ({ remoteAddress, remotePort, localAddress }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`

export class TlsAcceptor {
  readonly #options: TlsAcceptorOptions
  readonly #acceptor: Acceptor
  readonly #tls: Server
  readonly #pending = new Map<string, Pending>()

  constructor(options: TlsAcceptorOptions) {
    const { certificates } = options
    this.#options = options
    this.#acceptor = new Acceptor({
      ...options,
      pauseOnConnect: true,
      allowHalfOpen: false,
      onEntry: (entry) => this.#begin(entry),
      // Bytes before a handshake would only confuse.
      refusal: () => undefined,
    })
    this.#tls = createServer({
      ...certificates.context,
      requestCert: certificates.clientAuth !== 'none',
      // Checked by us: the library would hang up without a word in the log.
      rejectUnauthorized: false,
      handshakeTimeout: TLS_HANDSHAKE_MS_MAX,
    })
    this.#tls.on('secureConnection', (socket) => this.#finish(socket))
    this.#tls.on('tlsClientError', (error, socket) => this.#handleFailure(error, socket))
    certificates.onChange((context) => this.#tls.setSecureContext(context))
  }

  listen(): Promise<number> {
    return this.#acceptor.listen()
  }

  close(): void {
    this.#acceptor.close()
    for (const { entry } of this.#pending.values()) entry.socket.destroy()
  }

  #begin(entry: Entry): void {
    const { timers, handshakeMsMax } = this.#options
    const { socket } = entry
    const key = addressKey(socket)
    const delayMs = Math.min(TLS_HANDSHAKE_MS_MAX, handshakeMsMax)
    const deadline = timers.after(delayMs, () => {
      this.#log('tls.handshake-failed', entry.socket, `no handshake within ${delayMs} ms`)
      socket.destroy()
    })
    this.#pending.set(key, { entry, deadline })
    socket.once('close', () => {
      deadline.cancel()
      if (this.#pending.get(key)?.entry === entry) this.#pending.delete(key)
      entry.leave()
    })
    socket.once('data', (chunk: Buffer) => this.#sniff(socket, chunk))
    socket.resume()
  }

  #sniff(socket: Socket, chunk: Buffer): void {
    socket.pause()
    if (chunk[0] === TLS_HANDSHAKE_RECORD) {
      socket.unshift(chunk)
      this.#tls.emit('connection', socket)
      return
    }
    this.#log('tls.plain-bytes', socket, 'the peer does not speak TLS, and this port does')
    refuseSocket(socket, this.#options.plainRefusal())
  }

  #finish(socket: TLSSocket): void {
    socket.on('error', ignoreError)
    const pending = this.#pending.get(addressKey(socket))
    // It failed in the same moment.
    if (pending === undefined) {
      socket.destroy()
      return
    }
    pending.deadline.cancel()
    this.#pending.delete(addressKey(socket))
    const { certificates, onEntry } = this.#options
    const tlsPeer = certificates.clientAuth === 'none' ? undefined : readTlsPeer(socket)
    const problem = this.#certificateProblem(socket, tlsPeer !== undefined)
    if (problem !== undefined) {
      this.#log('tls.certificate-refused', socket, problem)
      socket.destroy()
      return
    }
    onEntry({ ...pending.entry, socket, isTls: true, tlsPeer })
  }

  #certificateProblem(socket: TLSSocket, hasCertificate: boolean): string | undefined {
    const { clientAuth } = this.#options.certificates
    if (!hasCertificate) {
      return clientAuth === 'required' ? 'the peer shows no certificate' : undefined
    }
    // The declared type says `Error`; what is there is its code.
    return socket.authorized ? undefined : String(socket.authorizationError)
  }

  #handleFailure(error: Error, socket: TLSSocket): void {
    const { code, message } = error as Error & { code?: string }
    // Whoever hangs up during a handshake has its reasons; a scan is not worth a line.
    if (code !== 'ECONNRESET') this.#log('tls.handshake-failed', socket, code ?? message)
    socket.destroy()
  }

  #log(event: string, { remoteAddress, remotePort }: Socket, reason: string): void {
    const { name, log } = this.#options
    log.warn(event, { listener: name, peer: `${remoteAddress}:${remotePort}`, reason })
  }
}
