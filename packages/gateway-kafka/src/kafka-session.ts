/**
 * One peer of the Kafka protocol: bytes to requests to handlers, answers in the order of the requests
 * and what happens when something fails. Knows no API's meaning; those stand in `handlers/`.
 *
 * Invariants: after the end nothing is handled and nothing is sent; reading stops while the engine,
 * the peer or a rare request holds things up, so nothing here grows with what a peer sends; an error
 * that is not part of a response closes the connection, because the protocol has no other way.
 */
import { BrokerError, isBrokerError } from '@millrace/codec'
import {
  type Connection,
  type Principal,
  QuotaGate,
  type Services,
  type Session,
  type StrangerPass,
  type TimerHandle,
} from '@millrace/core'
import { type Answer, AnswerQueue } from './answer-queue.ts'
import { Authentication } from './authentication.ts'
import { FrameDecoder } from './frame-decoder.ts'
import type { FramePool } from './frame-pool.ts'
import { handleFrame } from './handle-frame.ts'
import { InputWatch } from './input-watch.ts'
import type { KafkaSettings } from './kafka-settings.ts'
import { HANDSHAKE_FRAME_BYTES_MAX, REQUEST_HEAD_BYTES_MAX, THROTTLED_READ_MS } from './limits.ts'
import { MessageWriter } from './message-writer.ts'
import { createOpenSession, type OpenSession } from './open-session.ts'
import { Suspension } from './suspension.ts'

export interface SessionSurroundings {
  readonly services: Services
  readonly settings: KafkaSettings
  /** Buffers of requests that span reads, shared by all connections. */
  readonly frames: FramePool
  /** Counts the peer among those that nobody knows. */
  readonly pass: StrangerPass | undefined
  readonly onClosed: (session: KafkaSession) => void
}

/** Answers leave when they are at least this much, or when there are no more of them. */
const GATHERED_BYTES_MAX = 64 * 1024

export class KafkaSession implements Session {
  readonly connection: Connection
  readonly services: Services
  readonly settings: KafkaSettings
  readonly authentication: Authentication
  readonly #surroundings: SessionSurroundings
  readonly #decoder: FrameDecoder
  readonly #input: InputWatch
  readonly #answers = new AnswerQueue()
  readonly #writer = new MessageWriter()
  #open: OpenSession | undefined
  #handshakeTimer: TimerHandle | undefined
  #expiryTimer: TimerHandle | undefined
  #suspensions: number
  #isPumping: boolean
  #isDraining: boolean
  #isClosed: boolean
  #lastError: BrokerError | undefined
  #quota: QuotaGate | undefined
  #throttleTimer: TimerHandle | undefined

