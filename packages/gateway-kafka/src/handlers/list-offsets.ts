/** ListOffsets: the ends of partitions, and the offsets of moments. */
import { BrokerError } from '@millrace/codec'
import type { Broker, Caller, OffsetAnswer, OffsetQuery } from '@millrace/core'
import type { AnyControlHandler } from '../control-answer.ts'
import { controlHandler } from '../control-answer.ts'
import { asAnswerable, KafkaError, kafkaErrorOf } from '../errors.ts'
import {
  type ListedPartition,
  listOffsets,
  type ListOffsetsPartition,
  offsetTimestamps,
} from '../schema/apis/list-offsets.ts'

interface Found {
  readonly offset: number
  readonly timestamp: number
}

const NOTHING_FOUND: Found = { offset: -1, timestamp: -1 }

export const listOffsetsHandler: AnyControlHandler = controlHandler({
  api: listOffsets,
  run: async (session, { topics }) => {
    const { caller } = session.open
    const { broker } = session.services
    const answers = []
    for (const { name, partitions } of topics) {
      const listed: ListedPartition[] = []
      for (const partition of partitions) listed.push(await list(broker, caller, name, partition))
      answers.push({ name, partitions: listed })
    }
    return { throttleTimeMs: 0, topics: answers }
  },
})

const list = async (
  broker: Broker,
  caller: Caller,
  topic: string,
  { partitionIndex, currentLeaderEpoch, timestamp }: ListOffsetsPartition,
): Promise<ListedPartition> => {
  const failed = (errorCode: number): ListedPartition => ({
    partitionIndex,
    errorCode,
    timestamp: -1,
    offset: -1,
    leaderEpoch: -1,
  })
  try {
    const leaderEpoch = broker.describeTopic(caller, topic).partitions[partitionIndex]?.epoch
    if (leaderEpoch === undefined) return failed(KafkaError.UNKNOWN_TOPIC_OR_PARTITION)
    if (currentLeaderEpoch >= 0 && currentLeaderEpoch !== leaderEpoch) {
      const isOld = currentLeaderEpoch < leaderEpoch
      return failed(isOld ? KafkaError.FENCED_LEADER_EPOCH : KafkaError.UNKNOWN_LEADER_EPOCH)
    }
    const found = await find(broker, caller, topic, partitionIndex, timestamp)
    return { partitionIndex, errorCode: KafkaError.NONE, ...found, leaderEpoch }
  } catch (error) {
    return failed(kafkaErrorOf(asAnswerable(error)))
  }
}

const find = async (
  broker: Broker,
  caller: Caller,
  topic: string,
  partition: number,
  timestamp: number,
): Promise<Found> => {
  const ask = async (at: OffsetQuery): Promise<OffsetAnswer> => {
    const [answer] = await broker.listOffsets(caller, { topic, partitions: [partition], at })
    if (answer === undefined) throw new BrokerError('ERR_PARTITION_NOT_FOUND', [topic, partition])
    return answer
  }
  switch (timestamp) {
    case offsetTimestamps.LATEST:
      return endOf(await ask('latest'))
    case offsetTimestamps.EARLIEST:
    case offsetTimestamps.EARLIEST_LOCAL:
      return endOf(await ask('earliest'))
    case offsetTimestamps.MAX_TIMESTAMP:
      return findLatestMoment(ask)
    default:
      if (timestamp < 0) {
        throw new BrokerError('ERR_INVALID_ARGUMENT', ['timestamp', `${timestamp} has no meaning`])
      }
      return momentOf(await ask({ timestamp }))
  }
}

const endOf = ({ offset }: OffsetAnswer): Found => ({ offset, timestamp: -1 })

/** The first record that is not older, or nothing when all are. */
const momentOf = ({ offset, timestamp }: OffsetAnswer): Found =>
  timestamp < 0 ? NOTHING_FOUND : { offset, timestamp }

/**
 * The record with the highest timestamp. The engine finds the first record that is not older than a
 * moment; halving the time in which that still finds one takes about fifty steps, and the request is
 * a rare one.
 */
const findLatestMoment = async (
  ask: (at: OffsetQuery) => Promise<OffsetAnswer>,
): Promise<Found> => {
  let found = momentOf(await ask({ timestamp: 0 }))
  let above = Number.MAX_SAFE_INTEGER
  while (found.offset >= 0 && above - found.timestamp > 1) {
    const middle = found.timestamp + Math.floor((above - found.timestamp) / 2)
    const later = momentOf(await ask({ timestamp: middle }))
    if (later.offset < 0) above = middle
    else found = later
  }
  return found
}
