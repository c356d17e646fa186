/** What `client.producer(topic, options)` takes, with its defaults. */
import { BrokerError, compressionCodecs, type RecordHeader } from '@millrace/codec'
import { WantedDurability } from '@millrace/protocol'
import { checkInteger } from '../check.ts'
import { invalidArgument } from '../errors.ts'
import { type HeadersInput, toRecordHeaders } from '../headers.ts'
import * as limits from '../limits.ts'
import { type CodecName, type PayloadCodec, resolveCodec } from '../payload-codec.ts'
import type { Partitioner } from './partitioner.ts'

/**
 * What an acknowledgement means: `topic`, what the topic promises; `memory`, the broker has it and
 * does not wait for the disk; `none`, sent and forgotten, errors included.
 */
export type ProducerDurability = 'topic' | 'memory' | 'none'

export type CompressionName = keyof typeof compressionCodecs

export interface ProducerOptions<T> {
  /** How payloads become bytes. Default: `json`. */
  readonly codec?: CodecName | PayloadCodec<T>
  /** Default: the hash of the key, as Kafka's; without a key, sticky round robin. */
  readonly partitioner?: Partitioner<T>
  /**
   * A batch is closed before it is larger, in bytes. Default: 255 KiB. A single message may be as
   * large as the broker allows.
   */
  readonly batchBytesMax?: number
  /** How long a batch waits for more, in ms. Default: 0, the end of the event-loop turn. */
  readonly lingerMs?: number
  /** Batches of one partition without an answer. Default: 16. */
  readonly inFlightBatchesMax?: number
  /** Bytes not acknowledged yet, before `send` waits and `write` returns false. Default: 32 MiB. */
  readonly bufferedBytesMax?: number
  /**
   * The broker recognises what it is sent twice, so that nothing is stored twice or lost when an
   * answer is. Without it what got no answer is sent again and may be stored twice. Default: true,
   * false with durability `none`.
   */
  readonly idempotent?: boolean
  /**
   * How long a message is tried, in ms, also while there is no connection; then it fails.
   * Default: 120,000.
   */
  readonly deliveryTimeoutMs?: number
  /** Default: `topic`. */
  readonly durability?: ProducerDurability
  /**
   * How batches are compressed; one that would not get smaller goes out as it is. Default: `none`.
   * ERR_UNSUPPORTED_CODEC when this platform or the broker cannot.
   */
  readonly compression?: CompressionName
  /** Go before each message's own. */
  readonly headers?: HeadersInput
  /** Create the topic on first use, where the broker allows it. Default: true. */
  readonly createTopic?: boolean
}

export interface ResolvedProducerOptions<T> {
  readonly codec: PayloadCodec<T>
  readonly partitioner: Partitioner<T> | undefined
  readonly batchBytesMax: number
  readonly lingerMs: number
  readonly inFlightBatchesMax: number
  readonly bufferedBytesMax: number
  readonly deliveryTimeoutMs: number
  readonly durability: WantedDurability
  readonly isIdempotent: boolean
  /** As in the batch's attributes; 0 for none. */
  readonly compressionCodec: number
  readonly headers: readonly RecordHeader[]
  readonly createTopic: boolean
}

const wantedByName: Readonly<Record<ProducerDurability, WantedDurability>> = {
  topic: WantedDurability.TOPIC,
  memory: WantedDurability.MEMORY,
  none: WantedDurability.NO_ANSWER,
}

const resolveDurability = (name: ProducerDurability): WantedDurability => {
  if (Object.hasOwn(wantedByName, name)) return wantedByName[name]
  throw invalidArgument('durability', `'${name}' is not one of topic, memory, none`)
}

const resolveIdempotent = (
  idempotent: boolean | undefined,
  durability: ProducerDurability | undefined,
): boolean => {
  if (durability !== 'none') return idempotent ?? true
  if (idempotent !== true) return false
  throw invalidArgument('idempotent', 'with durability none nothing is ever sent again')
}

type NumberOptions = Pick<
  ProducerOptions<never>,
  'batchBytesMax' | 'lingerMs' | 'inFlightBatchesMax' | 'bufferedBytesMax' | 'deliveryTimeoutMs'
>

/** Each number is checked against its range: a misspelt unit shows at once. */
const resolveNumbers = (options: NumberOptions): Required<NumberOptions> => {
  const {
    batchBytesMax = limits.BATCH_BYTES_DEFAULT,
    lingerMs = 0,
    inFlightBatchesMax = limits.IN_FLIGHT_BATCHES_DEFAULT,
    bufferedBytesMax = limits.BUFFERED_BYTES_DEFAULT,
    deliveryTimeoutMs = limits.DELIVERY_TIMEOUT_MS,
  } = options
  const batchRange = [limits.BATCH_BYTES_MIN, limits.BATCH_BYTES_MAX] as const
  const windowMax = limits.IN_FLIGHT_BATCHES_MAX
  return {
    batchBytesMax: checkInteger('batchBytesMax', batchBytesMax, ...batchRange),
    lingerMs: checkInteger('lingerMs', lingerMs, 0, limits.LINGER_MS_MAX),
    inFlightBatchesMax: checkInteger('inFlightBatchesMax', inFlightBatchesMax, 1, windowMax),
    bufferedBytesMax: checkInteger(
      'bufferedBytesMax',
      bufferedBytesMax,
      1,
      limits.BUFFERED_BYTES_MAX,
    ),
    deliveryTimeoutMs: checkInteger(
      'deliveryTimeoutMs',
      deliveryTimeoutMs,
      1,
      limits.TIMEOUT_MS_MAX,
    ),
  }
}

/** `available`: what this platform can and the broker takes. */
const resolveCompression = (name: CompressionName, available: readonly string[]): number => {
  if (Object.hasOwn(compressionCodecs, name) && available.includes(name))
    return compressionCodecs[name]
  throw new BrokerError('ERR_UNSUPPORTED_CODEC', [name])
}

export const resolveProducerOptions = <T>(
  options: ProducerOptions<T>,
  available: readonly string[] = ['none'],
): ResolvedProducerOptions<T> => ({
  ...resolveNumbers(options),
  codec: resolveCodec(options.codec),
  partitioner: options.partitioner,
  durability: resolveDurability(options.durability ?? 'topic'),
  isIdempotent: resolveIdempotent(options.idempotent, options.durability),
  headers: options.headers === undefined ? [] : toRecordHeaders(options.headers),
  compressionCodec: resolveCompression(options.compression ?? 'none', ['none', ...available]),
  createTopic: options.createTopic ?? true,
})
