/** The codec of the native protocol. docs/protocol.md is normative; this package follows it. */
export { negotiateVersion, PROTOCOL_MAGIC, PROTOCOL_VERSION, PROTOCOL_VERSIONS } from './version.ts'
export {
  ASSEMBLIES_BODIES_MAX,
  ASSEMBLIES_COUNT_MAX,
  BATCH_BYTES_MAX,
  BINDING_LIST_COUNT_MAX,
  BODY_BYTES_MAX,
  BODY_HEAD_BYTES_MAX,
  CHANNEL_MAX,
  CONTROL_BODY_BYTES_MAX,
  CONTROL_DEPTH_MAX,
  CONTROL_LIST_BYTES_MAX,
  DEAD_LETTERS_BYTES_MAX,
  ERROR_MESSAGE_CHARACTERS_MAX,
  EXCHANGE_LIST_COUNT_MAX,
  FRAME_BYTES_DEFAULT,
  FRAME_BYTES_MAX,
  HANDSHAKE_FRAME_BYTES_MAX,
  HEARTBEAT_MS_DEFAULT,
  HEARTBEAT_MS_MAX,
  HEARTBEAT_MS_MIN,
  HEARTBEAT_SILENCE_FACTOR,
  INT16_MAX,
  INT32_MAX,
  negotiateFrameBytes,
  negotiateHeartbeat,
  PEEK_COUNT_MAX,
  PING_BODY_BYTES_MAX,
  PERMISSION_LIST_COUNT_MAX,
  PUBLISH_COUNT_MAX,
  QUEUE_LIST_COUNT_MAX,
  SETTLE_COUNT_MAX,
  TOPIC_LIST_COUNT_MAX,
  UINT16_MAX,
  UINT32_MAX,
  USER_LIST_COUNT_MAX,
} from './limits.ts'
export {
  isOpcode,
  isRequest,
  isResponse,
  Opcode,
  opcodeName,
  type OpcodeName,
  RESPONSE_BIT,
} from './opcode.ts'
export {
  FLAG_MORE,
  FRAME_HEADER_BYTES,
  FRAME_LENGTH_BYTES,
  FRAME_LENGTH_MIN,
  frameChannel,
  frameCorrelation,
  frameFlags,
  frameLength,
  frameOpcode,
  writeFrameHeader,
} from './frame.ts'
export { BodyPool, POOLED_BODY_BYTES } from './body-pool.ts'
export {
  type Frame,
  FrameDecoder,
  type FrameDecoderOptions,
  type FrameLimits,
} from './frame-decoder.ts'
export { encodeFrame, splitBody } from './frame-writer.ts'
export { type ControlMap, decodeControl, encodeControl } from './msgpack.ts'
export { decodeError, encodeError, errorBodyOf, receivedError, wireOfError } from './errors.ts'
export {
  decodeMessage,
  encodeMessage,
  type Message,
  type MessageCodec,
  messageCodecs,
  type Messages,
} from './message.ts'
export {
  type Authenticate,
  type Authenticated,
  decodeAuthenticate,
  decodeAuthenticated,
  encodeAuthenticate,
  encodeAuthenticated,
} from './messages/authenticate.ts'
export {
  type BackedUp,
  type Backup,
  decodeBackedUp,
  decodeBackup,
  encodeBackedUp,
  encodeBackup,
} from './messages/backup.ts'
export { type Close, decodeClose, encodeClose } from './messages/close.ts'
export { type Connect, decodeConnect, encodeConnect, type ProgramInfo } from './messages/connect.ts'
export { type Connected, decodeConnected, encodeConnected } from './messages/connected.ts'
export {
  createCredit,
  type Credit,
  CREDIT_BYTES,
  decodeCredit,
  encodeCredit,
  writeCredit,
} from './messages/credit.ts'
export {
  createDeliverHead,
  decodeDeliver,
  decodeDeliverHead,
  type Deliver,
  DELIVER_HEAD_BYTES,
  type DeliverHead,
  encodeDeliver,
  writeDeliverHead,
} from './messages/deliver.ts'
export { decodeErrorBody, encodeErrorBody, type ErrorBody } from './messages/error.ts'
export {
  createFetch,
  decodeFetch,
  encodeFetch,
  type Fetch,
  FETCH_BYTES,
  FETCH_FLAG_READ_COMMITTED,
  writeFetch,
} from './messages/fetch.ts'
export {
  createFetchedHead,
  decodeFetched,
  decodeFetchedHead,
  encodeFetched,
  type Fetched,
  FETCHED_HEAD_BYTES,
  type FetchedHead,
  writeFetchedHead,
} from './messages/fetched.ts'
export { decodeGoAway, encodeGoAway, type GoAway } from './messages/go-away.ts'
export {
  decodeInitProducer,
  decodeProducerInitialized,
  encodeInitProducer,
  encodeProducerInitialized,
  type InitProducer,
  type ProducerInitialized,
} from './messages/init-producer.ts'
export {
  decodeListOffsets,
  decodeOffsetsListed,
  encodeListOffsets,
  encodeOffsetsListed,
  type ListOffsets,
  type OffsetsListed,
  type PartitionOffset,
} from './messages/list-offsets.ts'
export { decodePing, encodePing, type Ping } from './messages/ping.ts'
export {
  createProduceHead,
  decodeProduce,
  decodeProduceHead,
  encodeProduce,
  type Produce,
  PRODUCE_HEAD_BYTES,
  type ProduceHead,
  WantedDurability,
  writeProduceHead,
} from './messages/produce.ts'
export {
  createProduced,
  decodeProduced,
  encodeProduced,
  type Produced,
  PRODUCED_BYTES,
  ReachedDurability,
  writeProduced,
} from './messages/produced.ts'
export {
  decodeRecordsDelete,
  decodeRecordsDeleted,
  encodeRecordsDelete,
  encodeRecordsDeleted,
  type PartitionDeletion,
  type PartitionEarliest,
  type RecordsDelete,
  type RecordsDeleted,
} from './messages/records-delete.ts'
export {
  type DamagedFile,
  type DamagedRange,
  decodeStorageCheck,
  decodeStorageChecked,
  encodeStorageCheck,
  encodeStorageChecked,
  type StorageCheck,
  type StorageChecked,
} from './messages/storage-check.ts'
export {
  decodeSubscribe,
  decodeSubscribed,
  encodeSubscribe,
  encodeSubscribed,
  type Subscribe,
  type Subscribed,
  type SubscribeFrom,
} from './messages/subscribe.ts'
export {
  decodeSubscriptionEnd,
  encodeSubscriptionEnd,
  type SubscriptionEnd,
} from './messages/subscription-end.ts'
export { decodeTopicAlter, encodeTopicAlter, type TopicAlter } from './messages/topic-alter.ts'
export { decodeTopicCreate, encodeTopicCreate, type TopicCreate } from './messages/topic-create.ts'
export {
  decodeTopicDelete,
  decodeTopicDeleted,
  encodeTopicDelete,
  encodeTopicDeleted,
  type TopicDelete,
  type TopicDeleted,
} from './messages/topic-delete.ts'
export {
  decodeTopicDescribe,
  encodeTopicDescribe,
  type TopicDescribe,
} from './messages/topic-describe.ts'
export {
  decodeTopicDescription,
  encodeTopicDescription,
  type PartitionDescription,
  type TopicDescription,
  type TopicSettings,
} from './messages/topic-description.ts'
export {
  decodeTopicList,
  decodeTopicListed,
  encodeTopicList,
  encodeTopicListed,
  type TopicList,
  type TopicListed,
  type TopicSummary,
} from './messages/topic-list.ts'
export {
  decodeTopicOpen,
  decodeTopicOpened,
  encodeTopicOpen,
  encodeTopicOpened,
  type TopicOpen,
  type TopicOpened,
} from './messages/topic-open.ts'
export {
  decodeTopicTruncate,
  decodeTopicTruncated,
  encodeTopicTruncate,
  encodeTopicTruncated,
  type TopicTruncate,
  type TopicTruncated,
} from './messages/topic-truncate.ts'
export {
  decodeUnsubscribe,
  encodeUnsubscribe,
  type Unsubscribe,
  type Unsubscribed,
} from './messages/unsubscribe.ts'
export {
  type AccessExplain,
  type AccessExplained,
  decodeAccessExplain,
  decodeAccessExplained,
  decodePermission,
  decodePermissionList,
  decodePermissionListed,
  decodePermissionRevoked,
  encodeAccessExplain,
  encodeAccessExplained,
  encodePermission,
  encodePermissionList,
  encodePermissionListed,
  encodePermissionRevoked,
  type Permission,
  type PermissionList,
  type PermissionListed,
  type PermissionRevoked,
} from './messages/permissions.ts'
export {
  decodeUserDelete,
  decodeUserDeleted,
  decodeUserDescription,
  decodeUserList,
  decodeUserListed,
  decodeUserPut,
  encodeUserDelete,
  encodeUserDeleted,
  encodeUserDescription,
  encodeUserList,
  encodeUserListed,
  encodeUserPut,
  type UserDelete,
  type UserDeleted,
  type UserDescription,
  type UserList,
  type UserListed,
  type UserPut,
  type UserQuotas,
} from './messages/users.ts'
export {
  type Binding,
  type BindingList,
  type BindingListed,
  decodeBinding,
  decodeBindingList,
  decodeBindingListed,
  encodeBinding,
  encodeBindingList,
  encodeBindingListed,
  type HeaderMatch,
  headerMatches,
  type TargetKind,
  targetKinds,
} from './messages/bindings.ts'
export {
  type Commit,
  COMMIT_HEAD_BYTES,
  commitMessagesAt,
  decodeCommit,
  decodeSettlements,
  encodeCommit,
  type Settlement,
  SETTLEMENT_BYTES,
} from './messages/commit.ts'
export {
  type Consume,
  type ConsumerAlter,
  type ConsumerEnd,
  type ConsumerNumber,
  decodeConsume,
  decodeConsumerAlter,
  decodeConsumerEnd,
  decodeConsumerNumber,
  encodeConsume,
  encodeConsumerAlter,
  encodeConsumerEnd,
  encodeConsumerNumber,
} from './messages/consume.ts'
export { type DeadLetter, decodeDeadLetters, encodeDeadLetters } from './messages/dead-letters.ts'
export {
  decodeDone,
  decodeExchangeDeclare,
  decodeExchangeDelete,
  decodeExchangeDescribe,
  decodeExchangeDescription,
  decodeExchangeListed,
  decodeNameList,
  type Done,
  encodeDone,
  encodeExchangeDeclare,
  encodeExchangeDelete,
  encodeExchangeDescribe,
  encodeExchangeDescription,
  encodeExchangeListed,
  encodeNameList,
  type ExchangeDeclare,
  type ExchangeDelete,
  type ExchangeDescribe,
  type ExchangeDescription,
  type ExchangeListed,
  type MessagingSettings,
  type NameList,
} from './messages/exchanges.ts'
export {
  decodeGet,
  decodeGot,
  decodeQueuePeek,
  encodeGet,
  encodeGot,
  encodeQueuePeek,
  type Get,
  type Got,
  GOT_HEAD_BYTES,
  type QueuePeek,
} from './messages/get.ts'
export {
  checkPublishHead,
  decodePublish,
  encodePublish,
  isSilentPublish,
  type Publish,
  PUBLISH_HEAD_BYTES,
  PUBLISH_SILENT,
  writePublishHead,
} from './messages/publish.ts'
export {
  decodeMessages,
  encodeMessages,
  MESSAGE_HEAD_BYTES,
  MessageCursor,
  MessageFlag,
  NO_TTL,
  type PublishedMessage,
  publishedMessageSize,
  writePublishedMessage,
} from './messages/published-message.ts'
export {
  decodePublished,
  encodePublished,
  OUTCOME_BYTES,
  outcomeErrorOf,
  type Published,
  PUBLISHED_HEAD_BYTES,
  publishedCount,
  publishedText,
  type PublishOutcome,
  targetsOf,
  writeOutcomeError,
  writePublishedCount,
  writeTargets,
} from './messages/published.ts'
export {
  decodeQueueMove,
  decodeQueueReplay,
  encodeQueueMove,
  encodeQueueReplay,
  type QueueMove,
  type QueueReplay,
} from './messages/queue-care.ts'
export {
  decodeQueueDeliveries,
  DELIVERY_HEAD_BYTES,
  encodeQueueDeliveries,
  type QueueDelivery,
  queueDeliverySize,
  writeDeliveryHead,
  writeQueueDelivery,
} from './messages/queue-delivery.ts'
export {
  decodeMessagesCounted,
  decodeQueueAlter,
  decodeQueueDeclare,
  decodeQueueDelete,
  decodeQueueDescribe,
  decodeQueueDescription,
  decodeQueueListed,
  encodeMessagesCounted,
  encodeQueueAlter,
  encodeQueueDeclare,
  encodeQueueDelete,
  encodeQueueDescribe,
  encodeQueueDescription,
  encodeQueueListed,
  type MessagesCounted,
  type QueueAlter,
  type QueueCounters,
  type QueueDeclare,
  type QueueDelete,
  type QueueDescribe,
  type QueueDescription,
  type QueueListed,
} from './messages/queues.ts'
export {
  asSettleOutcome,
  decodeSettle,
  encodeSettle,
  readTagRange,
  type Settle,
  SETTLE_DURABLE,
  SETTLE_HEAD_BYTES,
  SettleOutcome,
  TAG_RANGE_BYTES,
  type TagRange,
  writeTagRange,
} from './messages/settle.ts'
