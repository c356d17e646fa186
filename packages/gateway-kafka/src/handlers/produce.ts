/** Produce: topics are looked up, batches go to the engine as they came. */
import { BrokerError } from '@millrace/codec'
import { kafkaErrorOf, KafkaError, transactionsUnsupported } from '../errors.ts'
import type { KafkaSession } from '../kafka-session.ts'
import type { OpenSession } from '../open-session.ts'
import { ProduceAnswer, type ProduceVersion } from '../produce-answer.ts'
import { PendingBatch } from '../produce-intake.ts'
import {
  PRODUCE_SERVED_SINCE,
  type ProducePartition,
  type ProduceRequest,
  type ProduceTopic,
} from '../schema/apis/produce.ts'
import { Suspension } from '../suspension.ts'

const ACKS_NONE = 0
const ACKS_LEADER = 1
const ACKS_ALL = -1
const NO_FAILURES: ReadonlyMap<string, BrokerError> = new Map()
const NO_BYTES = new Uint8Array(0)

export const handleProduce = (
  open: OpenSession,
  session: KafkaSession,
  version: ProduceVersion,
  correlation: number,
  request: ProduceRequest,
  isOwned: boolean,
): void => {
  session.notePublish()
  const answer = new ProduceAnswer(version, correlation, request.acks === ACKS_NONE)
  const refusal = refusalOf(request, version.version)
  if (refusal !== undefined) {
    refuseAll(answer, request, refusal.errorCode, refusal.message)
    finish(session, answer)
  } else if (isEveryTopicOpen(open, request)) {
    submit(open, answer, request, isOwned, NO_FAILURES)
    finish(session, answer)
  } else {
    void submitLater(open, session, answer, isOwned ? request : copyOf(request))
  }
}

/** A loop and no closure: this runs for every request. */
const isEveryTopicOpen = ({ topics }: OpenSession, { topicData }: ProduceRequest): boolean => {
  for (const { name } of topicData) if (topics.find(name) === undefined) return false
  return true
}

const finish = (session: KafkaSession, answer: ProduceAnswer): void => {
  if (!answer.isSilent) session.enqueue(answer)
}

/** Nothing else is read until the topics are open, so the order of the requests stays. */
const submitLater = async (
  open: OpenSession,
  session: KafkaSession,
  answer: ProduceAnswer,
  request: ProduceRequest,
): Promise<void> => {
  session.suspend(Suspension.REQUEST)
  try {
    const failures = await open.topics.open(request.topicData.map(({ name }) => name))
    if (session.isClosed) return
    submit(open, answer, request, true, failures)
    finish(session, answer)
  } catch (error) {
    session.fail(error)
  } finally {
    session.resume(Suspension.REQUEST)
  }
}

/** The bytes are a view of the socket's buffer: they do not outlive the call that brought them. */
const copyOf = (request: ProduceRequest): ProduceRequest => ({
  ...request,
  topicData: request.topicData.map(({ name, partitionData }) => ({
    name,
    partitionData: partitionData.map(({ index, records }) => ({
      index,
      records: records === null ? null : new Uint8Array(bytesOf(records)),
    })),
  })),
})

const bytesOf = (records: ProducePartition['records']): Uint8Array =>
  records instanceof Uint8Array ? records : NO_BYTES

const refusalOf = (
  { acks, transactionalId }: ProduceRequest,
  version: number,
): { readonly errorCode: number; readonly message: string } | undefined => {
  if (version < PRODUCE_SERVED_SINCE) {
    const message = 'this version carries a batch format that is not served'
    return { errorCode: KafkaError.UNSUPPORTED_VERSION, message }
  }
  if (acks !== ACKS_NONE && acks !== ACKS_LEADER && acks !== ACKS_ALL) {
    const message = `acks ${acks} is none of 0, 1 and -1`
    return { errorCode: KafkaError.INVALID_REQUIRED_ACKS, message }
  }
  if (transactionalId === null) return undefined
  const error = transactionsUnsupported()
  return { errorCode: kafkaErrorOf(error), message: error.message }
}

const refuseAll = (
  answer: ProduceAnswer,
  { topicData }: ProduceRequest,
  errorCode: number,
  message: string,
): void => {
  for (const { name, partitionData } of topicData) {
    const partitionResponses = partitionData.map(({ index }) => {
      const batch = new PendingBatch(answer, name, index, NO_BYTES)
      batch.errorCode = errorCode
      batch.errorMessage = message
      return batch
    })
    answer.responses.push({ name, partitionResponses })
  }
}

const submit = (
  open: OpenSession,
  answer: ProduceAnswer,
  { topicData }: ProduceRequest,
  isOwned: boolean,
  failures: ReadonlyMap<string, BrokerError>,
): void => {
  for (const topic of topicData) submitTopic(open, answer, topic, isOwned, failures)
}

const submitTopic = (
  open: OpenSession,
  answer: ProduceAnswer,
  { name, partitionData }: ProduceTopic,
  isOwned: boolean,
  failures: ReadonlyMap<string, BrokerError>,
): void => {
  const handle = open.topics.find(name)
  const partitionResponses: PendingBatch[] = []
  answer.responses.push({ name, partitionResponses })
  for (const { index, records } of partitionData) {
    const batch = new PendingBatch(answer, name, index, bytesOf(records))
    partitionResponses.push(batch)
    if (handle === undefined) {
      open.intake.refuse(
        batch,
        failures.get(name) ?? new BrokerError('ERR_TOPIC_NOT_FOUND', [name]),
      )
    } else {
      answer.expectOne()
      open.intake.submit(batch, handle, isOwned)
    }
  }
}
