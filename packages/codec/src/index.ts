export {
  BrokerError,
  errorCodeOfWire,
  errorTable,
  isBrokerError,
  type ErrorCode,
  type ErrorDefinition,
  type ErrorScope,
} from './errors.ts'

export {
  readInt16,
  readInt32,
  readInt64,
  readUint16,
  readUint32,
  readUint64,
  writeInt32,
  writeInt64,
  writeUint16,
  writeUint32,
  writeUint64,
} from './integers.ts'
export { ByteReader, type ReadErrorCode } from './byte-reader.ts'
export { ByteWriter } from './byte-writer.ts'
export {
  uvarintSize,
  varintSize,
  varlongSize,
  writeUvarint,
  writeVarint,
  writeVarlong,
} from './varint.ts'
export { isUtf8, utf8Decode, utf8DecodeRange, utf8Encode, utf8Length, writeUtf8 } from './utf8.ts'
export { crc32c, crc32cJs } from './crc32c.ts'
export { murmur2, partitionForKey } from './murmur2.ts'
export {
  checkHeaderBlock,
  decodeHeaderBlock,
  encodeHeaderBlock,
  headerBlockSize,
  writeHeaderBlock,
} from './header-block.ts'
export { RingQueue } from './ring-queue.ts'
export {
  messageModelProtocols,
  propertyFormats,
  reservedHeaders,
  type MessageModelProtocol,
  type ReservedHeader,
  type ReservedHeaderKey,
} from './message-model.ts'

export {
  BATCH_ATTRIBUTES_AT,
  BATCH_BASE_OFFSET_AT,
  BATCH_BASE_SEQUENCE_AT,
  BATCH_BASE_TIMESTAMP_AT,
  BATCH_CRC_AT,
  BATCH_HEADER_BYTES,
  BATCH_LAST_OFFSET_DELTA_AT,
  BATCH_LEADER_EPOCH_AT,
  BATCH_LENGTH_AT,
  BATCH_LENGTH_END,
  BATCH_LENGTH_MIN,
  BATCH_MAGIC,
  BATCH_MAGIC_AT,
  BATCH_MAX_TIMESTAMP_AT,
  BATCH_PREFIX_BYTES,
  BATCH_PRODUCER_EPOCH_AT,
  BATCH_PRODUCER_ID_AT,
  BATCH_RECORD_COUNT_AT,
  CODEC_MASK,
  COMPRESSED_RECORDS_MAX,
  CONTROL_BIT,
  DELETE_HORIZON_BIT,
  NO_LEADER_EPOCH,
  NO_PRODUCER,
  TIMESTAMP_TYPE_BIT,
  TRANSACTIONAL_BIT,
  compressionCodecs,
  timestampTypes,
  type TimestampType,
} from './record-batch/layout.ts'
export {
  batchAttributes,
  batchBaseOffset,
  batchBaseSequence,
  batchBaseTimestamp,
  batchCrc,
  batchLastOffsetDelta,
  batchLeaderEpoch,
  batchMagic,
  batchMaxTimestamp,
  batchNextOffset,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  batchTotalBytes,
  compressionOf,
  hasDeleteHorizon,
  isControl,
  isTransactional,
  timestampTypeOf,
  writeBatchPrefix,
} from './record-batch/batch-header.ts'
export {
  deflateBatch,
  inflateBatch,
  type BatchCompression,
} from './record-batch/compressed-batch.ts'
export { emptyBatch, filterBatch } from './record-batch/filter-batch.ts'
export {
  sequenceAfter,
  SEQUENCE_MAX,
  stampBatch,
  writeProducerStamp,
  type ProducerStamp,
} from './record-batch/producer-stamp.ts'
export { scanBatch } from './record-batch/batch-scan.ts'
export type { DecodedRecord, RecordHeader, RecordInput } from './record-batch/record.ts'
export { RecordBatchBuilder, type RecordBatchOptions } from './record-batch/record-batch-builder.ts'
export { RecordCursor, decodeRecords } from './record-batch/record-cursor.ts'
export { validateBatch, type BatchLimits } from './record-batch/validate-batch.ts'
