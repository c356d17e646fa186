/** A consumer of a queue: the engine's deliveries become frames of its channel. */
import type { BrokerError } from '@millrace/codec'
import type {
  Consumer,
  ConsumeRequest,
  ConsumerSink,
  Delivery,
  MessagingSession,
} from '@millrace/core'
import type { AmqpChannel } from './amqp-channel.ts'
import { type ChannelConsumer, tagBytesOf } from './channel-consumer.ts'
import { writeDeliver } from './delivery-frames.ts'
import { outgoingProperties } from './outgoing-message.ts'

export interface QueueConsumerOptions {
  readonly tag: string
  readonly request: ConsumeRequest
  /** The queue tells with each delivery how often it delivered it before. */
  readonly countsDeliveries: boolean
}

export class QueueConsumer implements ChannelConsumer, ConsumerSink {
  readonly tag: string
  readonly #channel: AmqpChannel
  readonly #tagBytes: Uint8Array
  readonly #isAutoSettled: boolean
  readonly #countsDeliveries: boolean
  #consumer: Consumer | undefined

  constructor(channel: AmqpChannel, { tag, request, countsDeliveries }: QueueConsumerOptions) {
    this.tag = tag
    this.#channel = channel
    this.#tagBytes = tagBytesOf(tag)
    this.#isAutoSettled = request.isAutoSettled
    this.#countsDeliveries = countsDeliveries
    this.#consumer = undefined
  }

  /** Throws as the engine's `consume` does. */
  start(engine: MessagingSession, request: ConsumeRequest): void {
    this.#consumer = engine.consume(request, this)
  }

  deliver(delivery: Delivery): void {
    const { message } = delivery
    const channel = this.#channel
    const { output } = channel.session
    const tag = channel.handOut(this.#isAutoSettled ? undefined : delivery)
    if (tag === undefined) return
    writeDeliver(output, channel.number, this.#tagBytes, tag, delivery.isRedelivered, message)
    const properties = outgoingProperties(delivery, this.#countsDeliveries, channel.host.messaging)
    output.content(channel.number, properties, message.payload)
    channel.session.noteDelivered(message.payload.length)
  }

  end(error: BrokerError): void {
    this.#channel.consumerEnded(this, error)
  }

  pause(): void {
    this.#consumer?.pause()
  }

  resume(): void {
    this.#consumer?.resume()
  }

  cancel(): void {
    this.#consumer?.cancel()
  }
}
