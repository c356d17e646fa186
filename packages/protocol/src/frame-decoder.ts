/**
 * Chunks in, frames out: the only stateful class of the codec. No sockets, no timers, no meaning of
 * opcodes.
 *
 * Invariants: a declared length is checked low and high before a byte is kept for it; memory follows
 * the bytes received, never the bytes promised; a frame that lies whole in a chunk is a view of it.
 *
 * Threats answered here: a length of 4 GiB; a slow drip of header bytes; sixteen thousand bodies
 * begun and never finished; one body that never ends; another protocol on this port.
 */
import { BrokerError, isBrokerError } from '@millrace/codec'
import { BodyAssemblies, BodyAssembly } from './body-assemblies.ts'
import { POOLED_BODY_BYTES, type BodyPool } from './body-pool.ts'
import { type ForeignProtocol, foreignProtocolOf, foreignTexts } from './foreign-bytes.ts'
import {
  FLAG_MORE,
  FRAME_HEADER_BYTES,
  FRAME_LENGTH_BYTES,
  FRAME_LENGTH_MIN,
  frameChannel,
  frameCorrelation,
  frameFlags,
  frameLength,
  frameOpcode,
} from './frame.ts'
import { ASSEMBLIES_BODIES_MAX, ASSEMBLIES_COUNT_MAX, checkBodyBytes } from './limits.ts'

/** Reused for every frame: its fields and `body` are borrowed for the call of `onFrame`. */
export interface Frame {
  opcode: number
  flags: number
  channel: number
  correlation: number
  /** The whole body, continuation resolved. */
  body: Uint8Array
  /** True when `body` is a fresh buffer nobody else uses: it may be kept without a copy. */
  isOwned: boolean
}

export interface FrameLimits {
  readonly frameBytesMax: number
  readonly bodyBytesMax: number
  /** Bodies in parts that may be unfinished at once; 0 during the handshake. */
  readonly assembliesMax?: number
}

export interface FrameDecoderOptions extends FrameLimits {
  /**
   * Where buffers of collected bodies come from and go back to. With one, such a body is lent for
   * the call of `onFrame`, as a view of a chunk is; without one it is given away.
   */
  readonly pool?: BodyPool
  readonly onFrame: (frame: Frame) => void
}

const EMPTY = new Uint8Array(0)

export class FrameDecoder {
  readonly #onFrame: (frame: Frame) => void
  readonly #assemblies: BodyAssemblies
  readonly #pool: BodyPool | undefined
  readonly #frame: Frame
  readonly #header: Uint8Array
  /** Chunks that came while suspended; copies, because a chunk is borrowed. */
  readonly #waiting: Uint8Array[]
  #frameBytesMax: number
  #bodyBytesMax: number
  #headerBytes: number
  /** Where the current frame's body goes when it is not a view; `undefined` between frames. */
  #sink: BodyAssembly | undefined
  #remainingBytes: number
  #isFirst: boolean
  #foreignProtocol: ForeignProtocol | undefined
  #isSuspended: boolean
  #isRunning: boolean
  #failure: unknown

