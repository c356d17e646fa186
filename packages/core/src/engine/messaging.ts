/**
 * Exchanges, bindings and queues as sessions and gateways see them: the second half of the façade,
 * beside the log's half in `operations.ts`, and written by the same rules (STORAGE 7):
 *
 * - Bytes of a message that is published are borrowed for the call. Bytes of a message that is
 *   delivered belong to nobody and never change: they may be kept and written later.
 * - Confirms never run inside `publish`. They come in ranges, in the order of publication.
 * - Deliveries never come inside the call that made them possible.
 * - What is expected of a peer's mistake is a BrokerError: thrown by synchronous calls, a rejection of
 *   asynchronous ones. `docs/errors.md` says which.
 *
 * The words are neutral. A gateway translates its own into them and never reaches behind them.
 */
import type { BrokerError, RecordHeader } from '@millrace/codec'
import type { Caller, Principal } from './operations.ts'

/** Which of an exchange's bindings a message matches. */
export type RoutingType =
  'direct' | 'topic' | 'fanout' | 'headers' | 'consistent-hash' | 'modulus-hash' | 'random'

/** `delayed`: keeps messages for as long as they ask, then routes them as its `delayedType`. */
export type ExchangeType = RoutingType | 'delayed'

export interface ExchangeSettings {
  readonly type: ExchangeType
  /** Durable exchanges, and their bindings to durable targets, survive a restart. */
  readonly isDurable: boolean
  /** Goes when its last binding as a source goes. */
  readonly isAutoDelete: boolean
  /** Nobody may publish to it; other exchanges lead to it. */
  readonly isInternal: boolean
  /** Takes what nothing else matches, from this exchange alone. */
  readonly alternateExchange: string | undefined
  /** Of `consistent-hash`: the header whose value is hashed instead of the routing key. */
  readonly hashHeader: string | undefined
  /** Of `delayed`, which has to have one: how it routes. */
  readonly delayedType: RoutingType | undefined
  /** Words of the protocol that declared it, kept and compared, not interpreted. */
  readonly labels: Readonly<Record<string, string>>
}

export interface ExchangeDescription {
  readonly namespace: string
  readonly exchange: string
  readonly settings: ExchangeSettings
  readonly isPredeclared: boolean
  readonly bindingCount: number
  /** Of `delayed`: messages that it keeps until they are due. */
  readonly keptCount: number | undefined
}

/** Where a binding leads. A topic takes the routing key as its records' key. */
export type TargetKind = 'queue' | 'topic' | 'exchange'

/**
 * `headers` holds what a headers exchange compares, in the form of `MessageSource.matchHeaders`.
 * Two bindings are the same when all fields are.
 */
export interface Binding {
  readonly exchange: string
  readonly targetKind: TargetKind
  readonly target: string
  readonly routingKey: string
  /** `all`, `any`: headers that begin with `x-` are ignored; `all-with-x`, `any-with-x`: they count. */
  readonly match?: HeaderMatch | undefined
  /** A value of `null` asks for the header's presence alone. Order does not count. */
  readonly headers?: Readonly<Record<string, string | null>> | undefined
  /** Words of the protocol that made it, kept and compared, not interpreted. */
  readonly labels?: Readonly<Record<string, string>> | undefined
}

export type HeaderMatch = 'all' | 'any' | 'all-with-x' | 'any-with-x'

export type OverflowPolicy = 'drop-head' | 'reject' | 'reject-dead-letter'

/** Of what comes back: what failed, what was given back untried, or both. */
export type RedeliveryDelayOf = 'all' | 'failed' | 'returned'

