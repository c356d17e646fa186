/**
 * A topic whose payloads a schema describes (Standard Schema: zod, valibot, arktype and others), so
 * that what is published and what is read have types that are checked.
 *
 * What is stored is what was published, not what the schema makes of it: readers let the schema make
 * it again, and a reader in another language sees plain data.
 */
import type { BrokerError } from '@millrace/codec'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { ConsumeOptions } from './consumer/consumer-options.ts'
import type { Consumer } from './consumer/consumer.ts'
import type { Message } from './consumer/message.ts'
import { closedError, explain } from './errors.ts'
import type { CodecName, PayloadCodec } from './payload-codec.ts'
import type { Producer } from './producer/producer.ts'
import type { MessageEnvelope, ProduceResult } from './producer/producer-message.ts'
import type { ProducerOptions } from './producer/producer-options.ts'
import { acceptPayload } from './schema.ts'
import { type WaitOptions, abortable } from './wait.ts'

export interface TypedTopicOptions<Schema extends StandardSchemaV1> {
  readonly schema: Schema
  /** How payloads become bytes. Default: `json`. */
  readonly codec?: CodecName | PayloadCodec<unknown>
  /** For the producer behind `publish`. */
  readonly producer?: Omit<ProducerOptions<unknown>, 'codec'>
}

/** What goes beside the value. */
export type PublishOptions = Omit<MessageEnvelope<unknown>, 'value'> & WaitOptions

export interface TypedSubscribeOptions extends Omit<ConsumeOptions<unknown>, 'codec'> {
  /**
   * A message that the schema does not accept: `throw` ends the iteration with ERR_PAYLOAD_CODEC; a
   * function is told, and the iteration goes on. Default: `throw`.
   */
  readonly onInvalid?: 'throw' | ((error: BrokerError, message: Message<unknown>) => void)
}

/** A message whose value the schema has accepted. */
export interface TypedMessage<T> {
  /** `null`: the message has no payload (a tombstone). */
  readonly value: T | null
  /** Offset, key, headers and all the rest. */
  readonly message: Message<unknown>
}

/** What the topic needs of its client. */
export interface TypedTopicClient {
  producer<T>(topic: string, options: ProducerOptions<T>): Producer<T>
  consume<T>(topic: string, options: ConsumeOptions<T>): Consumer<T>
}

const ignore = (): void => undefined

/** The messages of a typed topic: an async iterable, and the consumer behind it. */
export class TypedSubscription<T> implements AsyncIterable<TypedMessage<T>, undefined> {
  /** For `ready`, `offsets` and the event `gap`. */
  readonly consumer: Consumer<unknown>
  readonly #schema: StandardSchemaV1<unknown, T>
  readonly #onInvalid: NonNullable<TypedSubscribeOptions['onInvalid']>

  /** @internal Made by `topic.subscribe()`. */
  constructor(
    consumer: Consumer<unknown>,
    schema: StandardSchemaV1<unknown, T>,
    onInvalid: NonNullable<TypedSubscribeOptions['onInvalid']>,
  ) {
    this.consumer = consumer
    this.#schema = schema
    this.#onInvalid = onInvalid
  }

  /** Leaving the loop unsubscribes. Throws ERR_PAYLOAD_CODEC, and what a consumer throws. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TypedMessage<T>, undefined> {
    for await (const message of this.consumer) {
      const typed = await this.#read(message)
      if (typed !== undefined) yield typed
    }
  }

  close(): Promise<void> {
    return this.consumer.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #read(message: Message<unknown>): Promise<TypedMessage<T> | undefined> {
    const { topic, partition, offset } = message
    try {
      if (message.bytes === null) return { value: null, message }
      const result = await this.#schema['~standard'].validate(message.payload)
      return { value: acceptPayload(result, topic), message }
    } catch (error) {
      // Of this package: the payload's codec, or the schema.
      const failure = error as BrokerError
      if (failure.code === 'ERR_PAYLOAD_CODEC')
        explain(failure, `${topic}/${partition} at ${offset}`)
      if (this.#onInvalid === 'throw' || failure.code !== 'ERR_PAYLOAD_CODEC') throw failure
      this.#onInvalid(failure, message)
      return undefined
    }
  }
}

export class TypedTopic<Schema extends StandardSchemaV1> {
  readonly name: string
  readonly #client: TypedTopicClient
  readonly #options: TypedTopicOptions<Schema>
  #producer: Producer<unknown> | undefined
  #isClosed = false
  /** While a validator takes its time, what is published behind it waits: the order is the calls'. */
  #last: Promise<void> | undefined

  /** Made by `client.topic(name, { schema })`. */
  constructor(client: TypedTopicClient, name: string, options: TypedTopicOptions<Schema>) {
    this.name = name
    this.#client = client
    this.#options = options
  }

  /**
   * Publishes a value; resolves as `producer.send` does. Rejects with ERR_PAYLOAD_CODEC when the
   * schema does not accept it, and with what `producer.send` rejects with.
   */
  publish(
    value: StandardSchemaV1.InferInput<Schema>,
    options: PublishOptions = {},
  ): Promise<ProduceResult> {
    const validating = this.#validate(value)
    // Somebody waits for it below, though perhaps not yet.
    validating.catch(ignore)
    return this.#inTurn(validating, value, options)
  }

  /** Publishes a tombstone: with compaction it removes the key. */
  publishTombstone(
    key: string | Uint8Array,
    options: Omit<PublishOptions, 'key'> = {},
  ): Promise<ProduceResult> {
    return this.#inTurn(undefined, null, { ...options, key })
  }

  subscribe(
    options: TypedSubscribeOptions = {},
  ): TypedSubscription<StandardSchemaV1.InferOutput<Schema>> {
    const { onInvalid = 'throw', ...others } = options
    const { codec = 'json', schema } = this.#options
    const consumer = this.#client.consume<unknown>(this.name, { ...others, codec })
    return new TypedSubscription(consumer, schema as never, onInvalid)
  }

  /** The producer behind `publish`: what it is given is not validated. */
  get producer(): Producer<unknown> {
    const { codec = 'json', producer = {} } = this.#options
    this.#producer ??= this.#client.producer<unknown>(this.name, { ...producer, codec })
    return this.#producer
  }

  /** Waits for everything published, and ends the producer. */
  async close(options: WaitOptions = {}): Promise<void> {
    await abortable(Promise.resolve(this.#last), options.signal)
    this.#isClosed = true
    await this.#producer?.close(options)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Sends it once it and everything before it is validated. */
  #inTurn(
    validating: Promise<void> | undefined,
    value: unknown,
    options: PublishOptions,
  ): Promise<ProduceResult> {
    const before = this.#last ?? Promise.resolve()
    // Wrapped: the turn ends when it is sent, not when it is acknowledged.
    const sending = before
      .then(() => validating)
      .then(() => ({ result: this.#send(value, options) }))
    const turn: Promise<void> = sending.then(ignore, ignore).then(() => {
      if (this.#last === turn) this.#last = undefined
    })
    this.#last = turn
    return sending.then(({ result }) => result)
  }

  async #send(value: unknown, options: PublishOptions): Promise<ProduceResult> {
    if (this.#isClosed) throw closedError(`the topic '${this.name}'`)
    const { signal, ...envelope } = options
    return this.producer.send({ ...envelope, value }, { signal })
  }

  async #validate(value: unknown): Promise<void> {
    acceptPayload(await this.#options.schema['~standard'].validate(value), this.name)
  }
}
