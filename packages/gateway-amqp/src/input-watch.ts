/**
 * What a connection holds of frames and messages that are not complete: counted for the whole process,
 * and for the peers that nobody knows yet. Who begins a frame goes on with it, or is cut off.
 */
import { BrokerError } from '@millrace/codec'
import type { StrangerPass, TimerHandle, Timers } from '@millrace/core'
import type { SharedMemory } from './amqp-settings.ts'
import { PROGRESS_BYTES_MIN, PROGRESS_MS_MAX } from './limits.ts'

export interface InputWatchOptions {
  readonly timers: Timers
  readonly memory: SharedMemory | undefined
  readonly pass: StrangerPass | undefined
  /** Bytes of a frame that is not complete; 0 between frames. */
  readonly filledBytes: () => number
  /** The peer is not read at the moment, and cannot go on. */
  readonly isSuspended: () => boolean
  readonly fail: (error: BrokerError) => void
}

export class InputWatch {
  readonly #options: InputWatchOptions
  #timer: TimerHandle | undefined
  #receivedBytes: number
  #heldBytes: number
  #isClosed: boolean

  constructor(options: InputWatchOptions) {
    this.#options = options
    this.#timer = undefined
    this.#receivedBytes = 0
    this.#heldBytes = 0
    this.#isClosed = false
  }

  /** After the bytes were worked on. Throws ERR_LIMIT_EXCEEDED when all strangers hold too much. */
  received(bytes: number, heldBytes: number): void {
    this.#receivedBytes += bytes
    if (heldBytes !== this.#heldBytes) this.#account(heldBytes)
    this.#watchProgress()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#options.memory?.add(-this.#heldBytes)
    this.#heldBytes = 0
  }

  #account(heldBytes: number): void {
    if (this.#isClosed) return
    const { memory, pass, fail } = this.#options
    memory?.add(heldBytes - this.#heldBytes)
    this.#heldBytes = heldBytes
    pass?.hold(heldBytes)
    if (memory === undefined || !memory.isExceeded || heldBytes <= memory.toleratedBytes) return
    const what = 'bytes of unfinished messages, all connections together'
    fail(new BrokerError('ERR_LIMIT_EXCEEDED', [memory.bytesMax, what]))
  }

  /** One timer while a frame is unfinished; it looks whether enough came since it was set. */
  #watchProgress(): void {
    const { filledBytes, timers } = this.#options
    if (this.#isClosed || this.#timer !== undefined || filledBytes() === 0) return
    const before = this.#receivedBytes
    this.#timer = timers.after(PROGRESS_MS_MAX, () => {
      this.#timer = undefined
      this.#look(this.#receivedBytes - before)
    })
  }

  #look(receivedBytes: number): void {
    const { filledBytes, isSuspended, fail } = this.#options
    const isStalled = filledBytes() > 0 && receivedBytes < PROGRESS_BYTES_MIN
    if (isStalled && !isSuspended()) {
      fail(new BrokerError('ERR_HEARTBEAT_TIMEOUT', [PROGRESS_MS_MAX]))
    } else {
      this.#watchProgress()
    }
  }
}