/** `undefined` where there is no limit or no such thing. Times are milliseconds, sizes bytes. */
export interface QueueSettings {
  /** The definition and its persistent messages survive a restart. */
  readonly isDurable: boolean
  /** Goes when its last consumer goes; not before it had one. */
  readonly isAutoDelete: boolean
  /** Unused for this long (no consumer, no get, no declaration), it goes. */
  readonly expiresMs: number | undefined
  readonly messageTtlMs: number | undefined
  /** Ready messages, and bytes of their payloads, that may wait. */
  readonly lengthMax: number | undefined
  readonly bytesMax: number | undefined
  readonly overflow: OverflowPolicy
  readonly deadLetterExchange: string | undefined
  /** Replaces the message's routing keys. */
  readonly deadLetterKey: string | undefined
  /** 1 to 255: messages of a higher priority go first. */
  readonly priorityMax: number | undefined
  readonly isSingleActiveConsumer: boolean
  /** Returned more often than this, a message is dead-lettered or dropped. */
  readonly deliveryLimit: number | undefined
  /** What comes back waits for this times how often it did, before it is delivered again. */
  readonly redeliveryDelayMsMin: number | undefined
  /** … and for no longer than this. */
  readonly redeliveryDelayMsMax: number | undefined
  readonly redeliveryDelayOf: RedeliveryDelayOf
  /** A delivery that is not settled for this long ends its session with ERR_DELIVERY_TIMEOUT. */
  readonly deliveryTimeoutMs: number | undefined
  /** Messages with the same key are in flight one at a time, in order. */
  readonly isKeyOrdered: boolean
  /** A message id that came again within this time is dropped, and confirmed. Settled messages stay so long. */
  readonly dedupWindowMs: number | undefined
  /** Settled messages are kept this long for `replay`. */
  readonly retentionMs: number | undefined
  /** Set: the queue is a view of this topic, and stores nothing itself. */
  readonly topic: string | undefined
  /** The queue is the topic of its name, with one partition: written to through exchanges, read by offset. */
  readonly isStream: boolean
  readonly labels: Readonly<Record<string, string>>
}

export interface QueueDescription {
  readonly namespace: string
  readonly queue: string
  readonly settings: QueueSettings
  readonly isExclusive: boolean
  /** Messages that wait for a consumer. */
  readonly readyCount: number
  readonly readyBytes: number
  /** Came back, and are not ready before their time. */
  readonly delayedCount: number
  readonly inFlightCount: number
  readonly consumerCount: number
  /** Counted since the broker was opened. */
  readonly counters: QueueCounters
}

export interface QueueCounters {
  readonly published: number
  readonly delivered: number
  readonly redelivered: number
  readonly settled: number
  readonly deadLettered: number
  readonly expired: number
  readonly dropped: number
}

/** One record of why and where a message was dead-lettered; newest first in a message. */
export interface DeadLetterEntry {
  readonly queue: string
  readonly reason: 'rejected' | 'expired' | 'maxlen' | 'delivery-limit'
  readonly count: number
  readonly exchange: string
  readonly routingKeys: readonly string[]
  /** Wall clock of the first time, milliseconds since 1970. */
  readonly timeMs: number
  /** The message's own time to live, taken from it when it expired. */
  readonly originalTtlMs: number | undefined
}

/**
 * A message to be published. The engine reads it during the call and keeps nothing of it, so that one
 * object may serve for all messages of a session.
 */
export interface MessageSource {
  readonly exchange: string
  readonly routingKey: string
  /** More keys to route by, such as copies; a target is reached once. */
  readonly extraRoutingKeys: readonly string[] | undefined
  readonly payload: Uint8Array
  /** What `properties` is: `propertyFormats` of @millrace/codec. */
  readonly format: number
  /** The publisher's own property block, or with format 0 a block of neutral headers. */
  readonly properties: Uint8Array
  readonly isPersistent: boolean
  /** 0 when it has none. */
  readonly priority: number
  /** Time to live, -1 when it has none of its own. */
  readonly ttlMs: number
  /** For deduplication. */
  readonly messageId: string | undefined
  /** For key order, and for the partition of a topic; the routing key serves where it is missing. */
  readonly key: Uint8Array | undefined
  /**
   * What headers exchanges compare: a name and a canonical text of type and value. Two values are
   * equal when their texts are. Plain text is `s` and the text; the rest is for its protocol to say.
   */
  matchHeaders(): ReadonlyMap<string, string>
  /** The same message as neutral headers, for a topic. */
  neutralHeaders(): readonly RecordHeader[]
}

/** A message in a queue. Its bytes never change and may be kept. */
export interface QueuedMessage {
  readonly exchange: string
  readonly routingKey: string
  readonly extraRoutingKeys: readonly string[] | undefined
  readonly payload: Uint8Array
  readonly format: number
  readonly properties: Uint8Array
  readonly isPersistent: boolean
  readonly priority: number
  readonly ttlMs: number
  readonly messageId: string | undefined
  readonly key: Uint8Array | undefined
  /** When it came into the queue: milliseconds since 1970. */
  readonly timestampMs: number
  readonly deadLetters: readonly DeadLetterEntry[] | undefined
}

/** A message handed to a consumer or a getter. Settle it once, through the session it came by. */
export interface Delivery {
  readonly queue: string
  /** Readable until `deliver` returns, or `get`'s answer was looked at; keep the message itself. */
  readonly message: QueuedMessage
  /** Of the message in its queue; with priorities or several partitions unique, but in no order. */
  readonly offset: number
  readonly isRedelivered: boolean
  /** How often it was returned before. */
  readonly deliveryCount: number
}

