/**
 * Consumes AMQP messages without a client library: it counts deliveries, and acknowledges what one
 * read has brought with one frame.
 */
import { AmqpConnection, type FrameListener } from './amqp-connection.ts'
import {
  ACK_FRAME_BYTES,
  EMPTY_TABLE,
  bodyBytes,
  deliveryTag,
  frameTypes,
  methodFrame,
  methods,
  shortText,
  uint16,
  uint32,
  uint8,
  writeAckUpTo,
} from './amqp-frames.ts'
import { readUint32 } from '@millrace/codec'
import { sharedNow } from './now.ts'
import type { Report } from './tasks.ts'

const NO_ACK = 2
/** Consumers that are asked for at once. */
const TOGETHER = 100

export interface AmqpConsumeParameters {
  readonly port: number
  /** One consumer each, all on one channel. */
  readonly queues: readonly string[]
  readonly messageCount: number
  /** Unacknowledged deliveries of each consumer. */
  readonly prefetchCount: number
  readonly isAutoAck: boolean
  /** Tells how many have come, about so often. */
  readonly reportEveryCount?: number
}

export interface AmqpConsumed {
  readonly messageCount: number
  readonly payloadBytes: number
  /** Of `sharedNow`: when the last was here. */
  readonly endedAt: number
  readonly ackCount: number
}

class DeliveryCounter implements FrameListener {
  readonly #connection: AmqpConnection
  readonly #parameters: AmqpConsumeParameters
  readonly #report: Report
  #messageCount = 0
  #payloadBytes = 0
  #ackCount = 0
  #lastTag = 0
  #ackedTag = 0
  #bodyBytesLeft = 0
  #reportedCount = 0
  #endedAt = 0
  #resolve!: () => void
  readonly #done = new Promise<void>((resolve) => {
    this.#resolve = resolve
  })

  constructor(connection: AmqpConnection, parameters: AmqpConsumeParameters, report: Report) {
    this.#connection = connection
    this.#parameters = parameters
    this.#report = report
    connection.listen(this)
  }

  async run(): Promise<AmqpConsumed> {
    await Promise.race([this.#done, this.#connection.failed])
    return {
      messageCount: this.#messageCount,
      payloadBytes: this.#payloadBytes,
      endedAt: this.#endedAt,
      ackCount: this.#ackCount,
    }
  }

  onFrame(bytes: Uint8Array, at: number, type: number, method: number): void {
    if (type === frameTypes.body) this.#takeBody(readUint32(bytes, at + 3))
    else if (method === methods.basicDeliver) this.#lastTag = deliveryTag(bytes, at)
    else if (type === frameTypes.header) {
      this.#bodyBytesLeft = bodyBytes(bytes, at)
      this.#payloadBytes += this.#bodyBytesLeft
    }
  }

  onReadEnd(): void {
    if (!this.#parameters.isAutoAck) this.#acknowledge()
    const { messageCount, reportEveryCount = Number.POSITIVE_INFINITY } = this.#parameters
    if (this.#messageCount >= messageCount && this.#endedAt === 0) {
      this.#endedAt = sharedNow()
      this.#resolve()
    }
    if (this.#messageCount - this.#reportedCount < reportEveryCount) return
    this.#reportedCount = this.#messageCount
    this.#report(this.#messageCount)
  }

  onDrain(): void {
    // Acknowledgements are few.
  }

  #takeBody(bytes: number): void {
    this.#bodyBytesLeft -= bytes
    if (this.#bodyBytesLeft === 0) this.#messageCount += 1
  }

  /** A delivery whose body is still to come is acknowledged with it: nothing of it is needed. */
  #acknowledge(): void {
    if (this.#lastTag === this.#ackedTag) return
    const ack = new Uint8Array(ACK_FRAME_BYTES)
    writeAckUpTo(ack, 0, this.#lastTag)
    this.#ackedTag = this.#lastTag
    this.#ackCount += 1
    this.#connection.write(ack)
  }
}

const consumeFrom = async (
  connection: AmqpConnection,
  { queues, prefetchCount, isAutoAck }: AmqpConsumeParameters,
): Promise<void> => {
  const qos = methodFrame(methods.basicQos, [uint32(0), uint16(prefetchCount), uint8(0)])
  if (!isAutoAck) await connection.call(qos, methods.basicQosOk)
  const flags = uint8(isAutoAck ? NO_ACK : 0)
  const consume = (queue: string): Promise<Uint8Array> => {
    const place = [uint16(0), shortText(queue), shortText(''), flags, EMPTY_TABLE]
    return connection.call(methodFrame(methods.basicConsume, place), methods.basicConsumeOk)
  }
  for (let at = 0; at < queues.length; at += TOGETHER) {
    await Promise.all(queues.slice(at, at + TOGETHER).map(consume))
  }
}

/** Reports 0 when its consumers are there. */
export const consumeAmqp = async (
  parameters: AmqpConsumeParameters,
  report: Report,
): Promise<AmqpConsumed> => {
  const connection = await AmqpConnection.open(parameters.port)
  try {
    const counter = new DeliveryCounter(connection, parameters, report)
    await consumeFrom(connection, parameters)
    report(0)
    const consumed = await counter.run()
    await connection.close()
    return consumed
  } finally {
    connection.destroy()
  }
}