  constructor(connection: Connection, surroundings: SessionSurroundings) {
    const { services, settings } = surroundings
    this.connection = connection
    this.services = services
    this.settings = settings
    this.authentication = new Authentication(services, connection, settings.namespace)
    this.#surroundings = surroundings
    this.#decoder = new FrameDecoder({
      bytesMax: HANDSHAKE_FRAME_BYTES_MAX,
      pool: surroundings.frames,
      onFrame: (bytes, from, to, isOwned) => handleFrame(this, bytes, from, to, isOwned),
    })
    this.#input = new InputWatch({
      decoder: this.#decoder,
      timers: services.environment.timers,
      memory: settings.memory,
      pass: surroundings.pass,
      isSuspended: () => this.#suspensions !== 0,
      fail: (error) => this.fail(error),
    })
    this.#open = undefined
    this.#expiryTimer = undefined
    this.#suspensions = 0
    this.#isPumping = false
    this.#isDraining = false
    this.#isClosed = false
    this.#lastError = undefined
    this.#quota = undefined
    this.#throttleTimer = undefined
    const { handshakeMsMax } = services.limits
    this.#handshakeTimer = services.environment.timers.after(handshakeMsMax, () =>
      this.fail(new BrokerError('ERR_HANDSHAKE_TIMEOUT', [handshakeMsMax])),
    )
    void this.#loginWithoutWords()
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get isOpen(): boolean {
    return this.#open !== undefined
  }

  /** Only for requests of a peer that is known. */
  get open(): OpenSession {
    if (this.#open === undefined) throw new BrokerError('ERR_NOT_AUTHENTICATED')
    return this.#open
  }

  onData(chunk: Uint8Array): void {
    if (this.#isClosed) return
    try {
      this.#quota?.received(chunk.length)
      this.#decoder.push(chunk)
      this.#input.received(chunk.length)
    } catch (error) {
      this.fail(error)
    }
  }

  onDrain(): void {
    this.resume(Suspension.OUTPUT)
    // What was answered meanwhile waits here, and the peer may have nothing more to say.
    this.pump()
  }

  onClosed(): void {
    this.#release()
    this.#surroundings.onClosed(this)
  }

  /** The peer is known, or has shown again who it is. */
  enterOpen(principal: Principal, lifetimeMs: number): void {
    this.#keepToQuotas(principal)
    this.#open?.close()
    this.#surroundings.pass?.release()
    this.#handshakeTimer?.cancel()
    this.#handshakeTimer = undefined
    const { bodyBytesMax } = this.services.limits
    this.#decoder.setBytesMax(bodyBytesMax + REQUEST_HEAD_BYTES_MAX)
    this.#watchExpiry(lifetimeMs)
    const caller = { principal, namespace: this.settings.namespace }
    this.#open = createOpenSession(this.services, caller, {
      onEngineFull: (isFull) => {
        if (isFull) this.suspend(Suspension.ENGINE)
        else this.resume(Suspension.ENGINE)
      },
      onSettled: () => this.pump(),
      onFailure: (error) => this.countError(error),
      onUnheardFailure: (error) => this.fail(error),
    })
  }

  /**
   * The peer sends records. While an alarm throttles it is read on only now and then: not at all would
   * hide that it is gone, and have its requests time out and come again on new connections.
   */
  notePublish(): void {
    if (this.services.alarms?.isThrottling !== true || this.#throttleTimer !== undefined) return
    this.suspend(Suspension.ALARM)
    this.#throttleTimer = this.services.environment.timers.after(THROTTLED_READ_MS, () =>
      this.endThrottle(),
    )
  }

  endThrottle(): void {
    this.#throttleTimer?.cancel()
    this.#throttleTimer = undefined
    this.resume(Suspension.ALARM)
  }

  /** A request that nothing may overtake: no more is read until `endControl`. */
  beginControl(answer: Answer): void {
    this.suspend(Suspension.REQUEST)
    this.enqueue(answer)
  }

  endControl(): void {
    this.resume(Suspension.REQUEST)
  }

  enqueue(answer: Answer): void {
    this.#answers.push(answer)
    if (this.#answers.length >= this.services.limits.inFlightCountMax) {
      this.suspend(Suspension.WINDOW)
    }
    this.pump()
  }

  /** Sends the answers that are ready and whose turn it is. */
  pump(): void {
    if (this.#isPumping || this.#isClosed) return
    this.#isPumping = true
    try {
      this.#sendReady()
    } catch (error) {
      this.#writer.discard()
      this.fail(error)
    } finally {
      this.#isPumping = false
    }
    if (this.#answers.length < this.services.limits.inFlightCountMax) {
      this.resume(Suspension.WINDOW)
    }
    if (this.#lastError !== undefined && this.#answers.length === 0) this.fail(this.#lastError)
    this.#finishIfIdle()
  }

  /** The broker stops: what is in flight is answered, then the connection ends. */
  drain(): void {
    if (this.#isClosed || this.#isDraining) return
    this.#isDraining = true
    this.#decoder.suspend()
    this.connection.pause()
    this.#finishIfIdle()
  }

  countError({ code }: BrokerError): void {
    this.services.meters?.countError(code)
  }

  /** The one place where an error ends a connection. */
  fail(error: unknown): void {
    if (this.#isClosed) return
    const known = isBrokerError(error) ? error : this.#internalError(error)
    this.countError(known)
    this.#logEnd(known)
    this.end()
  }

  /** Ends after what was answered is written. */
  end(): void {
    if (this.#isClosed) return
    this.#release()
    this.connection.end()
  }

  /** For an error that the peer is told of first. */
  endAfterAnswer(error: BrokerError): void {
    this.#lastError = error
  }

  suspend(reason: Suspension): void {
    if (this.#isClosed) return
    this.#suspensions |= reason
    this.#decoder.suspend()
    this.connection.pause()
  }

  resume(reason: Suspension): void {
    if ((this.#suspensions & reason) === 0) return
    this.#suspensions &= ~reason
    if (this.#suspensions !== 0 || this.#isClosed || this.#isDraining) return
    try {
      this.#decoder.resume()
    } catch (error) {
      this.fail(error)
      return
    }
    if (this.#suspensions === 0) this.connection.resume()
  }

  #sendReady(): void {
    while ((this.#suspensions & Suspension.OUTPUT) === 0) {
      const mayBringRecords = this.#quota?.isOutputHeld !== true
      const hasWritten = this.#answers.writeNext(this.#writer, mayBringRecords)
      const { gatheredBytes } = this.#writer
      if (gatheredBytes > 0 && (!hasWritten || gatheredBytes >= GATHERED_BYTES_MAX)) {
        this.#quota?.sent(gatheredBytes)
        if (!this.#writer.sendTo(this.connection)) this.suspend(Suspension.OUTPUT)
      }
      if (!hasWritten || this.#isClosed) return
    }
  }

  #finishIfIdle(): void {
    if (!this.#isDraining) return
    if (this.#answers.length > 0) this.#answers.hurry()
    else if ((this.#open?.intake.count ?? 0) === 0) this.end()
  }

  /** Throws ERR_QUOTA_EXCEEDED when the principal has as many connections as it may. */
  #keepToQuotas(principal: Principal): void {
    const use = this.services.quotas?.open(principal)
    this.#quota?.close()
    this.#quota = undefined
    if (use === undefined) return
    this.#quota = new QuotaGate(use, this.services.environment.timers, {
      onInput: (isHeld) => {
        if (isHeld) this.suspend(Suspension.QUOTA)
        else this.resume(Suspension.QUOTA)
      },
      onOutputReleased: () => this.pump(),
    })
  }

  async #loginWithoutWords(): Promise<void> {
    this.suspend(Suspension.LOGIN)
    try {
      const outcome = await this.authentication.withoutWords()
      if (this.#isClosed) return
      if (outcome?.principal !== undefined) this.enterOpen(outcome.principal, outcome.lifetimeMs)
    } catch (error) {
      this.fail(error)
    } finally {
      this.resume(Suspension.LOGIN)
    }
  }

  /** A login that is not renewed in time ends with the connection. */
  #watchExpiry(lifetimeMs: number): void {
    this.#expiryTimer?.cancel()
    if (lifetimeMs <= 0) return
    this.#expiryTimer = this.services.environment.timers.after(lifetimeMs, () =>
      this.fail(new BrokerError('ERR_CREDENTIALS_EXPIRED')),
    )
  }

  #internalError(error: unknown): BrokerError {
    const detail = error as { stack?: unknown } | undefined
    this.services.environment.log.error('kafka.internal-error', {
      connection: this.connection.id,
      stack: String(detail?.stack ?? error),
    })
    return new BrokerError('ERR_INTERNAL')
  }

  #logEnd(error: BrokerError): void {
    const { id, remoteAddress } = this.connection
    const fields = { connection: id, peer: remoteAddress, code: error.code, reason: error.message }
    this.services.environment.log.warn('kafka.session-ended', fields)
  }

  #release(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#decoder.close()
    this.#handshakeTimer?.cancel()
    this.#expiryTimer?.cancel()
    this.#throttleTimer?.cancel()
    this.#input.close()
    this.#quota?.close()
    this.#surroundings.pass?.release()
    this.#answers.discardAll()
    this.#open?.close()
  }
}
