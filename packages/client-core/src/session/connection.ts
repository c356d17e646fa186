/**
 * One connection to one broker: frames in and out, answers to who waits for them, heartbeats, and
 * one write per turn of the event loop. It knows no topic and no producer, and never comes back once
 * it is lost: the client makes a new one.
 *
 * Invariants: bytes that cannot be trusted end it; when it ends, everybody who waits is told once;
 * no more requests are unanswered than the broker allows.
 */
import { BrokerError, RingQueue } from '@millrace/codec'
import {
  FRAME_HEADER_BYTES,
  type Frame,
  FrameDecoder,
  HANDSHAKE_FRAME_BYTES_MAX,
  Opcode,
  RESPONSE_BIT,
  decodeError,
  decodeGoAway,
  decodePing,
  decodeConsumerEnd,
  decodeSubscriptionEnd,
  encodeFrame,
  type GoAway,
  isOpcode,
  isResponse,
  opcodeName,
  receivedError,
  type SubscriptionEnd,
  splitBody,
} from '@millrace/protocol'
import { asBrokerError, closedError, connectionLost } from '../errors.ts'
import { CLOSE_TIMEOUT_MS, WAITING_REQUESTS_MAX } from '../limits.ts'
import type { Platform } from '../platform.ts'
import type { Link, LinkHandlers } from '../transport.ts'
import { Heartbeat } from './heartbeat.ts'
import { Outbox } from './outbox.ts'
import { type AnswerSink, RequestMap } from './request-map.ts'

/** Who gets the deliveries of a subscription, or of a consumer of a queue: their numbers are one row. */
export interface DeliverySink {
  /** The body is borrowed for the call unless `isOwned`. */
  onDeliver(body: Uint8Array, isOwned: boolean): void
  /** Nothing follows: the broker ended it, or the connection is lost. */
  onEnd(error: BrokerError, end: SubscriptionEnd | undefined): void
}

/** Something that has bytes to send when the turn ends and the link takes them. */
export interface TurnTask {
  onTurnEnd(): void
}

export interface ConnectionLimits {
  readonly heartbeatMs: number
  readonly frameBytesMax: number
  readonly bodyBytesMax: number
  readonly inFlightCountMax: number
}

interface WaitingRequest {
  readonly opcode: number
  readonly channel: number
  readonly correlation: number
  readonly parts: readonly Uint8Array[]
}

type State = 'handshaking' | 'ready' | 'goingAway' | 'closing' | 'closed'

/** Smaller bodies are copied behind their header: one chunk costs less than three. */
const COPY_BYTES_MAX = 4096

const HANDSHAKE_LIMITS: ConnectionLimits = {
  heartbeatMs: 0,
  frameBytesMax: HANDSHAKE_FRAME_BYTES_MAX,
  bodyBytesMax: HANDSHAKE_FRAME_BYTES_MAX,
  inFlightCountMax: 4,
}

export class Connection {
  readonly handlers: LinkHandlers
  /** Resolves when it is over; undefined after an orderly close. */
  readonly closed: Promise<BrokerError | undefined>
  onGoAway: ((goAway: GoAway) => void) | undefined
  /** Called first when it is over: before those who wait are told. */
  onEnd: ((error: BrokerError | undefined) => void) | undefined
  readonly #platform: Platform
  readonly #decoder: FrameDecoder
  readonly #outbox = new Outbox()
  readonly #requests: RequestMap
  readonly #waiting = new RingQueue<WaitingRequest>()
  readonly #deliveries = new Map<number, DeliverySink>()
  #turnTasks: TurnTask[] = []
  #heartbeat: Heartbeat
  #limits = HANDSHAKE_LIMITS
  #link: Link | undefined
  #state: State = 'handshaking'
  #isFlushScheduled = false
  #isRetiring = false
  #closeReason: BrokerError | undefined
  #resolveClosed!: (reason: BrokerError | undefined) => void

