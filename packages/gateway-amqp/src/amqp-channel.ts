/**
 * One channel: what its peer may do next, and the parts that do it. Methods that travel with every
 * message are read here by hand; all others come from the table in `method-handlers.ts`.
 *
 * ```
 *   open ──(an error of ours)──> closing ──(close-ok of the peer)──> gone
 *     └─────(close of the peer)─────────────────────────────────────────^
 * ```
 * Invariants: while it is closing nothing is worked on and nothing delivered; its engine session ends
 * with it, so that what it had not settled returns to its queues.
 */
import { BrokerError, ByteReader, readUint16, readUint32, readUint64 } from '@millrace/codec'
import type { CreditPool, Delivery, MessagingSession, Outcome } from '@millrace/core'
import type { AmqpSession } from './amqp-session.ts'
import type { ChannelConsumer } from './channel-consumer.ts'
import { FrameType } from './codec/frame.ts'
import type { MethodName } from './codec/method-table.ts'
import { findMethod, type MethodFields, methodKey } from './codec/methods.ts'
import { asFault, commandInvalid, preconditionFailed } from './errors.ts'
import { PUBLICATIONS_IN_FLIGHT_COUNT_MAX } from './limits.ts'
import { handleChannelMethod } from './method-handlers.ts'
import { Publisher } from './publisher.ts'
import { ReplyConsumer } from './reply-consumer.ts'
import { Settlements } from './settlements.ts'
import type { StreamConsumer } from './stream-consumer.ts'
import { Suspension } from './suspension.ts'
import type { Transaction } from './transaction.ts'
import type { VirtualHost } from './virtual-host.ts'

const PUBLISH: number = methodKey(60, 40)
const ACK: number = methodKey(60, 80)
const REJECT: number = methodKey(60, 90)
const NACK: number = methodKey(60, 120)
const CLOSE: number = methodKey(20, 40)
const CLOSE_OK: number = methodKey(20, 41)

const IDS_BYTES = 4
const TICKET_BYTES = 2
const TAG_BYTES = 8
const MANDATORY_BIT = 1
const IMMEDIATE_BIT = 2
const MULTIPLE_BIT = 1
const REQUEUE_BIT = 1
const NACK_REQUEUE_BIT = 2

export class AmqpChannel {
  readonly number: number
  readonly session: AmqpSession
  readonly host: VirtualHost
  readonly publisher: Publisher
  readonly settlements: Settlements
  readonly engine: MessagingSession
  readonly consumers: Map<string, ChannelConsumer>
  /** Of the next consumers. */
  prefetchCount: number
  /** The queue that this channel declared last: methods may leave its name out. */
  lastQueue: string | undefined
  transaction: Transaction | undefined
  isClosing: boolean
  isGone: boolean
  /** It stands in the session's list of channels with settlements to hand on. */
  isSettling: boolean
  #pool: CreditPool | undefined
  #poolLimit: number
  readonly #ended: string[]
  #isAwaiting: boolean
  /** The method that is worked on. */
  #classId: number
  #methodId: number

  constructor(session: AmqpSession, host: VirtualHost, number: number) {
    const { limits } = session.services
    this.number = number
    this.session = session
    this.host = host
    this.engine = host.messaging.openSession({
      ...host.caller,
      inFlightCountMax: PUBLICATIONS_IN_FLIGHT_COUNT_MAX,
      inFlightBytesMax: limits.inFlightBytesMax,
      onConfirms: (from, to, error) => this.#onConfirms(from, to, error),
      onWritable: () => this.publisher.onWritable(),
      onFailure: (error) => this.#onFailure(error),
    })
    this.publisher = new Publisher(this, this.engine)
    this.settlements = new Settlements(this, this.engine)
    this.consumers = new Map<string, ChannelConsumer>()
    this.prefetchCount = 0
    this.lastQueue = undefined
    this.transaction = undefined
    this.isClosing = false
    this.isGone = false
    this.isSettling = false
    this.#pool = undefined
    this.#poolLimit = 0
    this.#ended = []
    this.#isAwaiting = false
    this.#classId = 0
    this.#methodId = 0
  }

  get isOpen(): boolean {
    return !this.isClosing && !this.isGone
  }

  /** Where direct replies to this channel go. */
  get replyAddress(): string | undefined {
    for (const consumer of this.consumers.values()) {
      if (consumer instanceof ReplyConsumer) return consumer.address
    }
    return undefined
  }

