/**
 * A broker of one connection, in memory, for the tests of the client: it speaks the protocol's own
 * codec, keeps batches as they came, and lets a test hold, refuse or replace any answer.
 */
import {
  BrokerError,
  batchBaseSequence,
  batchNextOffset,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  isBrokerError,
  scanBatch,
  sequenceAfter,
  validateBatch,
  writeBatchPrefix,
} from '@millrace/codec'
import * as protocol from '@millrace/protocol'
import { Opcode } from '@millrace/protocol'
import type { MemoryLink } from './memory-transport.ts'

export interface StoredBatch {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly bytes: Uint8Array
}

export interface FakePartition {
  readonly batches: StoredBatch[]
  next: number
  /** Below it nothing is kept. */
  earliest: number
  readonly producers: Map<number, FakeProducerState>
}

/** What a partition knows of an idempotent producer. */
interface FakeProducerState {
  epoch: number
  nextSequence: number
  /** The last five, as offsets by base sequence. */
  readonly batches: { sequence: number; baseOffset: number }[]
}

export interface FakeTopic {
  readonly name: string
  readonly id: number
  handle: number
  partitions: FakePartition[]
  settings: Record<string, unknown>
  revision: number
}

/** A request as it came; the body is the test's to keep. */
export interface Request {
  readonly opcode: number
  readonly channel: number
  readonly correlation: number
  readonly body: Uint8Array
}

interface FakeSubscription {
  readonly id: number
  readonly topic: FakeTopic
  readonly bytesMax: number
  readonly partitions: Map<number, number>
  credit: number
}

const makePartition = (): FakePartition => ({
  batches: [],
  next: 0,
  earliest: 0,
  producers: new Map(),
})

const LIMITS = { batchBytesMax: 16 * 1024 * 1024, recordsPerBatchMax: 1_000_000 }

export class FakeBroker {
  readonly topics = new Map<string, FakeTopic>()
  /** How many TOPIC_LIST answers at a time. */
  topicsPerPage = 1_000
  readonly requests: Request[] = []
  readonly subscriptions = new Map<number, FakeSubscription>()
  /** What CONNECTED says; change it before the client connects. */
  connected: protocol.Connected = {
    version: 1,
    broker: { name: 'fake', version: '1' },
    node: 0,
    authenticated: true,
    mechanisms: ['ANONYMOUS'],
    features: [],
    codecs: ['none'],
    heartbeatMs: 0,
    frameBytesMax: protocol.FRAME_BYTES_DEFAULT,
    bodyBytesMax: protocol.BODY_BYTES_MAX,
    batchBytesMax: protocol.BATCH_BYTES_MAX,
    inFlightCountMax: 256,
    autoCreateTopics: true,
  }
  /** Sees every request first; true: it has dealt with it, or holds it. */
  intercept: ((request: Request) => boolean) | undefined
  link: MemoryLink | undefined
  isClosed = false
  /** Whether a subscription may not begin above the end. */
  checksEnd = false
  producerCount = 0
  connectionCount = 0
  #decoder: protocol.FrameDecoder
  #lastHandle = 0
  #lastId = 0

  constructor() {
    this.#decoder = this.#makeDecoder()
  }

  /** Handles, subscriptions and half a frame die with the connection before. */
  accept(link: MemoryLink): void {
    this.link = link
    this.isClosed = false
    this.connectionCount += 1
    this.subscriptions.clear()
    if (this.connectionCount > 1) this.#renumber()
    this.#decoder = this.#makeDecoder()
    link.peer = {
      onBytes: (bytes) => this.link === link && this.#decoder.push(bytes),
      onClose: () => this.link === link && (this.isClosed = true),
    }
  }