/**
 * How a delivery comes back to its place: `requeue` when it failed, `release` when it was not tried.
 * Both are counted; a queue may delay one and not the other.
 */
export type Return = 'requeue' | 'release'
/** `reject`: dead-lettered, or dropped where there is nowhere to go. */
export type Outcome = 'ack' | Return | 'reject'

/** Shared by several consumers: together they have no more in flight than this. */
export interface CreditPool {
  readonly limit: number
  /** 0 for no limit. Raising it delivers what waits. */
  setLimit(limit: number): void
}

export interface ConsumeRequest {
  readonly queue: string
  readonly owner: Owner | undefined
  /** A delivery counts as settled when it is handed over. */
  readonly isAutoSettled: boolean
  /** Nobody else may consume. ERR_QUEUE_IN_USE when somebody does. */
  readonly isExclusive: boolean
  /** Higher is served first while it has credit; 0 by default. */
  readonly priority: number
  /** Unsettled deliveries of this consumer; 0 for no limit. Not counted with `isAutoSettled`. */
  readonly inFlightCountMax: number
  readonly pool: CreditPool | undefined
}

export interface ConsumerSink {
  /** Called for one delivery after the other within a turn: gather, and write at its end. */
  deliver(delivery: Delivery): void
  /** The queue is gone, or somebody with a better right took over: nothing more comes. */
  end(error: BrokerError): void
}

export interface Consumer {
  /** As in the request. Raising it delivers what waits. */
  setInFlightCountMax(count: number): void
  /** The peer does not keep up: nothing is delivered until `resume`. */
  pause(): void
  resume(): void
  /** What is in flight stays with the session until it is settled or the session ends. */
  cancel(): void
}

/** Somebody who may have exclusive queues: a peer's connection. */
export interface Owner {
  readonly id: number
  /** Its exclusive queues go. Calling it again does nothing. */
  close(): void
}

export interface MessagingSessionOptions {
  readonly principal: Principal
  readonly namespace: string
  /** Publications whose confirm is still to come, and their bytes. */
  readonly inFlightCountMax: number
  readonly inFlightBytesMax: number
  /**
   * Publications `from` to `to`, counted from 1 in this session among those that want a confirm, have
   * their outcome: every durable target has them on disk, or none would take them.
   */
  onConfirms(from: number, to: number, error: BrokerError | undefined): void
  /** `publish` would take a message again after it answered BUSY. */
  onWritable(): void
  /** A delivery was not settled in time, or the like: the session is to be ended with this error. */
  onFailure?(error: BrokerError): void
}

/** What `publish` answers when it took nothing: call it again after `onWritable`. */
export const PUBLISH_BUSY = -1

export interface MessagingSession {
  /**
   * Routes a message and stores it. Answers the number of targets it reached, 0 for none, or
   * PUBLISH_BUSY. Throws ERR_EXCHANGE_NOT_FOUND, ERR_NOT_AUTHORIZED, ERR_LIMIT_EXCEEDED,
   * ERR_INVALID_ARGUMENT and what the storage refuses with; then it took no number of the confirms.
   */
  publish(message: MessageSource, wantsConfirm: boolean): number
  createPool(limit: number): CreditPool
  /** Throws ERR_QUEUE_NOT_FOUND, ERR_QUEUE_LOCKED, ERR_QUEUE_IN_USE, ERR_NOT_AUTHORIZED. */
  consume(request: ConsumeRequest, sink: ConsumerSink): Consumer
  /** One message now, `undefined` when none is ready. `readyCount` is what is left. */
  get(request: {
    readonly queue: string
    readonly owner: Owner | undefined
    readonly isAutoSettled: boolean
  }): Promise<{ readonly delivery: Delivery; readonly readyCount: number } | undefined>
  /** Deliveries of this session that are not settled. Settling one twice is ERR_UNKNOWN_DELIVERY. */
  settle(deliveries: readonly Delivery[], outcome: Outcome): void
  /** Resolves when everything settled before is durable. */
  flushSettlements(): Promise<void>
  /**
   * Publishes and settles all or nothing, across a crash. Rejects as `publish` throws, with
   * ERR_LIMIT_EXCEEDED when it is too large; then nothing was done. Answers how many targets each
   * message reached. The messages and their bytes are the engine's until it is answered.
   */
  commit(
    messages: readonly MessageSource[],
    settlements: readonly { readonly deliveries: readonly Delivery[]; readonly outcome: Outcome }[],
  ): Promise<readonly number[]>
  renew(principal: Principal): void
  /** Its consumers end, its deliveries in flight return to their places; confirms are not told. */
  close(): void
}