  /** Credit that the consumers of the channel share; no limit until one is set. */
  get pool(): CreditPool {
    return (this.#pool ??= this.engine.createPool(this.#poolLimit))
  }

  limitPool(count: number): void {
    this.#poolLimit = count
    this.#pool?.setLimit(count)
  }

  onFrame(type: FrameType, bytes: Uint8Array, from: number, to: number): void {
    if (this.isClosing) {
      if (type === FrameType.METHOD) this.#onMethodWhileClosing(bytes, from, to)
      return
    }
    const { content } = this.publisher
    if (type === FrameType.METHOD) {
      content.checkMethod()
      this.#onMethod(bytes, from, to)
      return
    }
    if (!content.isUnderWay) this.#note(0, 0)
    if (type === FrameType.HEADER) content.header(bytes, from, to)
    else content.body(bytes, from, to)
  }

  reply<Name extends MethodName>(name: Name, fields: MethodFields<Name>): void {
    if (!this.isOpen) return
    this.session.output.method(this.number, name, fields)
    this.session.noteAnswer()
  }

  /** The tag of a message that is handed out; `undefined` when nothing can be any more. */
  handOut(delivery: Delivery | StreamConsumer | undefined): number | undefined {
    if (!this.isOpen) return undefined
    try {
      return this.settlements.handOut(delivery)
    } catch (error) {
      this.fail(error)
      return undefined
    }
  }

  /** What was settled in this read goes to the engine. */
  endInput(): void {
    this.isSettling = false
    if (!this.isOpen) return
    try {
      this.settlements.flush()
    } catch (error) {
      this.fail(error)
    }
  }

  addConsumer(consumer: ChannelConsumer): void {
    this.consumers.set(consumer.tag, consumer)
    this.session.noteConsumer(consumer)
  }

  removeConsumer(consumer: ChannelConsumer): void {
    if (this.consumers.get(consumer.tag) === consumer) {
      this.consumers.delete(consumer.tag)
      this.session.consumerCount--
    }
    consumer.cancel()
  }

  /** What it consumed from is gone: the peer is told, if it asked to be. */
  consumerEnded(consumer: ChannelConsumer, error: BrokerError): void {
    if (!this.isOpen || this.consumers.get(consumer.tag) !== consumer) return
    this.removeConsumer(consumer)
    this.session.countError(error.code)
    if (!this.session.capabilities.consumerCancelNotify) return
    this.#ended.push(consumer.tag)
    if (!this.#isAwaiting) this.#tellEnded()
  }

  /** While an answer to a method is awaited nothing else of the connection is read. */
  follow(work: Promise<void>): void {
    void this.#await(work, this.#classId, this.#methodId)
  }

  /** The one place where an error ends a channel. */
  fail(error: unknown, classId: number = this.#classId, methodId: number = this.#methodId): void {
    const fault = this.session.faultOf(error)
    if (fault.scope === 'connection') {
      this.session.failWith(fault, classId, methodId)
      return
    }
    if (!this.isOpen) return
    this.session.countError(fault.code)
    this.isClosing = true
    this.#release()
    const { replyCode, message: replyText } = fault
    const fields = { replyCode, replyText, classId, methodId }
    this.session.output.method(this.number, 'channel.close', fields)
    this.session.noteAnswer()
  }

  /** The peer closed it. */
  closeByPeer(): void {
    this.reply('channel.close-ok', {})
    this.end()
  }

  /** It is over, and its number free. */
  end(): void {
    if (this.isGone) return
    if (!this.isClosing) this.#release()
    this.isGone = true
    this.session.forgetChannel(this)
  }

  #onMethod(bytes: Uint8Array, from: number, to: number): void {
    if (to - from < IDS_BYTES) throw malformed()
    this.#note(readUint16(bytes, from), readUint16(bytes, from + 2))
    const key = readUint32(bytes, from)
    const at = from + IDS_BYTES
    if (key === PUBLISH) this.#publish(bytes, at, to)
    else if (key === ACK) this.#settle(bytes, at, to, MULTIPLE_BIT, 'ack')
    else if (key === NACK) this.#nack(bytes, at, to)
    else if (key === REJECT) this.#reject(bytes, at, to)
    else this.#onOtherMethod(bytes, at, to)
  }

  #onOtherMethod(bytes: Uint8Array, from: number, to: number): void {
    const method = findMethod(this.#classId, this.#methodId)
    if (method === undefined) throw commandInvalid('unimplemented method')
    this.settlements.flush()
    const work = handleChannelMethod(this, method.name, new ByteReader(bytes, from, to))
    if (work !== undefined) this.follow(work)
  }

  #onMethodWhileClosing(bytes: Uint8Array, from: number, to: number): void {
    const key = to - from < IDS_BYTES ? 0 : readUint32(bytes, from)
    if (key === CLOSE_OK) this.end()
    else if (key === CLOSE) this.session.output.method(this.number, 'channel.close-ok', {})
  }

