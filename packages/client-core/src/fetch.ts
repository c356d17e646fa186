/** One pull: what a partition has from an offset on, now or after a while. */
import { BrokerError, isBrokerError } from '@millrace/codec'
import {
  FETCHED_HEAD_BYTES,
  type FetchedHead,
  Opcode,
  createFetchedHead,
  decodeFetchedHead,
  encodeFetch,
} from '@millrace/protocol'
import { checkInteger, checkOffset, checkTopic } from './check.ts'
import type { Message } from './consumer/message.ts'
import { readMessages } from './consumer/read-messages.ts'
import { FETCH_BYTES_DEFAULT, FETCH_BYTES_MAX, FETCH_WAIT_MS_MAX } from './limits.ts'
import { type CodecName, type PayloadCodec, resolveCodec } from './payload-codec.ts'
import type { BrokerSession, LiveConnection } from './session/broker-session.ts'
import { call } from './session/call.ts'

export interface FetchOptions<T> {
  /** Bytes of batches wanted, about: one batch comes whole, however large. Default: 1 MiB. */
  readonly maxBytes?: number
  /** Wait until there is this much; 0 answers at once. Default: 1. */
  readonly minBytes?: number
  /** How long the broker may wait for `minBytes`, in ms. Default: 0. */
  readonly maxWaitMs?: number
  /** Default: `json`. */
  readonly codec?: CodecName | PayloadCodec<T>
  /** Check the CRC-32C of every batch. Default: true. */
  readonly verifyChecksums?: boolean
  readonly signal?: AbortSignal
}

export interface FetchResult<T> {
  readonly messages: readonly Message<T>[]
  /** The offset behind the last message that may be read. */
  readonly highWatermark: number
  /** The oldest message there is. */
  readonly earliestOffset: number
  /** What to ask for next. */
  readonly nextOffset: number
}

interface FetchedBody {
  readonly head: FetchedHead
  readonly batches: Uint8Array
}

const decodeBody = (body: Uint8Array, isOwned: boolean): FetchedBody => {
  const head = decodeFetchedHead(body, createFetchedHead())
  const kept = isOwned ? body : new Uint8Array(body)
  return { head, batches: kept.subarray(FETCHED_HEAD_BYTES) }
}

const request = async <T>(
  session: BrokerSession,
  live: LiveConnection,
  topic: string,
  partition: number,
  offset: number,
  options: FetchOptions<T>,
): Promise<FetchedBody> => {
  const { maxBytes = FETCH_BYTES_DEFAULT, minBytes = 1, maxWaitMs = 0, signal } = options
  const opened = await live.topics.open(topic, false)
  if (partition >= opened.partitions) {
    throw new BrokerError('ERR_PARTITION_NOT_FOUND', [topic, partition])
  }
  const body = encodeFetch({
    handle: opened.handle,
    partition,
    offset,
    maxBytes: checkInteger('maxBytes', maxBytes, 1, FETCH_BYTES_MAX),
    minBytes: checkInteger('minBytes', minBytes, 0, FETCH_BYTES_MAX),
    maxWaitMs: checkInteger('maxWaitMs', maxWaitMs, 0, FETCH_WAIT_MS_MAX),
    flags: 0,
  })
  const timeoutMs = session.options.requestTimeoutMs + maxWaitMs
  try {
    return await call(live.connection, Opcode.FETCH, body, decodeBody, { timeoutMs, signal })
  } catch (error) {
    if (isBrokerError(error) && error.code === 'ERR_STALE_HANDLE') await live.topics.discard(opened)
    throw error
  }
}

/** A handle dies with its topic; the topic may be back under another one. */
const requestFresh = async <T>(
  session: BrokerSession,
  topic: string,
  partition: number,
  offset: number,
  options: FetchOptions<T>,
): Promise<FetchedBody> => {
  const { signal, maxWaitMs = 0 } = options
  const run = async (live: LiveConnection): Promise<FetchedBody> => {
    try {
      return await request(session, live, topic, partition, offset, options)
    } catch (error) {
      if (!isBrokerError(error) || error.code !== 'ERR_STALE_HANDLE') throw error
      return request(session, live, topic, partition, offset, options)
    }
  }
  const timeoutMs = session.options.requestTimeoutMs + maxWaitMs
  return session.repeat(run, { timeoutMs, signal, isSafe: true })
}

export const fetchMessages = async <T>(
  session: BrokerSession,
  topic: string,
  partition: number,
  offset: number,
  options: FetchOptions<T>,
): Promise<FetchResult<T>> => {
  checkTopic(topic)
  checkInteger('partition', partition, 0, Number.MAX_SAFE_INTEGER)
  const fromOffset = checkOffset('offset', offset)
  const codec = resolveCodec(options.codec)
  const { head, batches } = await requestFresh(session, topic, partition, fromOffset, options)
  const messages = readMessages(
    batches,
    { topic, partition, codec },
    {
      fromOffset,
      endOffset: Infinity,
      verifyChecksums: options.verifyChecksums ?? true,
      compression: session.platform.compression,
    },
  )
  const { highWatermark, earliestOffset, nextOffset } = head
  return { messages, highWatermark, earliestOffset, nextOffset }
}