  #renumber(): void {
    for (const topic of this.topics.values()) topic.handle = ++this.#lastHandle
  }

  createTopic(name: string, partitionCount = 1): FakeTopic {
    this.#lastHandle += 1
    this.#lastId += 1
    const partitions = Array.from({ length: partitionCount }, makePartition)
    const settings = { durability: 'persisted' }
    const handle = this.#lastHandle
    const topic = { name, id: this.#lastId, handle, partitions, settings, revision: 1 }
    this.topics.set(name, topic)
    return topic
  }

  countOf(opcode: number): number {
    return this.requests.filter((request) => request.opcode === opcode).length
  }

  /** Everything held by `intercept`, or any request, as if nothing had stopped it. */
  handle(request: Request): void {
    try {
      this.#dispatch(request)
    } catch (error) {
      if (!isBrokerError(error)) throw error
      this.fail(request, error)
    }
  }

  reply(request: Request, body?: Uint8Array): void {
    this.push(request.opcode | protocol.RESPONSE_BIT, request.correlation, body, request.channel)
  }

  fail(request: Request, error: BrokerError): void {
    this.push(
      Opcode.ERROR,
      request.correlation,
      protocol.encodeErrorBody(protocol.errorBodyOf(error)),
    )
  }

  push(opcode: number, correlation: number, body?: Uint8Array, channel = 0): void {
    const parts = body === undefined ? [] : [body]
    const limit = this.connected.frameBytesMax
    const chunks: Uint8Array[] = []
    protocol.splitBody(opcode, channel, correlation, parts, limit, (chunk) => chunks.push(chunk))
    // In one chunk: a frame that lies whole in it is lent to the client, not given.
    this.link?.receive(joinBytes(chunks))
  }

  /** Bytes as they are, whatever they mean. */
  pushRaw(bytes: Uint8Array): void {
    this.link?.receive(bytes)
  }

  /** Stores a batch as if somebody else had produced it, and delivers it. */
  store(topic: FakeTopic, partition: number, batch: Uint8Array): number {
    const log = topic.partitions[partition] as FakePartition
    const bytes = new Uint8Array(batch)
    const baseOffset = log.next
    writeBatchPrefix(bytes, 0, baseOffset, bytes.length, 0)
    log.next = baseOffset + batchRecordCount(bytes)
    log.batches.push({ baseOffset, nextOffset: batchNextOffset(bytes), bytes })
    this.deliverAll()
    return baseOffset
  }

  deliverAll(): void {
    for (const subscription of this.subscriptions.values()) this.#deliver(subscription)
  }

  #makeDecoder(): protocol.FrameDecoder {
    return new protocol.FrameDecoder({
      frameBytesMax: protocol.FRAME_BYTES_MAX,
      bodyBytesMax: protocol.BODY_BYTES_MAX,
      onFrame: ({ opcode, channel, correlation, body }) => {
        const request = { opcode, channel, correlation, body: new Uint8Array(body) }
        this.requests.push(request)
        if (this.intercept?.(request) !== true) this.handle(request)
      },
    })
  }

  #dispatch(request: Request): void {
    const { body } = request
    switch (request.opcode) {
      case Opcode.CONNECT:
        protocol.decodeConnect(body)
        return this.reply(request, protocol.encodeConnected(this.connected))
      case Opcode.PING:
        return this.reply(request, body)
      case Opcode.PONG:
        return
      case Opcode.CLOSE:
        this.reply(request)
        return
      case Opcode.PRODUCE:
        return this.#produce(request)
      case Opcode.FETCH:
        return this.#fetch(request)
      case Opcode.SUBSCRIBE:
        return this.#subscribe(request)
      case Opcode.UNSUBSCRIBE:
        this.subscriptions.delete(protocol.decodeUnsubscribe(body).subscription)
        return this.reply(request, body)
      case Opcode.CREDIT:
        return this.#addCredit(protocol.decodeCredit(body))
      default:
        return this.#dispatchTopic(request)
    }
  }

  #dispatchTopic(request: Request): void {
    const { body } = request
    switch (request.opcode) {
      case Opcode.TOPIC_OPEN:
        return this.#open(request)
      case Opcode.TOPIC_CREATE: {
        const { topic, partitions = 1, ifNotExists } = protocol.decodeTopicCreate(body)
        const known = this.topics.get(topic)
        if (known !== undefined && ifNotExists !== true) {
          throw new BrokerError('ERR_TOPIC_EXISTS', [topic])
        }
        return this.#describe(request, known ?? this.createTopic(topic, partitions))
      }
      case Opcode.TOPIC_DESCRIBE:
        return this.#describe(request, this.#topic(protocol.decodeTopicDescribe(body).topic))
      case Opcode.TOPIC_ALTER: {
        const { topic: name, settings } = protocol.decodeTopicAlter(body)
        const topic = this.#topic(name)
        Object.assign(topic.settings, settings)
        topic.revision += 1
        return this.#describe(request, topic)
      }
      case Opcode.TOPIC_DELETE:
        this.topics.delete(this.#topic(protocol.decodeTopicDelete(body).topic).name)
        return this.reply(request, protocol.encodeTopicDeleted())
      case Opcode.TOPIC_LIST:
        return this.#list(request)
      case Opcode.LIST_OFFSETS:
        return this.#listOffsets(request)
      case Opcode.INIT_PRODUCER:
        this.producerCount += 1
        return this.reply(
          request,
          protocol.encodeProducerInitialized({ producer: this.producerCount + 1_000, epoch: 0 }),
        )
      default:
        throw new BrokerError('ERR_UNKNOWN_OPCODE', [request.opcode])
    }
  }

  #topic(name: string): FakeTopic {
    const topic = this.topics.get(name)
    if (topic === undefined) throw new BrokerError('ERR_TOPIC_NOT_FOUND', [name])
    return topic
  }

  #topicOfHandle(handle: number): FakeTopic {
    for (const topic of this.topics.values()) if (topic.handle === handle) return topic
    throw new BrokerError('ERR_STALE_HANDLE')
  }

  #open(request: Request): void {
    const { topic: name, create } = protocol.decodeTopicOpen(request.body)
    if (!this.topics.has(name) && create === true) this.createTopic(name)
    const { handle, partitions } = this.#topic(name)
    const { batchBytesMax } = this.connected
    this.reply(
      request,
      protocol.encodeTopicOpened({
        handle,
        topic: name,
        id: this.#topic(name).id,
        partitions: partitions.length,
        durability: 'persisted',
        batchBytesMax,
      }),
    )
  }

  #describe(request: Request, topic: FakeTopic): void {
    const partitions = topic.partitions.map(({ next }, partition) => ({
      partition,
      earliest: 0,
      next,
      highWatermark: next,
      epoch: 0,
      bytes: 0,
    }))
    const { name, handle: id, revision, settings } = topic
    const description = { topic: name, id, revision, partitions, settings, createdAt: 5 }
    this.reply(request, protocol.encodeTopicDescription(description))
  }

  #list(request: Request): void {
    const { prefix = '', after = '' } = protocol.decodeTopicList(request.body)
    const found = [...this.topics.values()]
      .filter(({ name }) => name.startsWith(prefix) && name > after)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    const topics = found
      .slice(0, this.topicsPerPage)
      .map(({ name, handle: id, partitions, revision }) => {
        return { topic: name, id, partitions: partitions.length, durability: 'persisted', revision }
      })
    const more = found.length > topics.length
    this.reply(request, protocol.encodeTopicListed({ topics, more }))
  }

  #listOffsets(request: Request): void {
    const { topic: name, partitions, at } = protocol.decodeListOffsets(request.body)
    const topic = this.#topic(name)
    const wanted = partitions ?? topic.partitions.map((_log, partition) => partition)
    const offsets = wanted.map((partition) => {
      const { next, earliest } = topic.partitions[partition] as FakePartition
      const offset = at === 'earliest' ? earliest : next
      return { partition, offset, timestamp: -1, highWatermark: next }
    })
    this.reply(request, protocol.encodeOffsetsListed({ offsets }))
  }

  #produce(request: Request): void {
    const { handle, partition, durability, batch } = protocol.decodeProduce(request.body)
    const topic = this.#topicOfHandle(handle)
    validateBatch(batch, LIMITS)
    const known = this.#checkSequence(topic.partitions[partition] as FakePartition, batch)
    const baseOffset = known ?? this.store(topic, partition, batch)
    if (durability === protocol.WantedDurability.NO_ANSWER) return
    const nextOffset = baseOffset + batchRecordCount(batch)
    const produced = { baseOffset, nextOffset, timestampMs: -1, leaderEpoch: 0 } as const
    this.reply(request, protocol.encodeProduced({ ...produced, durability: 2 }))
  }

  /** The offset of the original when the batch was stored before. */
  #checkSequence(log: FakePartition, batch: Uint8Array): number | undefined {
    const producerId = batchProducerId(batch)
    if (producerId < 0) return undefined
    const epoch = batchProducerEpoch(batch)
    const sequence = batchBaseSequence(batch)
    let state = log.producers.get(producerId)
    if (state === undefined && sequence !== 0) {
      throw new BrokerError('ERR_UNKNOWN_PRODUCER', [producerId])
    }
    if (state === undefined || epoch > state.epoch) {
      state = { epoch, nextSequence: 0, batches: [] }
    }
    if (epoch < state.epoch) {
      throw new BrokerError('ERR_PRODUCER_FENCED', [epoch, producerId, state.epoch])
    }
    const original = state.batches.find((stored) => stored.sequence === sequence)
    if (original !== undefined) return original.baseOffset
    if (sequence < state.nextSequence) {
      throw new BrokerError('ERR_DUPLICATE_SEQUENCE', [sequence, producerId])
    }
    if (sequence > state.nextSequence) {
      const values = [sequence, producerId, state.nextSequence]
      throw new BrokerError('ERR_OUT_OF_SEQUENCE', values)
    }
    state.nextSequence = sequenceAfter(sequence, batchRecordCount(batch))
    state.batches.push({ sequence, baseOffset: log.next })
    if (state.batches.length > 5) state.batches.shift()
    log.producers.set(producerId, state)
    return undefined
  }

  #read(log: FakePartition, offset: number, bytesMax: number): StoredBatch[] {
    const batches: StoredBatch[] = []
    let bytes = 0
    for (const batch of log.batches) {
      if (batch.nextOffset <= offset) continue
      if (batches.length > 0 && bytes + batch.bytes.length > bytesMax) break
      bytes += batch.bytes.length
      batches.push(batch)
    }
    return batches
  }

  #fetch(request: Request): void {
    const fetch = protocol.decodeFetch(request.body)
    const topic = this.#topicOfHandle(fetch.handle)
    const log = topic.partitions[fetch.partition] as FakePartition
    if (fetch.offset > log.next || fetch.offset < log.earliest) {
      throw new BrokerError('ERR_OFFSET_OUT_OF_RANGE', [fetch.offset, log.earliest, log.next])
    }
    const batches = this.#read(log, fetch.offset, fetch.maxBytes)
    const fetched = {
      highWatermark: log.next,
      earliestOffset: log.earliest,
      nextOffset: batches.at(-1)?.nextOffset ?? fetch.offset,
      leaderEpoch: 0,
      batches: joinBytes(batches.map(({ bytes }) => bytes)),
    }
    this.reply(request, protocol.encodeFetched(fetched))
  }

  #subscribe(request: Request): void {
    const subscribe = protocol.decodeSubscribe(request.body)
    const topic = this.#topic(subscribe.topic)
    const partitions = new Map<number, number>()
    const wanted = subscribe.partitions ?? topic.partitions.map((_log, partition) => partition)
    for (const partition of wanted) {
      partitions.set(partition, this.#startOf(topic, partition, subscribe.from))
    }
    const { subscription: id, credit, maxBytesPerDeliver = 262_144 } = subscribe
    const subscription = { id, topic, bytesMax: maxBytesPerDeliver, partitions, credit }
    const starts = [...partitions].map(([partition, offset]) => ({ partition, offset }))
    const subscribed = {
      subscription: id,
      topic: topic.name,
      id: topic.id,
      partitions: starts,
    }
    this.reply(request, protocol.encodeSubscribed(subscribed))
    this.subscriptions.set(id, subscription)
    this.#deliver(subscription)
  }

  #startOf(topic: FakeTopic, partition: number, from: protocol.SubscribeFrom): number {
    const log = topic.partitions[partition]
    if (log === undefined) throw new BrokerError('ERR_PARTITION_NOT_FOUND', [topic.name, partition])
    const { earliest, next } = log
    if (from === 'earliest') return earliest
    if (from === 'latest' || (typeof from === 'object' && 'timestamp' in from)) return next
    const offset = typeof from === 'number' ? from : (from.offsets[String(partition)] ?? earliest)
    if (offset >= earliest && (offset <= next || !this.checksEnd)) return offset
    throw new BrokerError('ERR_OFFSET_OUT_OF_RANGE', [offset, earliest, next])
  }

  #addCredit({ subscription: id, bytes }: Readonly<protocol.Credit>): void {
    const subscription = this.subscriptions.get(id)
    if (subscription === undefined) return
    subscription.credit += bytes
    this.#deliver(subscription)
  }

  #deliver(subscription: FakeSubscription): void {
    for (const [partition, offset] of subscription.partitions) {
      let from = offset
      while (subscription.credit > 0) {
        const log = subscription.topic.partitions[partition] as FakePartition
        const batches = this.#read(log, from, subscription.bytesMax)
        const last = batches.at(-1)
        if (last === undefined) break
        from = last.nextOffset
        subscription.partitions.set(partition, from)
        const bytes = joinBytes(batches.map((batch) => batch.bytes))
        subscription.credit -= bytes.length
        this.#pushDelivery(subscription.id, partition, log.next, from, bytes)
      }
    }
  }

  #pushDelivery(
    id: number,
    partition: number,
    high: number,
    next: number,
    batches: Uint8Array,
  ): void {
    const deliver = { partition, highWatermark: high, nextOffset: next, batches }
    this.push(Opcode.DELIVER, id, protocol.encodeDeliver(deliver))
  }
}

export const joinBytes = (parts: readonly Uint8Array[]): Uint8Array => {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/** Where each batch of a body begins. */
export const splitBatches = (bytes: Uint8Array): Uint8Array[] => {
  const batches: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const totalBytes = scanBatch(bytes, at, bytes.length)
    batches.push(bytes.subarray(at, at + totalBytes))
    at += totalBytes
  }
  return batches
}
