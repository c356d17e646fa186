/** RECORDS_DELETE and TOPIC_TRUNCATE: records go, from the old end of a partition or from the new. */
import {
  decodeRecordsDelete,
  decodeTopicTruncate,
  encodeRecordsDeleted,
  encodeTopicTruncated,
  Opcode,
} from '@millrace/protocol'
import { checkAllowed, controlHandler } from '../control-request.ts'
import { checkPartitionList } from '../partition-list.ts'

export const handleRecordsDelete = controlHandler({
  decode: decodeRecordsDelete,
  answerOpcode: Opcode.RECORDS_DELETED,
  encode: encodeRecordsDeleted,
  run: async (session, { topic, partitions }) => {
    checkAllowed(session, 'configure', topic)
    checkPartitionList(partitions.map(({ partition }) => partition))
    const { broker } = session.services
    return { partitions: await broker.deleteRecords(session.open.caller, { topic, partitions }) }
  },
})

export const handleTruncate = controlHandler({
  decode: decodeTopicTruncate,
  answerOpcode: Opcode.TOPIC_TRUNCATED,
  encode: encodeTopicTruncated,
  run: (session, request) => {
    checkAllowed(session, 'configure', request.topic)
    return session.services.broker.truncateTopic(session.open.caller, request)
  },
})
