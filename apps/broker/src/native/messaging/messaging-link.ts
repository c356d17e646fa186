/**
 * What a connection has of exchanges and queues: its stream of messages into the engine, its
 * consumers, and the deliveries it has not settled. The engine's session is opened when it is first
 * needed, for most connections have no use for one.
 *
 * Invariants: a tag leads to a delivery of this connection or to none; after `close` nothing of it is
 * left in the engine, and what was unsettled is back in its queue.
 */
import { BrokerError } from '@millrace/codec'
import type {
  ConsumeRequest,
  Delivery,
  Messaging,
  MessagingSession,
  Owner,
  Principal,
} from '@millrace/core'
import type { Consume } from '@millrace/protocol'
import { BODY_HEAD_BYTES_MAX, queueDeliverySize } from '@millrace/protocol'
import { PUBLISH_IN_FLIGHT_COUNT_MAX, UNSETTLED_COUNT_MAX } from '../../limits.ts'
import type { FrameOutput } from '../frame-output.ts'
import { type NativeSession, Suspension } from '../native-session.ts'
import { DeliveryWriter } from './delivery-writer.ts'
import { InFlightTable } from './in-flight-table.ts'
import { PublishIntake } from './publish-intake.ts'
import { QueueConsumer } from './queue-consumer.ts'
import { WireDelivery } from './wire-delivery.ts'

export class MessagingLink {
  readonly output: FrameOutput
  readonly inFlight: InFlightTable
  readonly intake: PublishIntake
  readonly bodyBytesMax: number
  readonly #session: NativeSession
  readonly #consumers: Map<number, QueueConsumer>
  readonly #writer: DeliveryWriter
  readonly #wire: WireDelivery
  #engine: MessagingSession | undefined
  #owner: Owner | undefined

  constructor(session: NativeSession) {
    const { limits } = session.services
    this.output = session.output
    this.inFlight = new InFlightTable()
    this.bodyBytesMax = limits.bodyBytesMax
    this.#session = session
    this.#consumers = new Map()
    this.#writer = new DeliveryWriter(session.output)
    this.#wire = new WireDelivery()
    this.#engine = undefined
    this.#owner = undefined
    this.intake = new PublishIntake({
      engine: () => this.engine,
      partsBytesMax: this.partsBytesMax,
      write: (frame) => session.output.write(frame),
      fail: (error, channel, correlation) => session.fail(error, channel, correlation),
      onEngineFull: (isFull) => {
        if (isFull) session.suspend(Suspension.MESSAGING)
        else session.resume(Suspension.MESSAGING)
      },
      onAnswered: () => session.finishIfIdle(),
    })
  }

  get messaging(): Messaging {
    return this.#session.services.broker.messaging
  }

  /** Of a message's parts together: a delivery of it fits a body. */
  get partsBytesMax(): number {
    return this.bodyBytesMax - BODY_HEAD_BYTES_MAX
  }

  get engine(): MessagingSession {
    this.#engine ??= this.#open()
    return this.#engine
  }

  /** Whose exclusive queues are this connection's. */
  get owner(): Owner {
    this.#owner ??= this.messaging.openOwner()
    return this.#owner
  }

  renew(principal: Principal): void {
    this.#engine?.renew(principal)
  }

  consume(request: Consume, channel: number): void {
    const { consumer: id, queue, autoSettle = false, exclusive = false, priority = 0 } = request
    this.#checkConsumer(id)
    const consumer = new QueueConsumer(id, channel, this, autoSettle)
    const engineRequest: ConsumeRequest = {
      queue,
      owner: this.owner,
      isAutoSettled: autoSettle,
      isExclusive: exclusive,
      priority,
      inFlightCountMax: creditOf(request.credit ?? 0),
      pool: undefined,
    }
    consumer.start(engineRequest)
    this.#consumers.set(id, consumer)
  }

  setCredit(id: number, credit: number): void {
    this.#find(id).setCredit(creditOf(credit))
  }

  /** What was on its way to it is written before this returns. */
  cancel(id: number): void {
    this.#find(id).cancel()
    this.forget(id)
  }

  /** Its number is free again, and what was delivered stands before what is sent next. */
  forget(id: number): void {
    this.#consumers.delete(id)
    this.#writer.flush()
  }

  /** False when it does not fit a body. */
  send(consumer: number, channel: number, tag: number, delivery: Delivery): boolean {
    const wire = this.#wire.fill(this.messaging, tag, delivery)
    const size = queueDeliverySize(wire)
    if (size > this.bodyBytesMax) return false
    this.#writer.write(consumer, channel, wire, size)
    return true
  }

  pause(): void {
    for (const consumer of this.#consumers.values()) consumer.pause()
  }

  resume(): void {
    for (const consumer of this.#consumers.values()) consumer.resume()
  }

  /** Nothing more is delivered; what was may still be settled. */
  endConsumers(): void {
    for (const consumer of this.#consumers.values()) consumer.cancel()
    this.#consumers.clear()
    this.#writer.flush()
  }

  close(): void {
    this.endConsumers()
    this.inFlight.clear()
    this.#engine?.close()
    this.#owner?.close()
  }

  #open(): MessagingSession {
    const { services, open } = this.#session
    return services.broker.messaging.openSession({
      ...open.caller,
      inFlightCountMax: PUBLISH_IN_FLIGHT_COUNT_MAX,
      inFlightBytesMax: services.limits.inFlightBytesMax,
      onConfirms: (from, to, error) => this.intake.onConfirms(from, to, error),
      onWritable: () => this.#guard(() => this.intake.onWritable()),
      onFailure: (error) => this.#session.fail(error, 0, 0),
    })
  }

  /** Not called from inside a frame: nobody else would tell the peer. */
  #guard(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#session.fail(error, 0, 0)
    }
  }

  #find(id: number): QueueConsumer {
    const consumer = this.#consumers.get(id)
    if (consumer === undefined) throw new BrokerError('ERR_CONSUMER_NOT_FOUND', [id])
    return consumer
  }

  #checkConsumer(id: number): void {
    if (this.#consumers.has(id)) throw new BrokerError('ERR_CONSUMER_EXISTS', [id])
    const { subscriptionsMax } = this.#session.services.limits
    if (this.#consumers.size < subscriptionsMax) return
    throw new BrokerError('ERR_LIMIT_EXCEEDED', [subscriptionsMax, 'consumers of a connection'])
  }
}

const creditOf = (credit: number): number =>
  credit === 0 ? UNSETTLED_COUNT_MAX : Math.min(credit, UNSETTLED_COUNT_MAX)
