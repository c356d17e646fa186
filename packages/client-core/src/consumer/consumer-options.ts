/** What `client.consume(topic, options)` takes, with its defaults. */
import type { SubscribeFrom } from '@millrace/protocol'
import { checkInteger, checkOffset, isDate } from '../check.ts'
import { invalidArgument } from '../errors.ts'
import * as limits from '../limits.ts'
import { type CodecName, type PayloadCodec, resolveCodec } from '../payload-codec.ts'

/**
 * Where to begin, in every partition: `start` is the oldest message there is, `end` the next one to
 * come, a number an offset, a Date the first message that is not older; `offsets` says it for each
 * partition, as `consumer.offsets()` returned it.
 */
export type ConsumeFrom =
  'start' | 'end' | number | Date | { readonly offsets: Readonly<Record<number, number>> }

export interface ConsumeOptions<T> {
  /** Default: `end`; with `follow: false`, `start`. */
  readonly from?: ConsumeFrom
  /** Default: all, those that are added later included. */
  readonly partitions?: readonly number[]
  /** False ends at what is there when it begins. Default: true. */
  readonly follow?: boolean
  /** How bytes become payloads. Default: `json`. */
  readonly codec?: CodecName | PayloadCodec<T>
  /** Bytes the broker may send ahead of what the program has taken. Default: 4 MiB. */
  readonly creditBytes?: number
  /** Bytes of one delivery, about. Default: 256 KiB, at most `creditBytes`. */
  readonly deliveryBytesMax?: number
  /** Check the CRC-32C of every batch. Default: true. */
  readonly verifyChecksums?: boolean
  /**
   * Messages that were to come next are gone, by retention, deletion or damage: `continue` behind
   * them, with a `gap` event; or `throw`, ERR_OFFSET_OUT_OF_RANGE or ERR_DATA_CORRUPT. Default:
   * `continue`. Not for the place where the program begins: that it chose itself.
   */
  readonly onGap?: 'continue' | 'throw'
  /** Create the topic if it is missing, where the broker allows it. Default: as `follow`. */
  readonly createTopic?: boolean
  /** Ends the iteration with ERR_ABORTED. To end it without an error, `break` or `close()`. */
  readonly signal?: AbortSignal
}

export interface ResolvedConsumeOptions<T> {
  readonly from: SubscribeFrom
  readonly partitions: readonly number[] | undefined
  readonly follow: boolean
  readonly codec: PayloadCodec<T>
  readonly creditBytes: number
  readonly deliveryBytesMax: number
  readonly verifyChecksums: boolean
  readonly onGap: 'continue' | 'throw'
  readonly createTopic: boolean
  readonly signal: AbortSignal | undefined
}

const offsetsOf = (offsets: Readonly<Record<number, number>>): SubscribeFrom => {
  const checked: Record<string, number> = {}
  for (const [partition, offset] of Object.entries(offsets)) {
    checked[partition] = checkOffset(`from.offsets.${partition}`, offset)
  }
  return { offsets: checked }
}

const resolveFrom = (from: ConsumeFrom): SubscribeFrom => {
  if (from === 'start') return 'earliest'
  if (from === 'end') return 'latest'
  if (typeof from === 'number') return checkOffset('from', from)
  if (isDate(from)) return { timestamp: checkOffset('from', from.getTime()) }
  if (typeof from === 'object' && from !== null && 'offsets' in from) return offsetsOf(from.offsets)
  throw invalidArgument('from', "give 'start', 'end', an offset, a Date or { offsets }")
}

const resolveOnGap = (onGap: 'continue' | 'throw'): 'continue' | 'throw' => {
  if (onGap === 'continue' || onGap === 'throw') return onGap
  throw invalidArgument('onGap', `'${String(onGap)}' is not one of continue, throw`)
}

export const resolveConsumeOptions = <T>(options: ConsumeOptions<T>): ResolvedConsumeOptions<T> => {
  const { follow = true, creditBytes = limits.CREDIT_BYTES_DEFAULT } = options
  const creditRange = [limits.CREDIT_BYTES_MIN, limits.CREDIT_BYTES_MAX] as const
  const deliveryBytesMax =
    options.deliveryBytesMax ?? Math.min(limits.DELIVER_BYTES_DEFAULT, creditBytes)
  const deliveryMax = limits.DELIVER_BYTES_MAX
  return {
    from: resolveFrom(options.from ?? (follow ? 'end' : 'start')),
    partitions: options.partitions,
    follow,
    codec: resolveCodec(options.codec),
    creditBytes: checkInteger('creditBytes', creditBytes, ...creditRange),
    deliveryBytesMax: checkInteger('deliveryBytesMax', deliveryBytesMax, 1, deliveryMax),
    verifyChecksums: options.verifyChecksums ?? true,
    onGap: resolveOnGap(options.onGap ?? 'continue'),
    createTopic: options.createTopic ?? follow,
    signal: options.signal,
  }
}