  constructor(options: FrameDecoderOptions) {
    this.#onFrame = options.onFrame
    this.#pool = options.pool
    this.#assemblies = new BodyAssemblies(
      options.assembliesMax ?? ASSEMBLIES_COUNT_MAX,
      options.pool,
    )
    this.#frame = { opcode: 0, flags: 0, channel: 0, correlation: 0, body: EMPTY, isOwned: false }
    this.#header = new Uint8Array(FRAME_HEADER_BYTES)
    this.#waiting = []
    this.#frameBytesMax = options.frameBytesMax
    this.#bodyBytesMax = options.bodyBytesMax
    this.#headerBytes = 0
    this.#sink = undefined
    this.#remainingBytes = 0
    this.#isFirst = true
    this.#foreignProtocol = undefined
    this.#isSuspended = false
    this.#isRunning = false
    this.#failure = undefined
  }

  get isSuspended(): boolean {
    return this.#isSuspended
  }

  /** True after `push` or `resume` threw: the byte stream has lost its frame boundaries. */
  get isFailed(): boolean {
    return this.#failure !== undefined
  }

  /** Bytes received and not yet handed out. */
  get bufferedBytes(): number {
    let sum = this.#headerBytes + this.#assemblies.bufferedBytes
    if (this.#sink !== undefined && !this.#isAssembly(this.#sink)) sum += this.#sink.length
    for (const chunk of this.#waiting) sum += chunk.length
    return sum
  }

  /** Whose first bytes these were, once `push` has refused them. */
  get foreignProtocol(): ForeignProtocol | undefined {
    return this.#foreignProtocol
  }

  /** Memory held for them. */
  get allocatedBytes(): number {
    let sum = this.#assemblies.allocatedBytes
    if (this.#sink !== undefined && !this.#isAssembly(this.#sink)) sum += this.#sink.bytes.length
    for (const chunk of this.#waiting) sum += chunk.length
    return sum
  }

  /** From the next frame header on; the handshake ends with this. */
  setLimits(limits: FrameLimits): void {
    this.#frameBytesMax = limits.frameBytesMax
    this.#bodyBytesMax = limits.bodyBytesMax
    if (limits.assembliesMax !== undefined) this.#assemblies.setCountMax(limits.assembliesMax)
  }

  /**
   * Calls `onFrame` for each frame that is complete. The chunk is borrowed for the call. Throws a
   * `BrokerError` when the bytes cannot be frames, and whatever `onFrame` throws; after a throw the
   * decoder is dead.
   */
  push(chunk: Uint8Array): void {
    this.#checkAlive()
    if (this.#isSuspended || this.#isRunning || this.#waiting.length > 0) {
      // The constructor copies, also from a Buffer, whose `slice` would not.
      if (chunk.length > 0) this.#waiting.push(new Uint8Array(chunk))
      if (!this.#isSuspended && !this.#isRunning) this.#drain()
      return
    }
    const used = this.#run(chunk)
    if (used < chunk.length) this.#waiting.unshift(new Uint8Array(chunk.subarray(used)))
    if (!this.#isSuspended) this.#drain()
  }

  /** Hands out no frame after the current one until `resume`; bytes pushed meanwhile are kept. */
  suspend(): void {
    this.#isSuspended = true
  }

  /** Goes on with the bytes kept. May call `onFrame`, may throw as `push` does. */
  resume(): void {
    this.#checkAlive()
    this.#isSuspended = false
    if (!this.#isRunning) this.#drain()
  }

  #checkAlive(): void {
    if (this.#failure === undefined) return
    throw new BrokerError('ERR_CLOSED', ['the frame decoder that failed'], { cause: this.#failure })
  }

  #drain(): void {
    while (this.#waiting.length > 0 && !this.#isSuspended) {
      const chunk = this.#waiting[0] as Uint8Array
      const used = this.#run(chunk)
      if (used < chunk.length) this.#waiting[0] = chunk.subarray(used)
      else this.#waiting.shift()
    }
  }

  /** How many bytes were used: fewer than there are only when suspended. */
  #run(chunk: Uint8Array): number {
    let at = 0
    this.#isRunning = true
    try {
      while (at < chunk.length && !this.#isSuspended) {
        at = this.#remainingBytes > 0 ? this.#collect(chunk, at) : this.#beginFrame(chunk, at)
      }
      return at
    } catch (error) {
      this.#fail(error)
      throw error
    } finally {
      this.#isRunning = false
    }
  }

  #fail(error: unknown): void {
    this.#failure = isBrokerError(error) ? error : (error ?? new BrokerError('ERR_INTERNAL'))
    this.#assemblies.clear()
    this.#sink = undefined
    this.#waiting.length = 0
    this.#frame.body = EMPTY
  }

  #beginFrame(chunk: Uint8Array, at: number): number {
    const bodyAt = this.#readHeader(chunk, at)
    if (bodyAt < 0) return chunk.length
    const frame = this.#frame
    const bodyBytes = this.#remainingBytes
    const assembly = this.#findAssembly()
    const isLast = (frame.flags & FLAG_MORE) === 0
    if (isLast && assembly === undefined && bodyBytes <= chunk.length - bodyAt) {
      this.#remainingBytes = 0
      this.#emit(chunk.subarray(bodyAt, bodyAt + bodyBytes), false)
      return bodyAt + bodyBytes
    }
    this.#sink = assembly ?? this.#openBody(isLast)
    if (bodyBytes === 0) this.#finishPart()
    return bodyAt
  }

  /** Fills `#frame` and `#remainingBytes`; where the body starts, or -1 when bytes are missing. */
  #readHeader(chunk: Uint8Array, at: number): number {
    if (this.#headerBytes === 0 && chunk.length - at >= FRAME_HEADER_BYTES) {
      this.#acceptHeader(chunk, at)
      return at + FRAME_HEADER_BYTES
    }
    const taken = Math.min(FRAME_HEADER_BYTES - this.#headerBytes, chunk.length - at)
    this.#header.set(chunk.subarray(at, at + taken), this.#headerBytes)
    this.#headerBytes += taken
    if (this.#headerBytes >= FRAME_LENGTH_BYTES) this.#checkLength(this.#header, 0)
    if (this.#headerBytes < FRAME_HEADER_BYTES) return -1
    this.#headerBytes = 0
    this.#acceptHeader(this.#header, 0)
    return at + taken
  }

  #acceptHeader(bytes: Uint8Array, at: number): void {
    this.#checkLength(bytes, at)
    const frame = this.#frame
    frame.opcode = frameOpcode(bytes, at)
    frame.flags = frameFlags(bytes, at)
    frame.channel = frameChannel(bytes, at)
    frame.correlation = frameCorrelation(bytes, at)
    this.#remainingBytes = frameLength(bytes, at) - FRAME_LENGTH_MIN
    this.#isFirst = false
  }

  #checkLength(bytes: Uint8Array, at: number): void {
    const length = frameLength(bytes, at)
    const frameBytes = length + FRAME_LENGTH_BYTES
    if (length >= FRAME_LENGTH_MIN && frameBytes <= this.#frameBytesMax) return
    const foreign = this.#isFirst ? foreignProtocolOf(bytes, at) : undefined
    this.#foreignProtocol = foreign
    if (foreign !== undefined) throw new BrokerError('ERR_MALFORMED_FRAME', [foreignTexts[foreign]])
    if (length < FRAME_LENGTH_MIN) {
      const text = `its length field says ${length}, and ${FRAME_LENGTH_MIN} is the least`
      throw new BrokerError('ERR_MALFORMED_FRAME', [text])
    }
    throw new BrokerError('ERR_FRAME_TOO_LARGE', [frameBytes, this.#frameBytesMax])
  }

  /** Also checks the body limit, against what the unfinished bodies hold already. */
  #findAssembly(): BodyAssembly | undefined {
    const bodyBytes = this.#remainingBytes
    if (this.#assemblies.count === 0) {
      checkBodyBytes(bodyBytes, this.#bodyBytesMax)
      return undefined
    }
    const { opcode, channel, correlation } = this.#frame
    const assembly = this.#assemblies.find(opcode, channel, correlation)
    checkBodyBytes((assembly?.length ?? 0) + bodyBytes, this.#bodyBytesMax)
    if (assembly !== undefined || (this.#frame.flags & FLAG_MORE) !== 0) {
      const limit = this.#bodyBytesMax * ASSEMBLIES_BODIES_MAX
      checkBodyBytes(this.#assemblies.bufferedBytes + bodyBytes, limit)
    }
    return assembly
  }

  #openBody(isLast: boolean): BodyAssembly {
    const { opcode, channel, correlation } = this.#frame
    if (isLast) return new BodyAssembly(opcode, channel, correlation, this.#pool)
    return this.#assemblies.open(opcode, channel, correlation)
  }

  #isAssembly(body: BodyAssembly): boolean {
    return this.#assemblies.find(body.opcode, body.channel, body.correlation) === body
  }

  #collect(chunk: Uint8Array, at: number): number {
    const sink = this.#sink as BodyAssembly
    const to = Math.min(chunk.length, at + this.#remainingBytes)
    const isLast = (this.#frame.flags & FLAG_MORE) === 0
    const expected = isLast ? sink.length + this.#remainingBytes : this.#bodyBytesMax
    sink.append(chunk, at, to, expected)
    this.#remainingBytes -= to - at
    if (this.#remainingBytes === 0) this.#finishPart()
    return to
  }

  #finishPart(): void {
    const sink = this.#sink as BodyAssembly
    this.#sink = undefined
    if ((this.#frame.flags & FLAG_MORE) !== 0) return
    this.#assemblies.close(sink)
    const isLent = this.#pool !== undefined && sink.bytes.length <= POOLED_BODY_BYTES
    this.#emit(sink.take(), !isLent)
    if (isLent) this.#pool?.give(sink.bytes)
  }

  #emit(body: Uint8Array, isOwned: boolean): void {
    const frame = this.#frame
    frame.body = body
    frame.isOwned = isOwned
    this.#onFrame(frame)
    // A view kept here would pin the whole chunk until the next frame.
    frame.body = EMPTY
  }
}
