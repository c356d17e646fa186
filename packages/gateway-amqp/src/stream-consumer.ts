/**
 * A consumer of a stream: records of a topic's only partition, read from an offset on and handed out
 * while the channel has credit. Nothing is taken from the topic; settling a message gives credit for
 * another.
 *
 * ```
 *   subscription ──(bytes of credit)──> batches ──> records that wait ──(unsettled < prefetch)──> channel
 *                                            └── what its filter does not want ends here
 * ```
 * Invariants: what waits is never more than the credit; a filter looks at no more than the credit in
 * one turn, however long nothing passes.
 */
import {
  batchAttributes,
  type BrokerError,
  type DecodedRecord,
  isControl,
  RecordCursor,
  reservedHeaders,
  RingQueue,
  utf8Decode,
} from '@millrace/codec'
import type {
  EngineSession,
  Outcome,
  PartitionSubscription,
  ReadResult,
  SubscriptionSink,
  TopicHandle,
} from '@millrace/core'
import type { AmqpChannel } from './amqp-channel.ts'
import { splitBatches } from './batch-split.ts'
import { type ChannelConsumer, tagBytesOf } from './channel-consumer.ts'
import type { FieldValue } from './codec/field-table.ts'
import { changeBlock } from './codec/property-block.ts'
import { PropertyScan } from './codec/property-scan.ts'
import { writeDeliver } from './delivery-frames.ts'
import { notImplemented } from './errors.ts'
import { STREAM_CREDIT_BYTES } from './limits.ts'
import { findHeader, toPropertyBlock } from './mapping.ts'
import { inVhost } from './resource-faults.ts'
import type { StreamFilter } from './stream-filter.ts'
import { STREAM_OFFSET } from './stream-offset.ts'

const PARTITION = 0
const NOTHING = new Uint8Array(0)

export interface StreamConsumerOptions {
  readonly tag: string
  readonly handle: TopicHandle
  /** The first offset that is handed out. */
  readonly offset: number
  /** Unsettled messages of this consumer. */
  readonly prefetchCount: number
  readonly filter: StreamFilter | undefined
}

export class StreamConsumer implements ChannelConsumer, SubscriptionSink {
  readonly tag: string
  readonly #channel: AmqpChannel
  readonly #tagBytes: Uint8Array
  readonly #options: StreamConsumerOptions
  readonly #waiting: RingQueue<DecodedRecord>
  #subscription: PartitionSubscription | undefined
  #unsettledCount: number
  /** Bytes of batches whose records wait: their credit is given back when none is left. */
  #heldBytes: number
  #isPaused: boolean
  #isOver: boolean

  constructor(channel: AmqpChannel, options: StreamConsumerOptions) {
    this.tag = options.tag
    this.#channel = channel
    this.#tagBytes = tagBytesOf(options.tag)
    this.#options = options
    this.#waiting = new RingQueue<DecodedRecord>()
    this.#subscription = undefined
    this.#unsettledCount = 0
    this.#heldBytes = 0
    this.#isPaused = false
    this.#isOver = false
  }

  start(engine: EngineSession): void {
    const { handle, offset } = this.#options
    const bytes = STREAM_CREDIT_BYTES
    this.#subscription = engine.subscribe(
      { handle, partition: PARTITION, offset, bytesPerDeliveryMax: bytes, creditBytes: bytes },
      this,
    )
  }

  deliver(_partition: number, { lease }: ReadResult): void {
    if (lease === undefined) return
    this.#heldBytes += lease.byteLength
    // Records live longer than the lease does.
    const bytes = lease.parts.length === 1 ? lease.parts[0]?.slice() : Buffer.concat(lease.parts)
    lease.release()
    for (const batch of splitBatches(bytes ?? NOTHING)) {
      if (!isControl(batchAttributes(batch))) this.#take(new RecordCursor(batch))
    }
    this.#pump()
  }

  end(_partition: number, error: BrokerError): void {
    this.#channel.consumerEnded(this, error)
  }

  /** The channel settled one of its messages. */
  settle(outcome: Outcome): void {
    if (outcome !== 'ack') {
      const vhost = this.#channel.host.name
      const stream = inVhost('queue', this.#options.handle.topic, vhost)
      throw notImplemented(`basic.nack and basic.reject not supported by stream queues ${stream}`)
    }
    this.#unsettledCount--
    this.#pump()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#pump()
  }

  cancel(): void {
    this.#isOver = true
    this.#subscription?.cancel()
    this.#waiting.clear()
  }

  #take(cursor: RecordCursor): void {
    const { offset: from, filter } = this.#options
    while (cursor.next()) {
      if (cursor.offset < from || filter?.passes(cursor) === false) continue
      const { offset, timestamp, key, value, index } = cursor
      this.#waiting.push({ offset, timestamp, key, value, headers: cursor.headers(), index })
    }
  }

  #pump(): void {
    while (!this.#isPaused && !this.#isOver && this.#unsettledCount < this.#options.prefetchCount) {
      const record = this.#waiting.shift()
      if (record === undefined) break
      this.#handOut(record)
    }
    if (this.#waiting.length > 0 || this.#heldBytes === 0 || this.#isOver) return
    const bytes = this.#heldBytes
    this.#heldBytes = 0
    if (this.#options.filter === undefined) this.#subscription?.addCredit(bytes)
    else this.#addCreditNextTurn(bytes)
  }

  /** Given at once, a stream of which nothing passes would be read on and on in this turn. */
  #addCreditNextTurn(bytes: number): void {
    const { timers } = this.#channel.session.services.environment
    timers.defer(() => {
      if (!this.#isOver) this.#subscription?.addCredit(bytes)
    })
  }

  #handOut(record: DecodedRecord): void {
    const channel = this.#channel
    const { output } = channel.session
    const tag = channel.handOut(this)
    if (tag === undefined) return
    this.#unsettledCount++
    const exchange = textOf(record, reservedHeaders.exchange.name) ?? ''
    const routingKey = textOf(record, reservedHeaders.routingKey.name) ?? this.#options.handle.topic
    writeDeliver(output, channel.number, this.#tagBytes, tag, false, { exchange, routingKey })
    const payload = record.value ?? NOTHING
    output.content(channel.number, streamProperties(record), payload)
    channel.session.noteDelivered(payload.length)
  }
}

const NAME_BYTES_MAX = 255

const textOf = ({ headers }: DecodedRecord, name: string): string | undefined => {
  const value = findHeader(headers, name)
  const isFit = value !== undefined && value !== null && value.length <= NAME_BYTES_MAX
  return isFit ? utf8Decode(value) : undefined
}

const streamProperties = (record: DecodedRecord): Uint8Array => {
  const scan = new PropertyScan()
  scan.scan(toPropertyBlock(record.headers))
  const value: FieldValue = { type: 'l', value: BigInt(record.offset) }
  return changeBlock(scan, {
    dropHeaders: [STREAM_OFFSET],
    addHeaders: [{ name: STREAM_OFFSET, value }],
  })
}
