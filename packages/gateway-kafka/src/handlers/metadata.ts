/** Metadata: this broker as the one node of a cluster, its topics, and their creation on demand. */
import type { Caller, Services, TopicDescription } from '@millrace/core'
import { advertisedAddress } from '../advertised-address.ts'
import type { AnyControlHandler } from '../control-answer.ts'
import { controlHandler } from '../control-answer.ts'
import { asAnswerable, KafkaError, kafkaErrorOf } from '../errors.ts'
import type { KafkaSession } from '../kafka-session.ts'
import {
  metadata,
  type MetadataPartition,
  type MetadataRequest,
  type MetadataTopic,
  NO_OPERATIONS,
} from '../schema/apis/metadata.ts'
import { NO_UUID } from '../schema/scalars.ts'
import { findTopicByUuid, topicUuid } from '../topic-uuid.ts'

export const NODE_ID = 0
const thisNode: readonly number[] = [NODE_ID]
const noNodes: readonly number[] = []

export const metadataHandler: AnyControlHandler = controlHandler({
  api: metadata,
  run: async (session, request, version) => {
    const { host, port } = advertisedAddress(session.connection, session.settings)
    return {
      throttleTimeMs: 0,
      brokers: [{ nodeId: NODE_ID, host, port, rack: null }],
      clusterId: null,
      controllerId: NODE_ID,
      topics: await describeTopics(session, request, version),
      clusterAuthorizedOperations: NO_OPERATIONS,
    }
  },
})

const describeTopics = async (
  session: KafkaSession,
  { topics, allowAutoTopicCreation }: MetadataRequest,
  version: number,
): Promise<readonly MetadataTopic[]> => {
  const { services, settings } = session
  const { caller } = session.open
  const isAll = topics === null || (version === 0 && topics.length === 0)
  if (isAll) return describeAll(services, caller)
  const mayCreate = allowAutoTopicCreation && settings.autoCreateTopics
  const described: MetadataTopic[] = []
  for (const { name, topicId } of topics) {
    described.push(
      name === null
        ? describeById(services, caller, topicId)
        : await describeByName(services, caller, name, mayCreate),
    )
  }
  return described
}

/** Of what a peer may not see the engine says nothing. */
const describeAll = (services: Services, caller: Caller): readonly MetadataTopic[] =>
  services.broker
    .listTopics(caller)
    .map(({ topic }) => describe(services.broker.describeTopic(caller, topic)))

const describeById = (services: Services, caller: Caller, topicId: string): MetadataTopic => {
  const found = findTopicByUuid(services.broker, caller, topicId)
  if (found !== undefined) return describe(found)
  return { ...failed(null, KafkaError.UNKNOWN_TOPIC_ID), topicId }
}

const describeByName = async (
  services: Services,
  caller: Caller,
  name: string,
  mayCreate: boolean,
): Promise<MetadataTopic> => {
  try {
    if (mayCreate) await services.broker.openTopic(caller, name, { create: true })
    return describe(services.broker.describeTopic(caller, name))
  } catch (error) {
    return failed(name, kafkaErrorOf(asAnswerable(error)))
  }
}

const failed = (name: string | null, errorCode: number): MetadataTopic => ({
  errorCode,
  name,
  topicId: NO_UUID,
  isInternal: false,
  partitions: [],
  topicAuthorizedOperations: NO_OPERATIONS,
})

const describe = (topic: TopicDescription): MetadataTopic => ({
  errorCode: KafkaError.NONE,
  name: topic.topic,
  topicId: topicUuid(topic),
  isInternal: false,
  partitions: topic.partitions.map(({ partition, epoch }): MetadataPartition => ({
    errorCode: KafkaError.NONE,
    partitionIndex: partition,
    leaderId: NODE_ID,
    leaderEpoch: epoch,
    replicaNodes: thisNode,
    isrNodes: thisNode,
    offlineReplicas: noNodes,
  })),
  topicAuthorizedOperations: NO_OPERATIONS,
})
