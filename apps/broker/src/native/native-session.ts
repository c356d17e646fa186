/**
 * One peer of the native protocol: bytes to frames to handlers, and what happens when one of them
 * fails. Knows no opcode's meaning; those stand in `handlers/`.
 *
 * Invariants: after `closed` no frame is handled and nothing is sent; a request is answered once
 * (or never, where the protocol says so); reading stops while the engine or the peer does not keep
 * up, so nothing here grows with what a peer sends.
 */
import { BrokerError, isBrokerError } from '@millrace/codec'
import {
  type AuthenticationExchange,
  type Connection,
  QuotaGate,
  type QuotaUse,
  type Services,
  type Session,
  type StrangerPass,
} from '@millrace/core'
import {
  ASSEMBLIES_COUNT_MAX,
  encodeGoAway,
  type Frame,
  type BodyPool,
  FrameDecoder,
  HANDSHAKE_FRAME_BYTES_MAX,
  isRequest,
  Opcode,
  UINT32_MAX,
  wireOfError,
} from '@millrace/protocol'
import { INBOUND_HELD_BYTES_TOLERATED, THROTTLED_PING_MS } from '../limits.ts'
import type { CoarseTimer, CoarseTimers } from '../net/coarse-timers.ts'
import type { MemoryBudget } from '../net/memory-budget.ts'
import { FrameOutput } from './frame-output.ts'
import { Heartbeat } from './heartbeat.ts'
import { encodeHttpHint } from './http-hint.ts'
import type { Handshake } from './handlers/connect.ts'
import type { OpenSession } from './open-session.ts'
import { checkRequest, findHandler } from './request-table.ts'
import { checkTransition, type SessionState } from './session-state.ts'
import { isSilent } from './silent-request.ts'

/** What is the same for every session of a gateway. */
export interface NativeSettings {
  readonly brokerVersion: string
  readonly heartbeatMs: number
  readonly autoCreateTopics: boolean
}

export interface SessionSurroundings {
  readonly services: Services
  readonly settings: NativeSettings
  readonly timers: CoarseTimers
  /** Buffers of bodies that span reads, shared by all sessions. */
  readonly bodies: BodyPool
  readonly memory: MemoryBudget
  readonly onClosed: (session: NativeSession) => void
  /** Until the peer has shown who it is. */
  readonly pass: StrangerPass | undefined
}

/** Why a session does not read at the moment; several may hold at once. */
export const Suspension = {
  ENGINE: 1,
  OUTPUT: 2,
  HANDSHAKE: 4,
  QUOTA: 8,
  ALARM: 16,
  MESSAGING: 32,
} as const
export type Suspension = (typeof Suspension)[keyof typeof Suspension]

const CLOSE_REASON_GOING_AWAY = new BrokerError('ERR_GOING_AWAY')

export class NativeSession implements Session {
  readonly connection: Connection
  readonly services: Services
  readonly settings: NativeSettings
  readonly output: FrameOutput
  handshake: Handshake | undefined
  /** By which the peer has shown who it is. */
  mechanism: string
  /** The peer shows anew who it is. */
  renewal: AuthenticationExchange | undefined
  readonly #surroundings: SessionSurroundings
  readonly #decoder: FrameDecoder
  #handshakeTimer: CoarseTimer | undefined
  #expiryTimer: CoarseTimer | undefined
  #heartbeat: Heartbeat | undefined
  #state: SessionState
  #open: OpenSession | undefined
  #suspensions: number
  #controlCount: number
  #hasReceived: boolean
  #pingCount: number
  #heldBytes: number
  #quota: QuotaGate | undefined
  #hasPublishedInAlarm: boolean
  #probeTimer: CoarseTimer | undefined
  #closeRequest: { readonly channel: number; readonly correlation: number } | undefined

