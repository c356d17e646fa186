/** One consumer of a queue: from the engine's deliveries to frames, until one of the two ends it. */
import { BrokerError } from '@millrace/codec'
import type { Consumer, ConsumerSink, ConsumeRequest, Delivery } from '@millrace/core'
import { encodeConsumerEnd, Opcode, wireOfError } from '@millrace/protocol'
import type { MessagingLink } from './messaging-link.ts'

export class QueueConsumer implements ConsumerSink {
  readonly id: number
  readonly #channel: number
  readonly #link: MessagingLink
  readonly #isAutoSettled: boolean
  #consumer: Consumer | undefined
  #isEnded: boolean

  constructor(id: number, channel: number, link: MessagingLink, isAutoSettled: boolean) {
    this.id = id
    this.#channel = channel
    this.#link = link
    this.#isAutoSettled = isAutoSettled
    this.#consumer = undefined
    this.#isEnded = false
  }

  start(request: ConsumeRequest): void {
    this.#consumer = this.#link.engine.consume(request, this)
    if (this.#link.output.isBlocked) this.#consumer.pause()
  }

  setCredit(count: number): void {
    this.#consumer?.setInFlightCountMax(count)
  }

  pause(): void {
    this.#consumer?.pause()
  }

  resume(): void {
    this.#consumer?.resume()
  }

  cancel(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#consumer?.cancel()
  }

  deliver(delivery: Delivery): void {
    if (this.#isEnded) return
    const { inFlight } = this.#link
    const tag = this.#isAutoSettled ? 0 : inFlight.add(delivery)
    if (this.#link.send(this.id, this.#channel, tag, delivery)) return
    inFlight.remove(tag)
    this.#refuse(delivery)
  }

  end(error: BrokerError): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const end = { consumer: this.id, code: wireOfError(error), message: error.message }
    this.#link.forget(this.id)
    const { output } = this.#link
    output.sendInLine(Opcode.CONSUMER_END, this.#channel, this.id, encodeConsumerEnd(end))
  }

  /** It does not fit a body: somebody else may take it, over another protocol. */
  #refuse(delivery: Delivery): void {
    const { engine, bodyBytesMax } = this.#link
    const consumer = this.#consumer
    this.end(new BrokerError('ERR_LIMIT_EXCEEDED', [bodyBytesMax, 'bytes of a delivery']))
    consumer?.cancel()
    if (!this.#isAutoSettled) engine.settle([delivery], 'requeue')
  }
}
