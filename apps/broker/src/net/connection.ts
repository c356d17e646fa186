/**
 * Core's `Connection` over a channel, which is a socket or a WebSocket: bytes in, bytes out,
 * back-pressure both ways. Knows no protocol.
 *
 * Outbound: what is written within a turn of the event loop is gathered and handed to the operating
 * system once, small writes copied into a slab, large ones as they are (one writev). At most one
 * such hand-over is under way; what comes meanwhile gathers for the next one.
 *
 * ```
 *   write/sendRange → parts of this turn → (end of turn) → parts in flight → (written) → released
 * ```
 * Invariants: queued bytes never exceed `outboundBytesMax`, or the peer is cut off; slabs and leases
 * are given back exactly once, after the operating system has the bytes or the socket is gone.
 */
import assert from 'node:assert'
import { BrokerError } from '@millrace/codec'
import type { Connection, ReadLease, Session, TlsPeer } from '@millrace/core'
import {
  COPIED_WRITE_BYTES_MAX,
  LINGER_MS_MAX,
  OUTBOUND_HIGH_WATER_BYTES,
  OUTBOUND_STALL_MS_MAX,
  READ_BYTES_PER_TURN_MAX,
  SLAB_BYTES,
} from '../limits.ts'
import type { Channel } from './channel.ts'
import type { CoarseTimer, CoarseTimers } from './coarse-timers.ts'
import type { FileSending } from './file-sending.ts'
import type { MemoryBudget } from './memory-budget.ts'
import { Outbound } from './outbound.ts'
import type { SlabPool } from './slab-pool.ts'
import type { TurnQueue, TurnTask } from './turn-queue.ts'

/** What all connections of a process share. */
export interface ConnectionSurroundings {
  /** `undefined`: what comes from files is read and written. */
  readonly files?: FileSending | undefined
  readonly slabs: SlabPool
  readonly turns: TurnQueue
  readonly timers: CoarseTimers
  readonly outboundBytesMax: number
  readonly memory: MemoryBudget
  /** The peer was cut off by a limit of the connection itself. */
  readonly onCutOff: (connection: Connection, error: BrokerError) => void
}

export class ChannelConnection implements Connection, TurnTask {
  readonly id: number
  readonly localAddress: string
  readonly remoteAddress: string
  readonly isTls: boolean
  readonly tlsPeer: TlsPeer | undefined
  readonly subprotocol: string | undefined
  readonly #channel: Channel
  readonly #surroundings: ConnectionSurroundings
  readonly #onWritten: (error?: Error | null) => void
  #session: Session | undefined
  #gathering: Outbound
  #inFlight: Outbound
  #isInFlight: boolean
  #isInTurnQueue: boolean
  #isBlocked: boolean
  #isPaused: boolean
  #isYielding: boolean
  #isEnding: boolean
  #endCause: BrokerError | undefined
  #isClosed: boolean
  #readBytesThisTurn: number
  #stallTimer: CoarseTimer | undefined
  #flushesAtStallCheck: number
  #flushCount: number

  constructor(id: number, channel: Channel, surroundings: ConnectionSurroundings) {
    this.id = id
    this.localAddress = channel.localAddress
    this.remoteAddress = channel.remoteAddress
    this.isTls = channel.isTls
    this.tlsPeer = channel.tlsPeer
    this.subprotocol = channel.subprotocol
    this.#channel = channel
    this.#surroundings = surroundings
    this.#onWritten = () => this.#finishFlush()
    this.#session = undefined
    this.#gathering = new Outbound(surroundings.slabs)
    this.#inFlight = new Outbound(surroundings.slabs)
    this.#isInFlight = false
    this.#isInTurnQueue = false
    this.#isBlocked = false
    this.#isPaused = false
    this.#isYielding = false
    this.#isEnding = false
    this.#endCause = undefined
    this.#isClosed = false
    this.#readBytesThisTurn = 0
    this.#stallTimer = undefined
    this.#flushesAtStallCheck = 0
    this.#flushCount = 0
  }

  /** Bytes that wait for the peer. */
  get queuedBytes(): number {
    return this.#gathering.byteLength + this.#inFlight.byteLength
  }

  /** Called once; reading begins with it. */
  attach(session: Session): void {
    this.#session = session
    this.#channel.start(() => this.#handleClosed())
  }