export type QueueSettingsPatch = { readonly [K in keyof QueueSettings]?: QueueSettings[K] | null }

export interface Messaging {
  openOwner(): Owner
  openSession(options: MessagingSessionOptions): MessagingSession

  /**
   * An exchange that is there with the same settings is answered as it is; with others it is
   * ERR_EXCHANGE_EXISTS, which names what differs. Names that begin with `amq.` are reserved.
   */
  declareExchange(
    caller: Caller,
    request: { readonly exchange: string; readonly settings: Partial<ExchangeSettings> },
  ): Promise<ExchangeDescription>
  /** Throws ERR_EXCHANGE_NOT_FOUND. */
  describeExchange(caller: Caller, exchange: string): ExchangeDescription
  listExchanges(caller: Caller): readonly ExchangeDescription[]
  /** One that is not there is answered like one that was removed. */
  deleteExchange(
    caller: Caller,
    request: { readonly exchange: string; readonly ifUnused?: boolean },
  ): Promise<void>

  /** A binding that is there already changes nothing. `owner` is for exclusive queues. */
  bind(caller: Caller, binding: Binding, owner?: Owner): Promise<void>
  unbind(caller: Caller, binding: Binding, owner?: Owner): Promise<void>
  listBindings(
    caller: Caller,
    filter?: {
      readonly exchange?: string
      readonly target?: string
      readonly targetKind?: TargetKind
    },
  ): readonly Binding[]

  /**
   * A queue that is there with the same settings is answered as it is; with others it is
   * ERR_QUEUE_EXISTS, which names what differs. With `isExclusive` it belongs to `owner`, and is
   * ERR_QUEUE_LOCKED for everybody else.
   */
  declareQueue(
    caller: Caller,
    request: {
      readonly queue: string
      readonly settings: Partial<QueueSettings>
      readonly isExclusive?: boolean
      readonly owner?: Owner | undefined
    },
  ): Promise<QueueDescription>
  /** Throws ERR_QUEUE_NOT_FOUND, ERR_QUEUE_LOCKED. Counts as a use. */
  describeQueue(caller: Caller, queue: string, owner?: Owner): QueueDescription
  listQueues(caller: Caller, options?: { readonly prefix?: string }): readonly QueueDescription[]
  /** Settings of a queue that is there, but for durability and what it is a view of. */
  alterQueue(
    caller: Caller,
    request: { readonly queue: string; readonly settings: QueueSettingsPatch },
  ): Promise<QueueDescription>
  /** Answers how many messages were ready. A queue that is not there had none. */
  deleteQueue(
    caller: Caller,
    request: {
      readonly queue: string
      readonly owner?: Owner | undefined
      readonly ifUnused?: boolean
      readonly ifEmpty?: boolean
    },
  ): Promise<{ readonly messageCount: number }>
  purgeQueue(
    caller: Caller,
    request: { readonly queue: string; readonly owner?: Owner | undefined },
  ): Promise<{ readonly messageCount: number }>
  /** Ready messages from the front, without taking them. */
  peekQueue(
    caller: Caller,
    request: { readonly queue: string; readonly count: number },
  ): Promise<readonly Delivery[]>
  /** Moves ready messages to an exchange, at least once, and answers how many. */
  moveMessages(
    caller: Caller,
    request: {
      readonly queue: string
      readonly exchange: string
      readonly routingKey?: string
      readonly count?: number
    },
  ): Promise<{ readonly messageCount: number }>
  /** Settled messages that retention still has, from a time on, become ready again at their places. */
  replayQueue(
    caller: Caller,
    request: { readonly queue: string; readonly sinceMs: number },
  ): Promise<{ readonly messageCount: number }>

  /** Neutral headers of a message, whatever protocol it came by. */
  headersOf(message: QueuedMessage): readonly RecordHeader[]
}

/** Reads a protocol's property block; given to the engine by the application, by format. */
export interface PropertyFormat {
  toHeaders(properties: Uint8Array): readonly RecordHeader[]
  /** As `MessageSource.matchHeaders`; without it they are made from the neutral ones. */
  toMatchHeaders?(properties: Uint8Array): ReadonlyMap<string, string>
  /** The same block, but for its delay, which has the other sign: it has been waited for. */
  negateDelay?(properties: Uint8Array): Uint8Array
}
