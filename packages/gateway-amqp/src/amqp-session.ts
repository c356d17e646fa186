/**
 * One peer of AMQP: bytes to frames to channels, and what happens when something fails. Knows what may
 * come on a connection and when; what methods mean stands in `connection-methods.ts` and `handlers/`.
 *
 * Invariants: after the end nothing is worked on and nothing is sent; reading stops while the engine,
 * the peer or a method that waits holds things up, so nothing here grows with what a peer sends; an
 * error ends a channel or the connection and nobody else's.
 */
import { BrokerError, type ErrorCode, isBrokerError } from '@millrace/codec'
import {
  type Connection,
  type Principal,
  QuotaGate,
  type Services,
  type Session,
  type StrangerPass,
  TrafficCounters,
} from '@millrace/core'
import type { AmqpChannel } from './amqp-channel.ts'
import type { AmqpSettings } from './amqp-settings.ts'
import { Authentication, type LoginOutcome } from './authentication.ts'
import { type Capabilities, noCapabilities } from './capabilities.ts'
import type { ChannelConsumer } from './channel-consumer.ts'
import { ChannelTable } from './channel-table.ts'
import { FrameType } from './codec/frame.ts'
import { FrameDecoder, type FrameSink } from './codec/frame-decoder.ts'
import type { MethodName } from './codec/method-table.ts'
import type { MethodFields } from './codec/methods.ts'
import type { NameCache } from './codec/name-cache.ts'
import { greet, turnAway } from './connection-methods.ts'
import { ConsumerHolds } from './consumer-holds.ts'
import type { DirectReplies } from './direct-reply.ts'
import { AmqpFault, asFault, channelError, isAmqpFault, unexpectedFrame } from './errors.ts'
import { FrameOutput } from './frame-output.ts'
import { handleConnectionFrame, handleUnopenedChannel } from './frame-routing.ts'
import { Heartbeat } from './heartbeat.ts'
import { InputWatch } from './input-watch.ts'
import { CLOSE_WAIT_MS_MAX, HANDSHAKE_FRAME_BYTES_MAX } from './limits.ts'
import { NamedTimers } from './named-timers.ts'
import { PublishThrottle } from './publish-throttle.ts'
import { internalFault, logEnd } from './session-log.ts'
import { isStranger, type SessionState } from './session-state.ts'
import { Hold, Suspension } from './suspension.ts'
import type { Tuning } from './tuning.ts'
import { VirtualHost } from './virtual-host.ts'

const SECOND_MS = 1_000

export interface SessionSurroundings {
  readonly services: Services
  readonly settings: AmqpSettings
  readonly nameCache: NameCache
  readonly directReplies: DirectReplies
  /** Counts the peer among those that nobody knows. */
  readonly pass: StrangerPass | undefined
  readonly onClosed: (session: AmqpSession) => void
}

export class AmqpSession implements Session, FrameSink {
  readonly connection: Connection
  readonly services: Services
  readonly settings: AmqpSettings
  readonly nameCache: NameCache
  readonly directReplies: DirectReplies
  readonly authentication: Authentication
  readonly output: FrameOutput
  readonly channels: ChannelTable
  state: SessionState
  capabilities: Capabilities
  mechanism: string
  consumerCount: number
  /** While the connection is open. */
  host: VirtualHost | undefined
  readonly #surroundings: SessionSurroundings
  readonly #decoder: FrameDecoder
  readonly #input: InputWatch
  readonly #throttle: PublishThrottle
  readonly #timers: NamedTimers<'handshake' | 'expiry' | 'close'>
  readonly #traffic: TrafficCounters
  readonly #settling: AmqpChannel[]
  readonly #holds: ConsumerHolds
  #principal: Principal | undefined
  #quota: QuotaGate | undefined
  #heartbeat: Heartbeat | undefined
  #suspensions: number
  #heldBytes: number
  #hasReceived: boolean
  #isDraining: boolean