  /** Bytes of the peer, borrowed for the call. */
  receive(chunk: Uint8Array): void {
    if (this.#isEnding || this.#isClosed) return
    this.#readBytesThisTurn += chunk.length
    if (this.#readBytesThisTurn >= READ_BYTES_PER_TURN_MAX) this.#yield()
    // Not a Buffer: its `slice` is a view, and who keeps one would keep bytes that the next read
    // writes over.
    this.#session?.onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#isOpen()) return false
    if (bytes.length <= COPIED_WRITE_BYTES_MAX) this.#gathering.copy(bytes)
    else this.#gathering.append(bytes)
    return this.#afterWrite(bytes.length)
  }

  get sendsFiles(): boolean {
    return this.#channel.ranges !== undefined
  }

  writeCopy(bytes: Uint8Array): boolean {
    if (!this.#isOpen()) return false
    if (bytes.length <= SLAB_BYTES) this.#gathering.copy(bytes)
    else this.#gathering.append(bytes.slice())
    return this.#afterWrite(bytes.length)
  }

  sendRange(lease: ReadLease): boolean {
    assert(lease.range === undefined || this.sendsFiles, 'a file where none is sent')
    if (!this.#isOpen()) {
      lease.release()
      return false
    }
    this.#gathering.appendLease(lease)
    return this.#afterWrite(lease.range === undefined ? lease.byteLength : 0)
  }

  pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#channel.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    if (!this.#isYielding) this.#channel.resume()
  }

  limitMessages(bytesMax: number): void {
    this.#channel.limitMessages(bytesMax)
  }

  end(cause?: BrokerError): void {
    if (!this.#isOpen()) return
    this.#isEnding = true
    this.#endCause = cause
    // Unread input would turn our FIN into a reset, which can swallow the last words we sent.
    this.#isPaused = false
    this.#channel.resume()
    this.#surroundings.timers.after(LINGER_MS_MAX, () => this.destroy())
    this.#flush()
    this.#endWhenWritten()
  }

  destroy(): void {
    this.#channel.destroy()
  }

  endTurn(): void {
    this.#isInTurnQueue = false
    if (this.#isYielding) this.#endYield()
    this.#flush()
  }

  #isOpen(): boolean {
    return !this.#isEnding && !this.#isClosed && !this.#channel.isDestroyed
  }

  /** A peer with a fast sender would keep the loop busy: let the others have their turn. */
  #yield(): void {
    if (this.#isYielding) return
    this.#isYielding = true
    this.#channel.pause()
    this.#enterTurnQueue()
  }

  #endYield(): void {
    this.#isYielding = false
    this.#readBytesThisTurn = 0
    if (!this.#isPaused && !this.#isClosed) this.#channel.resume()
  }

  #afterWrite(heldBytes: number): boolean {
    const { memory, outboundBytesMax } = this.#surroundings
    const queued = this.queuedBytes
    memory.add(heldBytes)
    // Without the second condition every peer would pay for one that does not read.
    const isTooMuch = memory.isExceeded && queued > OUTBOUND_HIGH_WATER_BYTES
    if (queued > outboundBytesMax || isTooMuch) {
      this.#cutOff(queued)
      return false
    }
    if (this.#gathering.byteLength >= this.#channel.flushBytes) this.#flush()
    else this.#enterTurnQueue()
    if (queued >= OUTBOUND_HIGH_WATER_BYTES) this.#isBlocked = true
    return !this.#isBlocked
  }

  #enterTurnQueue(): void {
    if (this.#isInTurnQueue) return
    this.#isInTurnQueue = true
    this.#surroundings.turns.add(this)
  }

  #flush(): void {
    if (this.#isInFlight || this.#isClosed || this.#gathering.byteLength === 0) return
    const outbound = this.#gathering
    this.#gathering = this.#inFlight
    this.#inFlight = outbound
    this.#isInFlight = true
    this.#watchForStall()
    if (outbound.hasRanges) this.#channel.ranges?.write(outbound.seal(), this.#onWritten)
    else this.#channel.write(outbound.seal() as readonly Uint8Array[], this.#onWritten)
  }

  #finishFlush(): void {
    this.#surroundings.memory.remove(this.#inFlight.heldBytes)
    this.#inFlight.release()
    this.#isInFlight = false
    this.#flushCount += 1
    if (this.#isClosed) return
    if (this.#gathering.byteLength > 0 && (!this.#isInTurnQueue || this.#isEnding)) this.#flush()
    this.#endWhenWritten()
    if (this.#isBlocked && this.queuedBytes <= OUTBOUND_HIGH_WATER_BYTES / 4) {
      this.#isBlocked = false
      if (this.#isOpen()) this.#session?.onDrain()
    }
  }

  #endWhenWritten(): void {
    if (this.#isEnding && this.queuedBytes === 0) this.#channel.end(this.#endCause)
  }

  #cutOff(queuedBytes: number): void {
    const error = new BrokerError('ERR_SLOW_CONSUMER', [queuedBytes])
    this.destroy()
    this.#surroundings.onCutOff(this, error)
  }

  /** One timer while something is in flight; it looks whether anything moved since it was set. */
  #watchForStall(): void {
    if (this.#stallTimer !== undefined) return
    this.#flushesAtStallCheck = this.#flushCount
    const sentBytes = this.#sentOfFiles
    this.#stallTimer = this.#surroundings.timers.after(OUTBOUND_STALL_MS_MAX, () => {
      this.#stallTimer = undefined
      if (this.#isClosed || !this.#isInFlight) return
      const hasMoved =
        this.#flushCount !== this.#flushesAtStallCheck || this.#sentOfFiles !== sentBytes
      if (!hasMoved) this.#cutOff(this.queuedBytes)
      else this.#watchForStall()
    })
  }

  get #sentOfFiles(): number {
    return this.#channel.ranges?.sentBytes ?? 0
  }

  #handleClosed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stallTimer?.cancel()
    this.#surroundings.memory.remove(this.#gathering.heldBytes + this.#inFlight.heldBytes)
    this.#gathering.release()
    this.#inFlight.release()
    this.#session?.onClosed()
  }
}
