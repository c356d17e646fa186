/** Several producers, a raw connection each, which share the partitions of a topic among them. */
import { sharedNow } from './now.ts'
import { payloadOf } from './payload.ts'
import { openTopic, produceFrameOf } from './produce-raw.ts'
import { RawConnection } from './raw-connection.ts'
import { RawLoad } from './raw-load.ts'

/** Of the producers and of the consumers of a topic alike: the first has the first partitions. */
export interface SharedPartitions {
  readonly url: string
  readonly topic: string
  readonly partitionCount: number
  /** Divides the number of partitions. */
  readonly connectionCount: number
}

export interface ProducePartitionsParameters extends SharedPartitions {
  readonly payloadBytes: number
  readonly recordsPerBatch: number
  /** Of all producers together, as is the window. */
  readonly batchCount: number
  readonly windowCount: number
}

export const partitionsOf = (
  { partitionCount, connectionCount }: SharedPartitions,
  index: number,
): number[] => {
  const each = partitionCount / connectionCount
  return Array.from({ length: each }, (_, at) => index * each + at)
}

const prepare = async (
  connection: RawConnection,
  parameters: ProducePartitionsParameters,
  index: number,
): Promise<RawLoad> => {
  const { topic, payloadBytes, recordsPerBatch, connectionCount } = parameters
  const handle = await openTopic(connection, topic)
  const payload = payloadOf(payloadBytes)
  return new RawLoad(connection, {
    frames: partitionsOf(parameters, index).map((partition) =>
      produceFrameOf(handle, partition, payload, recordsPerBatch),
    ),
    windowCount: parameters.windowCount / connectionCount,
    frameCount: parameters.batchCount / connectionCount,
  })
}

/** Resolves with the moment of the first request, once all are acknowledged. */
export const producePartitions = async (
  parameters: ProducePartitionsParameters,
): Promise<{ startedAt: number }> => {
  const connections: RawConnection[] = []
  try {
    const loads: RawLoad[] = []
    for (let index = 0; index < parameters.connectionCount; index++) {
      const connection = await RawConnection.open(parameters.url)
      connections.push(connection)
      loads.push(await prepare(connection, parameters, index))
    }
    const startedAt = sharedNow()
    const failures = connections.map(({ failed }) => failed)
    await Promise.race([Promise.all(loads.map((load) => load.run())), ...failures])
    return { startedAt }
  } finally {
    for (const connection of connections) connection.close()
  }
}