  constructor(connection: Connection, surroundings: SessionSurroundings) {
    const { services, settings, timers } = surroundings
    this.connection = connection
    this.services = services
    this.settings = settings
    this.#surroundings = surroundings
    this.handshake = undefined
    this.mechanism = ''
    this.renewal = undefined
    this.output = new FrameOutput(connection, HANDSHAKE_FRAME_BYTES_MAX, {
      outboundBytesMax: services.limits.outboundBytesMax,
      memory: surroundings.memory,
      onOverflow: (bytes) => this.#cutOff(new BrokerError('ERR_SLOW_CONSUMER', [bytes])),
      onBlocked: (isBlocked) => this.#handleBlocked(isBlocked),
      onBodySent: (bytes) => this.#quota?.sent(bytes) ?? false,
    })
    this.#decoder = new FrameDecoder({
      frameBytesMax: HANDSHAKE_FRAME_BYTES_MAX,
      bodyBytesMax: HANDSHAKE_FRAME_BYTES_MAX,
      assembliesMax: 0,
      pool: surroundings.bodies,
      onFrame: (frame) => this.#handleFrame(frame),
    })
    connection.limitMessages?.(HANDSHAKE_FRAME_BYTES_MAX)
    const { handshakeMsMax } = services.limits
    this.#handshakeTimer = timers.after(handshakeMsMax, () =>
      this.fail(new BrokerError('ERR_HANDSHAKE_TIMEOUT', [handshakeMsMax]), 0, 0),
    )
    this.#expiryTimer = undefined
    this.#heartbeat = undefined
    this.#state = 'handshake'
    this.#open = undefined
    this.#suspensions = 0
    this.#controlCount = 0
    this.#hasReceived = true
    this.#pingCount = 0
    this.#heldBytes = 0
    this.#quota = undefined
    this.#hasPublishedInAlarm = false
    this.#probeTimer = undefined
    this.#closeRequest = undefined
  }

  get state(): SessionState {
    return this.#state
  }

  /** Only for requests that the table allows in an open session. */
  get open(): OpenSession {
    if (this.#open === undefined) throw new BrokerError('ERR_NOT_AUTHENTICATED')
    return this.#open
  }

  /** Requests that the peer waits for. */
  get inFlightCount(): number {
    const open = this.#open
    if (open === undefined) return this.#controlCount
    const messageCount = open.messaging.intake.answerableCount
    return this.#controlCount + open.intake.answerableCount + open.fetches.count + messageCount
  }

  onData(chunk: Uint8Array): void {
    if (this.#state === 'closed') return
    this.#hasReceived = true
    try {
      this.#decoder.push(chunk)
      this.#accountForInput()
      this.#quota?.received(chunk.length)
    } catch (error) {
      this.fail(error, 0, 0)
    }
  }

  onDrain(): void {
    this.output.onDrain()
  }

  onClosed(): void {
    this.#release()
    this.output.close()
    this.#surroundings.onClosed(this)
  }

  /** The peer has shown who it is. */
  enterOpen(open: OpenSession, frameBytesMax: number, heartbeatMs: number): void {
    this.#state = checkTransition(this.#state, 'open')
    this.#open = open
    this.#handshakeTimer?.cancel()
    this.#surroundings.pass?.release()
    const { bodyBytesMax } = this.services.limits
    this.#decoder.setLimits({ frameBytesMax, bodyBytesMax, assembliesMax: ASSEMBLIES_COUNT_MAX })
    this.output.setFrameBytesMax(frameBytesMax)
    this.connection.limitMessages?.(Infinity)
    this.#heartbeat = new Heartbeat(this.#surroundings.timers, heartbeatMs, {
      takeHasReceived: () => this.#takeHasReceived(),
      takeHasSent: () => this.#takeHasSent(),
      sendPing: () => this.#sendPing(),
      onSilence: (ms) => this.fail(new BrokerError('ERR_HEARTBEAT_TIMEOUT', [ms]), 0, 0),
    })
    this.#heartbeat.start()
  }

  /** The session ends then, unless the peer has renewed its credentials. */
  expireAfter(ms: number | undefined): void {
    this.#expiryTimer?.cancel()
    if (ms === undefined) return
    this.#expiryTimer = this.#surroundings.timers.after(ms, () =>
      this.fail(new BrokerError('ERR_CREDENTIALS_EXPIRED'), 0, 0),
    )
  }

  enterAuthenticating(): void {
    if (this.#state !== 'authenticating') {
      this.#state = checkTransition(this.#state, 'authenticating')
    }
  }

  /** CLOSE: what came before is answered, then CLOSED, then the end. */
  enterClosing(channel: number, correlation: number): void {
    this.#state = checkTransition(this.#state, 'closing')
    this.#closeRequest = { channel, correlation }
    this.#open?.subscriptions.closeAll()
    this.#open?.messaging.endConsumers()
    this.#open?.fetches.hurry()
    this.finishIfIdle()
  }

  /** The broker stops: the peer is told, what is in flight is finished. */
  drain(): void {
    if (this.#state === 'closing' || this.#state === 'draining' || this.#state === 'closed') return
    if (this.#state !== 'open') {
      this.fail(CLOSE_REASON_GOING_AWAY, 0, 0)
      return
    }
    this.#state = checkTransition(this.#state, 'draining')
    const { message } = CLOSE_REASON_GOING_AWAY
    const code = wireOfError(CLOSE_REASON_GOING_AWAY)
    const body = encodeGoAway({ code, reason: message, reconnectAfterMs: 0 })
    this.open.subscriptions.closeAll()
    this.open.messaging.endConsumers()
    this.output.sendInLine(Opcode.GO_AWAY, 0, 0, body)
    this.open.fetches.hurry()
    this.finishIfIdle()
  }

  beginControl(): void {
    this.#controlCount += 1
  }

  endControl(): void {
    this.#controlCount -= 1
    this.finishIfIdle()
  }

  /** From now on the session keeps to the quotas of its principal. */
  keepTo(use: QuotaUse): void {
    this.#quota = new QuotaGate(use, this.#surroundings.timers, {
      onInput: (isHeld) => {
        if (isHeld) this.suspend(Suspension.QUOTA)
        else this.resume(Suspension.QUOTA)
      },
      onOutputReleased: () => this.output.release(),
    })
  }

  /**
   * The peer sends records. While an alarm throttles it may do so twice, and then it is not read: who
   * publishes one thing and leaves is let go, who reads and acts for others goes on.
   */
  notePublish(): void {
    if (this.services.alarms?.isThrottling !== true) return
    if (this.#hasPublishedInAlarm) {
      this.suspend(Suspension.ALARM)
      this.#probeLater()
    }
    this.#hasPublishedInAlarm = true
  }

  /** The alarm is over. */
  endThrottle(): void {
    this.#hasPublishedInAlarm = false
    this.#probeTimer?.cancel()
    this.resume(Suspension.ALARM)
  }

  /** After every answer: a session that is on its way out may be done. */
  finishIfIdle(): void {
    if (this.#state !== 'closing' && this.#state !== 'draining') return
    const silentCount = (this.#open?.intake.count ?? 0) + (this.#open?.messaging.intake.count ?? 0)
    if (this.inFlightCount > 0 || silentCount > 0) return
    const request = this.#closeRequest
    if (request !== undefined) {
      const nothing = new Uint8Array(0)
      this.output.sendInLine(Opcode.CLOSED, request.channel, request.correlation, nothing)
    }
    this.#finish(this.#state === 'draining' ? CLOSE_REASON_GOING_AWAY : undefined)
  }

  /**
   * The one place where an error becomes an answer, and where it ends a session. A peer that has not
   * shown who it is gets one mistake.
   */
  fail(error: unknown, channel: number, correlation: number): void {
    if (this.#state === 'closed') return
    const known = isBrokerError(error) ? error : this.#internalError(error)
    this.services.meters?.countError(known.code)
    if (this.#decoder.foreignProtocol === 'http') this.output.write(encodeHttpHint())
    else this.output.sendError(known, channel, correlation)
    // A request that crossed our GO_AWAY is refused, but those before it still get their answers.
    const isLate = known.code === 'ERR_GOING_AWAY' && this.#state === 'draining'
    const isStranger = this.#open === undefined
    if ((known.scope === 'request' && !isStranger) || isLate) return
    this.#logEnd(known)
    this.#finish(known)
  }

  suspend(reason: Suspension): void {
    if (this.#state === 'closed') return
    this.#suspensions |= reason
    this.#decoder.suspend()
    this.connection.pause()
  }

  resume(reason: Suspension): void {
    if ((this.#suspensions & reason) === 0) return
    this.#suspensions &= ~reason
    if (this.#suspensions !== 0 || this.#state === 'closed') return
    try {
      this.#decoder.resume()
      this.#accountForInput()
    } catch (error) {
      this.fail(error, 0, 0)
      return
    }
    if (this.#suspensions === 0) this.connection.resume()
  }

  /** A peer that is not read is not seen to go away either: what is written to it finds out. */
  #probeLater(): void {
    this.#probeTimer?.cancel()
    this.#probeTimer = this.#surroundings.timers.after(THROTTLED_PING_MS, () => {
      this.#sendPing()
      this.#probeLater()
    })
  }

  #handleFrame(frame: Frame): void {
    if (this.#state === 'closed' || this.#state === 'closing') return
    const { opcode, channel, correlation } = frame
    try {
      const handler = findHandler(opcode)
      checkRequest(handler, frame, this)
      handler?.run(this, frame)
    } catch (error) {
      if (this.#state === 'draining' && isSilent(frame)) return
      // What is no request has a number of ours, or none: the peer would take it for one of its own.
      this.fail(error, channel, isRequest(opcode) ? correlation : 0)
    }
  }

  /** What the decoder holds of unfinished frames counts for the whole process. */
  #accountForInput(): void {
    const { memory } = this.#surroundings
    const heldBytes = this.#state === 'closed' ? 0 : this.#decoder.allocatedBytes
    memory.add(heldBytes - this.#heldBytes)
    this.#heldBytes = heldBytes
    this.#surroundings.pass?.hold(heldBytes)
    if (!memory.isExceeded || heldBytes <= INBOUND_HELD_BYTES_TOLERATED) return
    const what = 'bytes of unfinished requests, all connections together'
    this.fail(new BrokerError('ERR_LIMIT_EXCEEDED', [memory.bytesMax, what]), 0, 0)
    this.#finish()
  }

  #handleBlocked(isBlocked: boolean): void {
    if (isBlocked) {
      this.suspend(Suspension.OUTPUT)
      this.#open?.messaging.pause()
      return
    }
    this.#open?.subscriptions.pumpAll()
    this.#open?.messaging.resume()
    if (!this.output.isBlocked) this.resume(Suspension.OUTPUT)
  }

  #sendPing(): void {
    this.#pingCount = (this.#pingCount % UINT32_MAX) + 1
    this.output.send(Opcode.PING, 0, this.#pingCount)
  }

  #takeHasSent(): boolean {
    const hasSent = this.output.hasSent
    this.output.hasSent = false
    return hasSent
  }

  #takeHasReceived(): boolean {
    const hasReceived = this.#hasReceived || this.#suspensions !== 0
    this.#hasReceived = false
    return hasReceived
  }

  #internalError(error: unknown): BrokerError {
    const { environment } = this.services
    const detail = error as { stack?: unknown } | undefined
    environment.log.error('native.internal-error', {
      connection: this.connection.id,
      stack: String(detail?.stack ?? error),
    })
    return new BrokerError('ERR_INTERNAL')
  }

  #logEnd(error: BrokerError): void {
    const { id, remoteAddress } = this.connection
    const fields = { connection: id, peer: remoteAddress, code: error.code, reason: error.message }
    this.services.environment.log.warn('native.session-ended', fields)
  }

  #cutOff(error: BrokerError): void {
    this.services.meters?.countError(error.code)
    this.#logEnd(error)
    this.#release()
    this.connection.destroy()
  }

  /** Ends after what is queued is written. */
  #finish(cause?: BrokerError): void {
    this.#release()
    this.output.end(cause)
  }

  #release(): void {
    if (this.#state === 'closed') return
    this.#state = checkTransition(this.#state, 'closed')
    this.#decoder.suspend()
    this.#surroundings.memory.remove(this.#heldBytes)
    this.#heldBytes = 0
    this.#quota?.close()
    this.#probeTimer?.cancel()
    this.#surroundings.pass?.release()
    this.#handshakeTimer?.cancel()
    this.#expiryTimer?.cancel()
    this.#heartbeat?.stop()
    this.#open?.subscriptions.closeAll()
    this.#open?.messaging.close()
    this.#open?.engine.close()
  }
}
