/** A topic as the end of a binding: its partitions take records that are built from messages. */
import {
  BrokerError,
  partitionForKey,
  utf8Encode,
  type RecordBatchBuilder,
  type RecordHeader,
} from '@millrace/codec'
import type { MessageSource } from '../engine/messaging.ts'
import type { Log } from '../log/log.ts'
import type { RouteTarget } from '../routing/route-target.ts'
import type { Topic } from '../topic/topic.ts'
import { effectiveBatchBytesMax } from '../topic/topic-settings.ts'
import type { BatchTarget, OpenBatch } from './open-batch.ts'

/** A batch's header, and what a record needs beside what is in it. */
const OVERHEAD_BYTES = 128

class TopicPort implements BatchTarget {
  readonly log: Log
  readonly isWantingNext = false
  openBatch: OpenBatch | undefined
  readonly #topic: Topic

  constructor(topic: Topic, log: Log) {
    this.#topic = topic
    this.log = log
  }

  willAppend(): void {
    return undefined
  }

  appended(_baseOffset: number, count: number): void {
    this.#topic.traffic.appended(count, 0)
  }

  arrived(): void {
    return undefined
  }

  refused(): void {
    return undefined
  }

  wake(): void {
    return undefined
  }
}

export class TopicTarget implements RouteTarget {
  readonly kind = 'topic'
  visitedBy = 0
  readonly topic: Topic
  readonly #ports = new Map<Log, TopicPort>()
  #next = 0

  constructor(topic: Topic) {
    this.topic = topic
  }

  get name(): string {
    return this.topic.definition.name
  }

  get isDurable(): boolean {
    return this.topic.definition.settings.durability !== 'memory'
  }

  /** Throws ERR_BATCH_TOO_LARGE. */
  checkFits({ payload, properties }: MessageSource): void {
    const bytesMax = effectiveBatchBytesMax(this.topic.definition.settings)
    const bytes = payload.length + properties.length + OVERHEAD_BYTES
    if (bytes > bytesMax) throw new BrokerError('ERR_BATCH_TOO_LARGE', [bytes, bytesMax])
  }

  /** Where a record with this key goes. Throws ERR_DATA_CORRUPT. */
  portFor(key: Uint8Array | null): BatchTarget {
    const { name } = this.topic.definition
    const { logs } = this.topic
    const partition = key === null ? this.#next++ % logs.length : partitionForKey(key, logs.length)
    const log = logs[partition]
    if (log === undefined) throw new BrokerError('ERR_DATA_CORRUPT', [0, 0, `${name}/${partition}`])
    let port = this.#ports.get(log)
    if (port === undefined) this.#ports.set(log, (port = new TopicPort(this.topic, log)))
    return port
  }
}

/** The routing key is the key of a record, unless the message has one of its own. */
export const recordKeyOf = (message: MessageSource): Uint8Array | null => {
  if (message.key !== undefined) return message.key
  return message.routingKey === '' ? null : utf8Encode(message.routingKey)
}

export const fillRecord = (
  builder: RecordBatchBuilder,
  message: MessageSource,
  key: Uint8Array | null,
  timestampMs: number,
): void => {
  const headers: RecordHeader[] = [
    ...message.neutralHeaders(),
    { key: 'mr-exchange', value: utf8Encode(message.exchange) },
    { key: 'mr-routing-key', value: utf8Encode(message.routingKey) },
  ]
  builder.appendFields(timestampMs, key, message.payload, headers)
}