  #publish(bytes: Uint8Array, from: number, to: number): void {
    const { nameCache: names } = this.session
    const exchangeAt = from + TICKET_BYTES
    const exchangeEnd = exchangeAt + 1 + (bytes[exchangeAt] ?? 0)
    const keyEnd = exchangeEnd + 1 + (bytes[exchangeEnd] ?? 0)
    if (exchangeEnd >= to || keyEnd >= to) throw malformed()
    const bits = bytes[keyEnd] as number
    this.publisher.begin(
      names.text(bytes, exchangeAt + 1, exchangeEnd),
      names.text(bytes, exchangeEnd + 1, keyEnd),
      (bits & MANDATORY_BIT) !== 0,
      (bits & IMMEDIATE_BIT) !== 0,
    )
  }

  /** To RabbitMQ from 4.3 on: handed back untried. What is rejected was tried, and failed. */
  #nack(bytes: Uint8Array, from: number, to: number): void {
    const isRequeued = ((bytes[from + TAG_BYTES] ?? 0) & NACK_REQUEUE_BIT) !== 0
    this.#settle(bytes, from, to, MULTIPLE_BIT, isRequeued ? 'release' : 'reject')
  }

  #reject(bytes: Uint8Array, from: number, to: number): void {
    const isRequeued = ((bytes[from + TAG_BYTES] ?? 0) & REQUEUE_BIT) !== 0
    this.#settle(bytes, from, to, 0, isRequeued ? 'requeue' : 'reject')
  }

  #settle(
    bytes: Uint8Array,
    from: number,
    to: number,
    multipleBit: number,
    outcome: Outcome,
  ): void {
    if (to - from < TAG_BYTES + 1) throw malformed()
    const tag = readUint64(bytes, from)
    const isMultiple = ((bytes[from + TAG_BYTES] as number) & multipleBit) !== 0
    if (this.settlements.settle(tag, isMultiple, outcome)) return
    const exact = Buffer.from(bytes.subarray(from, from + TAG_BYTES)).readBigUInt64BE()
    throw preconditionFailed(`unknown delivery tag ${exact}`, 'ERR_UNKNOWN_DELIVERY')
  }

  #note(classId: number, methodId: number): void {
    this.#classId = classId
    this.#methodId = methodId
  }

  async #await(work: Promise<void>, classId: number, methodId: number): Promise<void> {
    this.session.suspend(Suspension.METHOD)
    this.#isAwaiting = true
    try {
      await work
    } catch (error) {
      this.fail(error, classId, methodId)
    } finally {
      this.#isAwaiting = false
      this.#tellEnded()
      this.session.resume(Suspension.METHOD)
    }
  }

  /** Who deletes a queue has his answer before its consumers are told. */
  #tellEnded(): void {
    if (this.isOpen) {
      for (const consumerTag of this.#ended) {
        this.session.output.method(this.number, 'basic.cancel', { consumerTag, nowait: true })
      }
    }
    this.#ended.length = 0
  }

  #onConfirms(from: number, to: number, error: BrokerError | undefined): void {
    if (!this.isOpen) return
    this.publisher.onConfirms(from, to, error)
    this.session.noteConfirms()
  }

  #onFailure(error: BrokerError): void {
    const isLate = error.code === 'ERR_DELIVERY_TIMEOUT'
    const text = `delivery acknowledgement on channel ${this.number} timed out`
    this.fail(isLate ? preconditionFailed(text, error.code) : error, 0, 0)
  }

  #release(): void {
    try {
      this.settlements.flush()
    } catch (error) {
      this.session.countError(asFault(error).code)
    }
    for (const consumer of [...this.consumers.values()]) this.removeConsumer(consumer)
    this.publisher.close()
    this.settlements.close()
    this.transaction = undefined
    this.engine.close()
  }
}

const malformed = (): BrokerError =>
  new BrokerError('ERR_MALFORMED_BODY', ['it ends before its fields do'])
