/** Closed loop without the SDK: batches of one record, round robin over the topics. */
import { RecordBatchBuilder } from '@millrace/codec'
import {
  Opcode,
  WantedDurability,
  decodeProducerInitialized,
  decodeTopicOpened,
  encodeFrame,
  encodeInitProducer,
  encodeProduce,
  encodeTopicOpen,
} from '@millrace/protocol'
import type { Produced } from './produce-with-client.ts'
import { payloadOf } from './payload.ts'
import { RawConnection } from './raw-connection.ts'
import { FIRST_CORRELATION, RawLoad, type RawLoadOptions } from './raw-load.ts'

export interface RawProduceParameters {
  readonly url: string
  readonly topics: readonly string[]
  readonly payloadBytes: number
  readonly durationMs: number
  /** Requests under way, over all topics. */
  readonly windowCount: number
  /** Every batch says who produced it and as the how manieth. */
  readonly isIdempotent?: boolean
}

export const openTopic = async (connection: RawConnection, topic: string): Promise<number> => {
  const body = await connection.call(Opcode.TOPIC_OPEN, encodeTopicOpen({ topic }))
  return decodeTopicOpened(body).handle
}

/** A whole frame with a batch of so many records of the same payload. */
export const produceFrameOf = (
  handle: number,
  partition: number,
  payload: Uint8Array,
  recordCount: number,
): Uint8Array => {
  const builder = new RecordBatchBuilder()
  const timestamp = Date.now()
  for (let count = 0; count < recordCount; count++) {
    builder.append({ timestamp, key: null, value: payload, headers: [] })
  }
  const durability = WantedDurability.TOPIC
  const produce = { handle, partition, durability, batch: builder.build() }
  return encodeFrame(Opcode.PRODUCE, 0, FIRST_CORRELATION, encodeProduce(produce))
}

const becomeProducer = async (connection: RawConnection): Promise<RawLoadOptions['producer']> => {
  const body = await connection.call(Opcode.INIT_PRODUCER, encodeInitProducer())
  const { producer, epoch } = decodeProducerInitialized(body)
  return { id: producer, epoch }
}

export const produceRaw = async (parameters: RawProduceParameters): Promise<Produced> => {
  const { url, topics, payloadBytes, durationMs, windowCount, isIdempotent } = parameters
  const connection = await RawConnection.open(url)
  try {
    const frames: Uint8Array[] = []
    for (const topic of topics) {
      const handle = await openTopic(connection, topic)
      frames.push(produceFrameOf(handle, 0, payloadOf(payloadBytes), 1))
    }
    const producer = isIdempotent === true ? await becomeProducer(connection) : undefined
    const startedAt = performance.now()
    const load = new RawLoad(connection, { frames, windowCount, durationMs, producer })
    const recordCount = await Promise.race([load.run(), connection.failed])
    const elapsedMs = performance.now() - startedAt
    return { recordCount, payloadBytes: recordCount * payloadBytes, elapsedMs }
  } finally {
    connection.close()
  }
}