  constructor(connection: Connection, surroundings: SessionSurroundings) {
    const { services, settings } = surroundings
    const { timers } = services.environment
    this.connection = connection
    this.services = services
    this.settings = settings
    this.nameCache = surroundings.nameCache
    this.directReplies = surroundings.directReplies
    this.authentication = new Authentication(services, connection)
    this.output = new FrameOutput(connection, {
      timers,
      onBlocked: () => this.#holds.hold(Hold.OUTPUT),
      onSent: (bytes) => this.#onSent(bytes),
    })
    this.state = 'header'
    this.capabilities = noCapabilities
    this.mechanism = ''
    this.consumerCount = 0
    this.#surroundings = surroundings
    this.#decoder = new FrameDecoder(this, HANDSHAKE_FRAME_BYTES_MAX)
    this.#input = new InputWatch({
      timers,
      memory: settings.memory,
      pass: surroundings.pass,
      filledBytes: () => this.#decoder.filledBytes,
      isSuspended: () => this.#suspensions !== 0,
      fail: (error) => this.fail(error),
    })
    this.#throttle = new PublishThrottle(this)
    this.#timers = new NamedTimers(timers)
    this.channels = new ChannelTable()
    this.#holds = new ConsumerHolds(this.channels)
    this.#traffic = services.meters?.traffic('amqp') ?? new TrafficCounters()
    this.#settling = []
    this.host = undefined
    this.#principal = undefined
    this.#quota = undefined
    this.#heartbeat = undefined
    this.#suspensions = 0
    this.#heldBytes = 0
    this.#hasReceived = false
    this.#isDraining = false
    const { handshakeMsMax } = services.limits
    this.#timers.set('handshake', handshakeMsMax, () =>
      this.fail(new BrokerError('ERR_HANDSHAKE_TIMEOUT', [handshakeMsMax])),
    )
  }

  get isClosed(): boolean {
    return this.state === 'closed'
  }

  onData(chunk: Uint8Array): void {
    if (this.isClosed) return
    this.#hasReceived = true
    try {
      this.#quota?.received(chunk.length)
      this.#decoder.push(chunk)
      this.#endInput()
      this.#input.received(chunk.length, this.#decoder.heldBytes + this.#heldBytes)
    } catch (error) {
      this.#failStream(error)
    }
  }

  onDrain(): void {
    this.output.onDrain()
    this.#holds.release(Hold.OUTPUT)
    this.resume(Suspension.OUTPUT)
  }

  onClosed(): void {
    this.#dispose()
    this.#surroundings.onClosed(this)
  }

  onProtocolHeader(isServed: boolean, header: Uint8Array): void {
    if (isServed) greet(this)
    else turnAway(this, header)
  }

  onFrame(type: FrameType, number: number, bytes: Uint8Array, from: number, to: number): void {
    if (this.isClosed) return
    if (type === FrameType.HEARTBEAT) {
      if (number !== 0) this.failWith(unexpectedFrame('a heartbeat belongs to channel 0'), 0, 0)
    } else if (number === 0) {
      handleConnectionFrame(this, type, bytes, from, to)
    } else if (this.state === 'running') {
      this.#onChannelFrame(type, number, bytes, from, to)
    } else if (this.state !== 'closing') {
      this.failWith(
        channelError(`unexpected channel ${number} before the connection is open`),
        0,
        0,
      )
    }
  }

  reply<Name extends MethodName>(name: Name, fields: MethodFields<Name>): void {
    if (this.isClosed) return
    this.output.method(0, name, fields)
  }

  /** The peer is known: it may send larger frames once it has agreed on their size. */
  enterKnown(principal: Principal, lifetimeMs: number): void {
    const { quotas, environment } = this.services
    if (quotas !== undefined) {
      this.#quota = new QuotaGate(quotas.open(principal), environment.timers, {
        onInput: (isHeld) =>
          isHeld ? this.suspend(Suspension.QUOTA) : this.resume(Suspension.QUOTA),
        onOutputReleased: () => this.#holds.release(Hold.QUOTA),
      })
    }
    this.#principal = principal
    this.#surroundings.pass?.release()
    this.#watchExpiry(lifetimeMs)
    this.state = 'tune'
  }

  tuned({ channelsMax, frameBytesMax, heartbeatSeconds }: Tuning): void {
    this.channels.countMax = channelsMax
    this.#decoder.setFrameBytesMax(frameBytesMax)
    this.output.setFrameBytesMax(frameBytesMax)
    this.state = 'open'
    if (heartbeatSeconds === 0) return
    this.#heartbeat = new Heartbeat(this.services.environment, heartbeatSeconds * SECOND_MS, {
      takeHasSent: () => this.#takeHasSent(),
      takeHasReceived: () => this.#takeHasReceived(),
      sendHeartbeat: () => this.output.heartbeat(),
      onSilence: (silentMs) => this.#onSilence(silentMs),
    })
  }

  openHost(namespace: string): void {
    const principal = this.#principal
    if (principal === undefined) throw new BrokerError('ERR_NOT_AUTHENTICATED')
    this.#timers.cancel('handshake')
    const caller = { principal, namespace }
    this.host = new VirtualHost(this.services, caller, this.authentication.user)
    this.state = 'running'
  }

  /** The same user has shown itself again. */
  renew({ principal, lifetimeMs }: LoginOutcome): void {
    if (principal === undefined || principal.name !== this.#principal?.name) {
      throw new BrokerError('ERR_AUTHENTICATION_FAILED')
    }
    this.#principal = principal
    this.#watchExpiry(lifetimeMs)
    this.host?.renew(principal)
    for (const channel of this.channels) channel.engine.renew(principal)
  }

  /** The peer sends a message. */
  notePublish(bytes: number): void {
    this.#traffic.appended(1, bytes)
    if (this.services.alarms?.isThrottling === true) this.#throttle.hold()
  }

  noteDelivered(bytes: number): void {
    this.#traffic.read(1, bytes)
  }

  /** A peer that asks on without reading the answers is not read either. */
  noteAnswer(): void {
    if (this.output.isBlocked) this.suspend(Suspension.OUTPUT)
  }

  noteSettlement(channel: AmqpChannel): void {
    if (channel.isSettling) return
    channel.isSettling = true
    this.#settling.push(channel)
  }

  noteConfirms(): void {
    if (this.#isDraining) this.#finishIfIdle()
  }

  noteConsumer(consumer: ChannelConsumer): void {
    this.consumerCount++
    this.#holds.include(consumer)
  }

  /** So many more bytes are held of messages that are not complete. */
  noteHeld(bytes: number): void {
    this.#heldBytes += bytes
  }

  checkConsumerLimit(): void {
    const { subscriptionsMax } = this.services.limits
    if (this.consumerCount < subscriptionsMax) return
    throw new BrokerError('ERR_LIMIT_EXCEEDED', [subscriptionsMax, 'consumers of a connection'])
  }

  endThrottle(): void {
    this.#throttle.end()
  }

  countError(code: ErrorCode): void {
    this.services.meters?.countError(code)
  }

  /** What a peer is told of an error; of a bug it is told that there was one. */
  faultOf(error: unknown): AmqpFault {
    return isAmqpFault(error) || isBrokerError(error) ? asFault(error) : internalFault(this, error)
  }

  fail(error: unknown): void {
    this.failWith(this.faultOf(error), 0, 0)
  }

  /** The one place where an error ends a connection. */
  failWith(fault: AmqpFault, classId: number, methodId: number): void {
    if (this.isClosed || this.state === 'closing') return
    this.countError(fault.code)
    logEnd(this, fault)
    const isTold = !isStranger(this.state) || this.#isToldOfLogin(fault)
    if (!isTold) {
      this.end()
      return
    }
    const { replyCode, message: replyText } = fault
    this.#dispose()
    this.output.method(0, 'connection.close', { replyCode, replyText, classId, methodId })
    if (isStranger(this.state)) this.end()
    else this.#awaitCloseOk()
  }

  closeByPeer(): void {
    this.reply('connection.close-ok', {})
    this.end()
  }

  /** Ends after what was written has left. */
  end(): void {
    if (this.isClosed) return
    this.#dispose()
    this.state = 'closed'
    this.#timers.cancelAll()
    this.#decoder.close()
    this.output.close()
    this.connection.end()
  }

  /** The broker stops: what was published is confirmed, then the peer is told to go. */
  drain(): void {
    if (this.isClosed || this.#isDraining) return
    this.#isDraining = true
    this.#decoder.suspend()
    this.connection.pause()
    this.#holds.hold(Hold.DRAIN)
    this.#finishIfIdle()
  }

  /** Nothing is read until the work is done. */
  follow(work: Promise<void>, classId: number, methodId: number): void {
    void this.#await(work, classId, methodId)
  }

  forgetChannel(channel: AmqpChannel): void {
    this.channels.delete(channel.number)
  }

  suspend(reason: Suspension): void {
    if (this.isClosed || this.state === 'closing') return
    this.#suspensions |= reason
    this.#decoder.suspend()
    this.connection.pause()
  }

  resume(reason: Suspension): void {
    if ((this.#suspensions & reason) === 0) return
    this.#suspensions &= ~reason
    if (this.#isDraining) this.#finishIfIdle()
    this.#readOn()
  }

  async #await(work: Promise<void>, classId: number, methodId: number): Promise<void> {
    this.suspend(Suspension.METHOD)
    try {
      await work
    } catch (error) {
      this.failWith(this.faultOf(error), classId, methodId)
    } finally {
      this.resume(Suspension.METHOD)
    }
  }

  #onChannelFrame(
    type: FrameType,
    number: number,
    bytes: Uint8Array,
    from: number,
    to: number,
  ): void {
    const channel = this.channels.find(number)
    if (channel === undefined) {
      handleUnopenedChannel(this, type, number, bytes, from, to)
      return
    }
    try {
      channel.onFrame(type, bytes, from, to)
    } catch (error) {
      channel.fail(error)
    }
  }

  /** What this read has brought is handed on, and what it has caused is sent. */
  #endInput(): void {
    for (const channel of this.#settling) channel.endInput()
    this.#settling.length = 0
    this.output.flush()
  }

  #readOn(): void {
    if (this.#suspensions !== 0 || this.isClosed || this.#isDraining) return
    try {
      this.#decoder.resume()
      this.#endInput()
    } catch (error) {
      this.#failStream(error)
      return
    }
    if (this.#suspensions === 0) this.connection.resume()
  }

  /** Nothing that follows can be trusted, not even an answer to our close. */
  #failStream(error: unknown): void {
    this.fail(error)
    this.end()
  }

  #awaitCloseOk(): void {
    this.state = 'closing'
    this.#suspensions = 0
    this.output.flush()
    this.#timers.set('close', CLOSE_WAIT_MS_MAX, () => this.end())
    this.#isDraining = false
    this.#readOn()
  }

  #isToldOfLogin({ reply }: AmqpFault): boolean {
    return reply === 'ACCESS_REFUSED' && this.capabilities.authenticationFailureClose
  }

  #onSent(bytes: number): void {
    if (this.#quota === undefined) return
    this.#quota.sent(bytes)
    if (this.#quota.isOutputHeld) this.#holds.hold(Hold.QUOTA)
  }

  #takeHasSent(): boolean {
    const { hasSent } = this.output
    this.output.hasSent = false
    return hasSent
  }

  #takeHasReceived(): boolean {
    const hasReceived = this.#hasReceived || this.#suspensions !== 0 || this.#isDraining
    this.#hasReceived = false
    return hasReceived
  }

  /** A peer that is not there is told nothing. */
  #onSilence(silentMs: number): void {
    const error = new BrokerError('ERR_HEARTBEAT_TIMEOUT', [silentMs])
    this.countError(error.code)
    logEnd(this, asFault(error))
    this.end()
  }

  /** A login that is not renewed in time ends with the connection. */
  #watchExpiry(lifetimeMs: number): void {
    this.#timers.cancel('expiry')
    if (lifetimeMs <= 0) return
    this.#timers.set('expiry', lifetimeMs, () =>
      this.fail(new BrokerError('ERR_CREDENTIALS_EXPIRED')),
    )
  }

  #finishIfIdle(): void {
    if (this.isClosed || (this.#suspensions & Suspension.METHOD) !== 0) return
    for (const channel of this.channels) {
      if (channel.publisher.outstanding > 0) return
    }
    if (this.state !== 'running') {
      this.end()
      return
    }
    const text = "broker forced connection closure with reason 'shutdown'"
    this.failWith(new AmqpFault('CONNECTION_FORCED', 'connection', text, 'ERR_GOING_AWAY'), 0, 0)
  }

  /** Gives back everything that the peer had. */
  #dispose(): void {
    for (const channel of [...this.channels]) channel.end()
    this.host?.close()
    this.host = undefined
    this.#heartbeat?.stop()
    this.#throttle.close()
    this.#timers.cancelAll()
    this.#input.close()
    this.#quota?.close()
    this.#surroundings.pass?.release()
  }
}