  constructor(platform: Platform) {
    this.#platform = platform
    this.#requests = new RequestMap(platform)
    this.#heartbeat = this.#makeHeartbeat(0)
    this.#decoder = new FrameDecoder({
      ...HANDSHAKE_LIMITS,
      onFrame: (frame) => this.#onFrame(frame),
    })
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))
    this.handlers = {
      onData: (chunk) => this.#onData(chunk),
      onDrain: () => this.#onDrain(),
      onClose: (error) => this.#onClose(error),
    }
  }

  get limits(): ConnectionLimits {
    return this.#limits
  }

  get isOpen(): boolean {
    return this.#state === 'ready'
  }

  /** Why it is over. */
  get closeReason(): BrokerError | undefined {
    return this.#closeReason
  }

  attach(link: Link): void {
    this.#link = link
  }

  /** The handshake agreed on these; from the next frame on. */
  setLimits(limits: ConnectionLimits): void {
    this.#limits = limits
    this.#decoder.setLimits(limits)
  }

  /** The handshake is done. */
  establish(): void {
    if (this.#state !== 'handshaking') return
    this.#state = 'ready'
    this.#heartbeat = this.#makeHeartbeat(this.#limits.heartbeatMs)
    this.#heartbeat.start()
  }

  /**
   * Sends a request, or keeps it until the broker may get one more. The parts must stay as they are
   * until the answer. Throws when the connection takes no request; the sink is not called then.
   */
  request(
    opcode: number,
    channel: number,
    parts: readonly Uint8Array[],
    sink: AnswerSink,
    timeoutMs: number,
  ): number {
    this.#checkUsable()
    if (this.#waiting.length >= WAITING_REQUESTS_MAX) throw new BrokerError('ERR_BUSY')
    const correlation = this.#requests.add(opcode | RESPONSE_BIT, sink, timeoutMs)
    this.#waiting.push({ opcode, channel, correlation, parts })
    this.#sendWaiting()
    return correlation
  }

  /** Nobody waits for the answer any more. */
  abandon(correlation: number): void {
    this.#requests.abandon(correlation)
  }

  /** A frame that gets no answer. */
  send(opcode: number, correlation: number, parts: readonly Uint8Array[]): void {
    if (this.#state !== 'closed') this.#transmit(opcode, 0, correlation, parts)
  }

  /** PRODUCE without an answer still needs a correlation of its own. */
  nextCorrelation(): number {
    this.#checkUsable()
    return this.#requests.nextCorrelation()
  }

  /** Calls the task once, at the end of this turn, or later when the link is full. */
  atTurnEnd(task: TurnTask): void {
    this.#turnTasks.push(task)
    this.#scheduleFlush()
  }

  addDeliverySink(subscription: number, sink: DeliverySink): void {
    this.#deliveries.set(subscription, sink)
  }

  removeDeliverySink(subscription: number): void {
    this.#deliveries.delete(subscription)
  }

  /**
   * Says CLOSE, waits for the answers that are due and for CLOSED, then ends the stream. What was not
   * sent yet fails.
   */
  async close(): Promise<void> {
    if (this.#state === 'ready' || this.#state === 'goingAway') this.#sayClose()
    else if (this.#state === 'handshaking') this.fail(closedError('the connection'))
    await this.closed
  }

  /** Takes nothing more; says CLOSE as soon as everything that was sent is answered. */
  retire(): void {
    if (this.#state !== 'ready' && this.#state !== 'goingAway') return
    this.#state = 'goingAway'
    this.#isRetiring = true
    this.#waiting.clear()
    this.#requests.failUnsent(new BrokerError('ERR_GOING_AWAY'))
    this.#closeWhenAnswered()
  }

  /** Ends it at once. Everybody who waits gets `error`. */
  fail(error: BrokerError): void {
    if (this.#state === 'closed') return
    this.#end(error)
    this.#link?.destroy()
  }

  /** Not behind the requests that wait: those are over. */
  #sayClose(): void {
    this.#state = 'closing'
    this.#waiting.clear()
    this.#requests.failUnsent(closedError('the connection'))
    const sink: AnswerSink = {
      onAnswer: () => this.#link?.close(),
      onError: () => this.#link?.destroy(),
    }
    const correlation = this.#requests.add(Opcode.CLOSED, sink, CLOSE_TIMEOUT_MS)
    this.#requests.markSent(correlation)
    this.#transmit(Opcode.CLOSE, 0, correlation, [])
  }

  #closeWhenAnswered(): void {
    if (this.#state === 'goingAway' && this.#requests.sentCount === 0) this.#sayClose()
  }

  #checkUsable(): void {
    if (this.#state === 'handshaking' || this.#state === 'ready') return
    if (this.#state === 'goingAway') throw new BrokerError('ERR_GOING_AWAY')
    throw this.#closeReason ?? closedError('the connection')
  }

  #end(error: BrokerError | undefined): void {
    this.#state = 'closed'
    this.#closeReason = error
    this.#heartbeat.stop()
    this.#outbox.clear()
    this.#waiting.clear()
    this.#turnTasks = []
    this.onEnd?.(error)
    const reason = error ?? closedError('the connection')
    this.#requests.failAll(reason)
    const sinks = [...this.#deliveries.values()]
    this.#deliveries.clear()
    for (const sink of sinks) sink.onEnd(reason, undefined)
    this.#resolveClosed(error)
  }

  #makeHeartbeat(heartbeatMs: number): Heartbeat {
    return new Heartbeat(this.#platform, heartbeatMs, {
      ping: () => this.send(Opcode.PING, this.#requests.nextCorrelation(), []),
      fail: (error) => this.fail(connectionLost(error.message, error)),
    })
  }

  #sendWaiting(): void {
    if (this.#isRetiring) return this.#closeWhenAnswered()
    while (this.#requests.sentCount < this.#limits.inFlightCountMax) {
      const request = this.#waiting.shift()
      if (request === undefined) return
      const { opcode, channel, correlation, parts } = request
      if (this.#requests.markSent(correlation)) {
        this.#transmit(opcode, channel, correlation, parts)
      }
    }
  }

  #transmit(
    opcode: number,
    channel: number,
    correlation: number,
    parts: readonly Uint8Array[],
  ): void {
    let bytes = FRAME_HEADER_BYTES
    for (const part of parts) bytes += part.length
    if (bytes <= COPY_BYTES_MAX && parts.length <= 1) {
      this.#outbox.push(encodeFrame(opcode, channel, correlation, parts[0]))
    } else {
      const emit = (chunk: Uint8Array): void => this.#outbox.push(chunk)
      splitBody(opcode, channel, correlation, parts, this.#limits.frameBytesMax, emit)
    }
    this.#scheduleFlush()
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    this.#platform.defer(() => this.#flush())
  }

  /** While the link is full the tasks wait: what they would send stays where it is counted. */
  #flush(): void {
    this.#isFlushScheduled = false
    if (this.#link === undefined || this.#state === 'closed' || this.#outbox.isBlocked) return
    const tasks = this.#turnTasks
    this.#turnTasks = []
    for (const task of tasks) task.onTurnEnd()
    if (this.#outbox.flush(this.#link)) this.#heartbeat.noteSent()
  }

  #onDrain(): void {
    this.#outbox.unblock()
    this.#flush()
  }

  #onClose(error: Error | undefined): void {
    if (this.#state === 'closed') return
    // Also when CLOSED did not come in time: nobody waits for anything any more.
    if (this.#state === 'closing') return this.#end(undefined)
    this.#end(connectionLost(error?.message ?? 'the broker ended it', error))
  }

  #onData(chunk: Uint8Array): void {
    if (this.#state === 'closed') return
    this.#heartbeat.noteReceived()
    try {
      this.#decoder.push(chunk)
    } catch (error) {
      const cause = asBrokerError(error)
      this.fail(connectionLost(`what the broker sent is not valid: ${cause.message}`, cause))
    }
  }

  #onFrame(frame: Frame): void {
    // A frame behind the one that ended the connection, in the same chunk.
    if (this.#state === 'closed') return
    if (frame.opcode === Opcode.ERROR) return this.#onError(frame)
    if (frame.opcode === Opcode.PONG) return
    if (isResponse(frame.opcode)) return this.#onAnswer(frame)
    switch (frame.opcode) {
      case Opcode.DELIVER:
      case Opcode.QUEUE_DELIVER:
        return this.#deliverySinkOf(frame).onDeliver(frame.body, frame.isOwned)
      case Opcode.PING:
        // At most 64 bytes, so copied into the frame at once: the view need not last.
        return this.send(Opcode.PONG, frame.correlation, [decodePing(frame.body).echo])
      case Opcode.SUBSCRIPTION_END:
        return this.#onSubscriptionEnd(frame)
      case Opcode.CONSUMER_END:
        return this.#onConsumerEnd(frame)
      case Opcode.GO_AWAY:
        return this.#onGoAway(decodeGoAway(frame.body))
      default:
        // A push of a later broker is nothing to us; a request of ours that comes back is an error.
        if (!isOpcode(frame.opcode)) return
        throw new BrokerError('ERR_UNEXPECTED_FRAME', [opcodeName(frame.opcode), 'from a broker'])
    }
  }

  #onAnswer(frame: Frame): void {
    const sink = this.#requests.take(frame.correlation, frame.opcode)
    try {
      sink?.onAnswer(frame.body, frame.isOwned)
    } catch (error) {
      // Nobody else would tell who waited: the request is out of the map.
      const cause = asBrokerError(error)
      sink?.onError(connectionLost(`an answer is not valid: ${cause.message}`, cause), true)
      throw error
    }
    this.#sendWaiting()
  }

  #onError(frame: Frame): void {
    const error = decodeError(frame.body)
    if (frame.correlation === 0) {
      return this.fail(connectionLost(`the broker says: ${error.message}`, error))
    }
    this.#requests.takeAny(frame.correlation)?.onError(error, false)
    this.#sendWaiting()
  }

  #deliverySinkOf(frame: Frame): DeliverySink {
    const sink = this.#deliveries.get(frame.correlation)
    if (sink !== undefined) return sink
    const text = `for subscription ${frame.correlation}, which does not exist`
    throw new BrokerError('ERR_UNEXPECTED_FRAME', [opcodeName(frame.opcode), text])
  }

  #onSubscriptionEnd(frame: Frame): void {
    const sink = this.#deliverySinkOf(frame)
    const end = decodeSubscriptionEnd(frame.body)
    this.#deliveries.delete(frame.correlation)
    sink.onEnd(receivedError(end.code, end.message), end)
  }

  #onConsumerEnd(frame: Frame): void {
    const sink = this.#deliverySinkOf(frame)
    const { code, message } = decodeConsumerEnd(frame.body)
    this.#deliveries.delete(frame.correlation)
    sink.onEnd(receivedError(code, message), undefined)
  }

  #onGoAway(goAway: GoAway): void {
    if (this.#state === 'ready') this.#state = 'goingAway'
    this.onGoAway?.(goAway)
  }
}
