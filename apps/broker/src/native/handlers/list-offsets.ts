/** LIST_OFFSETS: the offset of a moment. */
import type { OffsetQuery } from '@millrace/core'
import {
  decodeListOffsets,
  encodeOffsetsListed,
  type ListOffsets,
  Opcode,
} from '@millrace/protocol'
import { controlHandler } from '../control-request.ts'
import { checkPartitionList } from '../partition-list.ts'

const toQuery = (at: ListOffsets['at']): OffsetQuery =>
  typeof at === 'number' ? { timestamp: at } : at

export const handleListOffsets = controlHandler({
  decode: decodeListOffsets,
  answerOpcode: Opcode.OFFSETS_LISTED,
  encode: encodeOffsetsListed,
  run: async (session, { topic, partitions, at }) => {
    if (partitions !== undefined) checkPartitionList(partitions)
    const request = { topic, at: toQuery(at), ...(partitions === undefined ? {} : { partitions }) }
    return { offsets: await session.services.broker.listOffsets(session.open.caller, request) }
  },
})
