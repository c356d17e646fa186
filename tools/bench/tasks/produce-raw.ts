/**
 * Closed loop without the SDK: batches of one record, round robin over the topics, so many under way.
 * The frames are made beforehand; a round only copies them and writes their correlation ids.
 */
import { RecordBatchBuilder, writeUint32 } from '@millrace/codec'
import {
  Opcode,
  WantedDurability,
  decodeTopicOpened,
  encodeFrame,
  encodeProduce,
  encodeTopicOpen,
} from '@millrace/protocol'
import type { Produced } from './produce-with-client.ts'
import { payloadOf } from './payload.ts'
import { RawConnection } from './raw-connection.ts'

const CORRELATION_AT = 8
/** Behind the correlation ids of the calls before the load. */
const FIRST_CORRELATION = 1_000_000
const CORRELATION_COUNT = 1_000_000_000

export interface RawProduceParameters {
  readonly url: string
  readonly topics: readonly string[]
  readonly payloadBytes: number
  readonly durationMs: number
  /** Requests under way, over all topics. */
  readonly windowCount: number
}

const openTopics = async (
  connection: RawConnection,
  topics: readonly string[],
): Promise<number[]> => {
  const handles: number[] = []
  for (const topic of topics) {
    const body = await connection.call(Opcode.TOPIC_OPEN, encodeTopicOpen({ topic }))
    handles.push(decodeTopicOpened(body).handle)
  }
  return handles
}

const frameFor = (handle: number, payloadBytes: number): Uint8Array => {
  const builder = new RecordBatchBuilder()
  const timestamp = Date.now()
  builder.append({ timestamp, key: null, value: payloadOf(payloadBytes), headers: [] })
  const produce = {
    handle,
    partition: 0,
    durability: WantedDurability.TOPIC,
    batch: builder.build(),
  }
  return encodeFrame(Opcode.PRODUCE, 0, FIRST_CORRELATION, encodeProduce(produce))
}

class RawLoad {
  readonly #connection: RawConnection
  readonly #frames: readonly Uint8Array[]
  readonly #parameters: RawProduceParameters
  readonly #endAt: number
  #sentCount = 0
  #answeredCount = 0
  #onDone: () => void = () => undefined

  constructor(
    connection: RawConnection,
    frames: readonly Uint8Array[],
    parameters: RawProduceParameters,
  ) {
    this.#connection = connection
    this.#frames = frames
    this.#parameters = parameters
    this.#endAt = performance.now() + parameters.durationMs
  }

  run(): Promise<number> {
    return new Promise((resolve) => {
      this.#onDone = () => resolve(this.#answeredCount)
      this.#connection.handlers = {
        onFrame: ({ opcode }) => {
          if (opcode === Opcode.PRODUCED) this.#answeredCount += 1
        },
        onTurn: () => this.#refill(),
      }
      this.#refill()
    })
  }

  #refill(): void {
    const underWay = this.#sentCount - this.#answeredCount
    if (performance.now() < this.#endAt) this.#send(this.#parameters.windowCount - underWay)
    else if (underWay === 0) this.#onDone()
  }

  #send(count: number): void {
    const frameBytes = this.#frames[0]?.length ?? 0
    const bytes = new Uint8Array(count * frameBytes)
    for (let index = 0; index < count; index++) {
      const at = index * frameBytes
      const frame = this.#frames[this.#sentCount % this.#frames.length] as Uint8Array
      bytes.set(frame, at)
      const correlation = FIRST_CORRELATION + (this.#sentCount % CORRELATION_COUNT)
      writeUint32(bytes, at + CORRELATION_AT, correlation)
      this.#sentCount += 1
    }
    if (count > 0) this.#connection.write(bytes)
  }
}

export const produceRaw = async (parameters: RawProduceParameters): Promise<Produced> => {
  const connection = await RawConnection.open(parameters.url)
  try {
    const handles = await openTopics(connection, parameters.topics)
    const frames = handles.map((handle) => frameFor(handle, parameters.payloadBytes))
    const startedAt = performance.now()
    const load = new RawLoad(connection, frames, parameters)
    const recordCount = await Promise.race([load.run(), connection.failed])
    const elapsedMs = performance.now() - startedAt
    return { recordCount, payloadBytes: recordCount * parameters.payloadBytes, elapsedMs }
  } finally {
    connection.close()
  }
}
