/**
 * What a connection holds of a request that is not complete: counted for the whole process, and for
 * the peers that nobody knows yet. Who begins a request goes on with it, or is cut off.
 */
import { BrokerError } from '@millrace/codec'
import type { StrangerPass, TimerHandle, Timers } from '@millrace/core'
import type { FrameDecoder } from './frame-decoder.ts'
import type { SharedMemory } from './kafka-settings.ts'
import { PROGRESS_BYTES_MIN, PROGRESS_MS_MAX } from './limits.ts'

export interface InputWatchOptions {
  readonly decoder: FrameDecoder
  readonly timers: Timers
  readonly memory: SharedMemory | undefined
  readonly pass: StrangerPass | undefined
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

  /** After the decoder had them. Throws ERR_LIMIT_EXCEEDED when all strangers hold too much. */
  received(bytes: number): void {
    this.#receivedBytes += bytes
    this.#account()
    this.#watchProgress()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#options.memory?.add(-this.#heldBytes)
    this.#heldBytes = 0
  }

  #account(): void {
    if (this.#isClosed) return
    const { decoder, memory, pass, fail } = this.#options
    const { heldBytes } = decoder
    if (heldBytes === this.#heldBytes) return
    memory?.add(heldBytes - this.#heldBytes)
    this.#heldBytes = heldBytes
    pass?.hold(heldBytes)
    if (memory === undefined || !memory.isExceeded || heldBytes <= memory.toleratedBytes) return
    const what = 'bytes of unfinished requests, all connections together'
    fail(new BrokerError('ERR_LIMIT_EXCEEDED', [memory.bytesMax, what]))
  }

  /** One timer while a request is unfinished; it looks whether enough came since it was set. */
  #watchProgress(): void {
    const { decoder, timers } = this.#options
    if (this.#isClosed || this.#timer !== undefined || decoder.filledBytes === 0) return
    const before = this.#receivedBytes
    this.#timer = timers.after(PROGRESS_MS_MAX, () => {
      this.#timer = undefined
      this.#look(this.#receivedBytes - before)
    })
  }

  #look(receivedBytes: number): void {
    const { decoder, isSuspended, fail } = this.#options
    const isStalled = decoder.filledBytes > 0 && receivedBytes < PROGRESS_BYTES_MIN
    if (isStalled && !isSuspended()) {
      fail(new BrokerError('ERR_HEARTBEAT_TIMEOUT', [PROGRESS_MS_MAX]))
    } else {
      this.#watchProgress()
    }
  }
}
