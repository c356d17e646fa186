/**
 * Writes buffers and ranges of files to one plain socket, in their order. Buffers go through Node's
 * own queue; a range follows when that queue is empty, from the page cache to the socket.
 *
 * ```
 *   | head | range               | rest | range …
 *     write → written → sendfile ─┬─ took all it was given → next turn, after the others
 *                                 ├─ full: write a little, whose callback says "there is room again"
 *                                 └─ not in memory, or no such call: read and write this piece
 * ```
 * Waiting for room costs a copy of COPY_BYTES and no polling: the operating system tells Node when
 * the socket takes that write, and so us.
 *
 * Invariants: one hand-over at a time, `onWritten` once; no system call with the descriptor of a
 * socket that is closed, which may be another's by now: it is taken from the handle before each.
 */
import type { Socket } from 'node:net'
import { BrokerError } from '@millrace/codec'
import type { FileRange } from '@millrace/core'
import { FILE_BYTES_PER_CALL_MAX, FILE_COPY_BYTES } from '../limits.ts'
import type { OnWritten } from './channel.ts'
import type { FileSending, FileTask } from './file-sending.ts'
import type { OutboundPart } from './outbound.ts'
import { isWorthAnotherCall } from './system-calls.ts'

interface HandleOwner {
  readonly _handle?: { readonly fd?: unknown } | null
}

/** `undefined` when it is closed, or when Node keeps it elsewhere: an internal name. */
export const descriptorOf = (socket: Socket): number | undefined => {
  const descriptor = (socket as unknown as HandleOwner)._handle?.fd
  return typeof descriptor === 'number' && descriptor >= 0 ? descriptor : undefined
}

export const isRange = (part: OutboundPart): part is FileRange => 'position' in part

export class RangeWriter implements FileTask {
  readonly #socket: Socket
  readonly #files: FileSending
  #parts: readonly OutboundPart[]
  #next: number
  #range: FileRange | undefined
  #sentOfRange: number
  #onWritten: OnWritten | undefined
  /** The kernel does not send this file to this socket. */
  #isCopying: boolean
  /** Of ranges; grows while a long one is on its way. */
  sentBytes: number

  constructor(socket: Socket, files: FileSending) {
    this.#socket = socket
    this.#files = files
    this.#parts = []
    this.#next = 0
    this.#range = undefined
    this.#sentOfRange = 0
    this.#onWritten = undefined
    this.#isCopying = false
    this.sentBytes = 0
  }

  write(parts: readonly OutboundPart[], onWritten: OnWritten): void {
    this.#parts = parts
    this.#next = 0
    this.#onWritten = onWritten
    this.#nextPart()
  }

  step(): number {
    const range = this.#range
    const socket = descriptorOf(this.#socket)
    if (range === undefined || this.#socket.destroyed || socket === undefined) {
      this.#finish(closed())
      return 0
    }
    const left = range.byteLength - this.#sentOfRange
    const wanted = Math.min(left, FILE_BYTES_PER_CALL_MAX)
    const position = range.position + this.#sentOfRange
    if (!this.#maySend(range, position, wanted)) {
      this.#copy(range, wanted)
      return wanted
    }
    return this.#send(range, socket, position, wanted)
  }

  #maySend({ descriptor }: FileRange, position: number, wanted: number): boolean {
    if (this.#isCopying || descriptor === undefined) return false
    const { calls } = this.#files
    return calls.isCached(descriptor, position) && calls.isCached(descriptor, position + wanted - 1)
  }

  #send(range: FileRange, socket: number, position: number, wanted: number): number {
    const { calls } = this.#files
    const sent = calls.sendFile(socket, range.descriptor ?? -1, position, wanted)
    if (sent > 0) {
      this.#files.sentBytes += sent
      this.#noteSent(sent)
    }
    // A file that ends early too: the read tells who owns it.
    else if (!isWorthAnotherCall(sent)) this.#isCopying = true
    if (this.#sentOfRange === range.byteLength) this.#endRange()
    else if (sent === wanted) this.#files.enter(this)
    else this.#copy(range, Math.min(range.byteLength - this.#sentOfRange, FILE_COPY_BYTES))
    return Math.max(sent, 0)
  }

  /** Its callback comes when the socket has taken it: then there is room, or soon. */
  #copy(range: FileRange, byteLength: number): void {
    const bytes = Buffer.allocUnsafe(byteLength)
    range.read(bytes, this.#sentOfRange).then(
      (count) => {
        if (count < byteLength) this.#fail(new Error('the file ends before its range'))
        else if (this.#socket.destroyed) this.#finish(closed())
        else this.#socket.write(bytes, (error) => this.#afterCopy(byteLength, error))
      },
      (error: unknown) => this.#fail(error as Error),
    )
  }

  #afterCopy(byteLength: number, error: Error | null | undefined): void {
    if (error) {
      this.#finish(error)
      return
    }
    this.#noteSent(byteLength)
    if (this.#sentOfRange === this.#range?.byteLength) this.#endRange()
    else this.#files.enter(this)
  }

  #noteSent(bytes: number): void {
    this.#sentOfRange += bytes
    this.sentBytes += bytes
  }

  #endRange(): void {
    this.#range = undefined
    this.#nextPart()
  }

  #nextPart(): void {
    const part = this.#parts[this.#next]
    if (part === undefined) {
      this.#finish(undefined)
    } else if (isRange(part)) {
      this.#next += 1
      this.#range = part
      this.#sentOfRange = 0
      this.#isCopying = false
      this.#files.enter(this)
    } else {
      this.#writeBuffers()
    }
  }

  /** Those up to the next range, as one piece. */
  #writeBuffers(): void {
    const socket = this.#socket
    const afterBuffers = (error?: Error | null): void => {
      if (error) this.#finish(error)
      else this.#nextPart()
    }
    socket.cork()
    for (;;) {
      const part = this.#parts[this.#next] as Uint8Array
      const following = this.#parts[this.#next + 1]
      this.#next += 1
      if (following === undefined || isRange(following)) {
        socket.write(part, afterBuffers)
        break
      }
      socket.write(part)
    }
    socket.uncork()
  }

  /** The peer was promised bytes that there are none of: what follows would be taken for them. */
  #fail(error: Error): void {
    this.#socket.destroy()
    this.#finish(error)
  }

  #finish(error: Error | undefined): void {
    const onWritten = this.#onWritten
    this.#onWritten = undefined
    this.#range = undefined
    this.#parts = []
    onWritten?.(error)
  }
}

const closed = (): BrokerError => new BrokerError('ERR_CLOSED', ['the connection'])
