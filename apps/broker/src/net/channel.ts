/**
 * What a connection needs of the transport below it: a TCP or TLS socket, or a WebSocket. Moves bytes;
 * knows neither limits nor protocols, which are the connection's.
 */
import type { Socket } from 'node:net'
import type { BrokerError } from '@millrace/codec'
import type { TlsPeer } from '@millrace/core'
import { FLUSH_BYTES } from '../limits.ts'
import type { FileSending } from './file-sending.ts'
import { descriptorOf, RangeWriter } from './range-writer.ts'

export type OnWritten = (error?: Error | null) => void

export interface Channel {
  readonly localAddress: string
  readonly remoteAddress: string
  readonly isTls: boolean
  readonly tlsPeer: TlsPeer | undefined
  readonly subprotocol: string | undefined
  readonly isDestroyed: boolean
  /**
   * Gathered bytes are handed over from this on, without waiting for the end of the turn. Infinity
   * where only the end of a turn is sure to be the end of a frame.
   */
  readonly flushBytes: number
  /** At least one part; `onWritten` runs once, when they are written or the transport failed. */
  write(parts: readonly Uint8Array[], onWritten: OnWritten): void
  /** Where ranges of files are taken: the same for parts with ranges among them. */
  readonly ranges?: RangeWriter | undefined
  pause(): void
  resume(): void
  /** Nothing is written any more. */
  end(cause: BrokerError | undefined): void
  destroy(): void
  limitMessages(bytesMax: number): void
  /** `onClosed` runs once, also when it is closed already. Reading begins. */
  start(onClosed: () => void): void
}

/** How the bytes of a connection are protected. */
export interface ConnectionSecurity {
  readonly isTls: boolean
  readonly tlsPeer: TlsPeer | undefined
}

export const formatAddress = (address: string | undefined, port: number | undefined): string => {
  if (address === undefined) return 'unknown'
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

const PLAIN: ConnectionSecurity = { isTls: false, tlsPeer: undefined }

export class SocketChannel implements Channel {
  readonly localAddress: string
  readonly remoteAddress: string
  readonly isTls: boolean
  readonly tlsPeer: TlsPeer | undefined
  readonly subprotocol: string | undefined
  readonly flushBytes: number
  readonly ranges: RangeWriter | undefined
  readonly #socket: Socket

  constructor(socket: Socket, { isTls, tlsPeer }: ConnectionSecurity = PLAIN, files?: FileSending) {
    this.localAddress = formatAddress(socket.localAddress, socket.localPort)
    this.remoteAddress = formatAddress(socket.remoteAddress, socket.remotePort)
    this.isTls = isTls
    this.tlsPeer = tlsPeer
    this.subprotocol = undefined
    this.flushBytes = FLUSH_BYTES
    const mayRange = files !== undefined && !isTls && descriptorOf(socket) !== undefined
    this.ranges = mayRange ? new RangeWriter(socket, files) : undefined
    this.#socket = socket
  }

  get isDestroyed(): boolean {
    return this.#socket.destroyed
  }

  write(parts: readonly Uint8Array[], onWritten: OnWritten): void {
    const socket = this.#socket
    const last = parts.length - 1
    if (last > 0) socket.cork()
    for (let index = 0; index < last; index++) socket.write(parts[index] as Uint8Array)
    socket.write(parts[last] as Uint8Array, onWritten)
    if (last > 0) socket.uncork()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Bytes are handed on as they come. */
  limitMessages(): void {}

  start(onClosed: () => void): void {
    const socket = this.#socket
    socket.on('end', () => socket.destroy())
    socket.on('close', onClosed)
    if (socket.destroyed) onClosed()
    else socket.resume()
  }
}
