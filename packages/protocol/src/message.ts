/**
 * Every opcode with its codec: a table, exhaustive by type. For tests, tools and paths that are not
 * hot; the hot messages have accessors of their own beside their codecs.
 */
import { BrokerError } from '@millrace/codec'
import * as authenticate from './messages/authenticate.ts'
import * as backup from './messages/backup.ts'
import * as bindings from './messages/bindings.ts'
import { type Close, decodeClose, encodeClose } from './messages/close.ts'
import { type Connect, decodeConnect, encodeConnect } from './messages/connect.ts'
import { type Connected, decodeConnected, encodeConnected } from './messages/connected.ts'
import { type Credit, decodeCredit, encodeCredit } from './messages/credit.ts'
import { decodeDeliver, type Deliver, encodeDeliver } from './messages/deliver.ts'
import * as commit from './messages/commit.ts'
import * as consume from './messages/consume.ts'
import { decodeErrorBody, encodeErrorBody, type ErrorBody } from './messages/error.ts'
import * as exchanges from './messages/exchanges.ts'
import { decodeFetch, encodeFetch, type Fetch } from './messages/fetch.ts'
import { decodeFetched, encodeFetched, type Fetched } from './messages/fetched.ts'
import * as get from './messages/get.ts'
import { decodeGoAway, encodeGoAway, type GoAway } from './messages/go-away.ts'
import * as initProducer from './messages/init-producer.ts'
import * as listOffsets from './messages/list-offsets.ts'
import * as permissions from './messages/permissions.ts'
import { decodePing, encodePing, type Ping } from './messages/ping.ts'
import { decodeProduce, encodeProduce, type Produce } from './messages/produce.ts'
import { decodeProduced, encodeProduced, type Produced } from './messages/produced.ts'
import * as publish from './messages/publish.ts'
import * as published from './messages/published.ts'
import * as queueCare from './messages/queue-care.ts'
import * as queueDelivery from './messages/queue-delivery.ts'
import * as queues from './messages/queues.ts'
import * as recordsDelete from './messages/records-delete.ts'
import * as settle from './messages/settle.ts'
import * as storageCheck from './messages/storage-check.ts'
import * as subscribe from './messages/subscribe.ts'
import {
  decodeSubscriptionEnd,
  encodeSubscriptionEnd,
  type SubscriptionEnd,
} from './messages/subscription-end.ts'
import { decodeTopicAlter, encodeTopicAlter, type TopicAlter } from './messages/topic-alter.ts'
import { decodeTopicCreate, encodeTopicCreate, type TopicCreate } from './messages/topic-create.ts'
import * as topicDelete from './messages/topic-delete.ts'
import {
  decodeTopicDescribe,
  encodeTopicDescribe,
  type TopicDescribe,
} from './messages/topic-describe.ts'
import {
  decodeTopicDescription,
  encodeTopicDescription,
  type TopicDescription,
} from './messages/topic-description.ts'
import * as topicList from './messages/topic-list.ts'
import * as topicOpen from './messages/topic-open.ts'
import * as topicTruncate from './messages/topic-truncate.ts'
import { decodeUnsubscribe, encodeUnsubscribe, type Unsubscribe } from './messages/unsubscribe.ts'
import * as users from './messages/users.ts'
import { isOpcode, Opcode } from './opcode.ts'

export interface MessageCodec<Message> {
  readonly encode: (message: Message) => Uint8Array
  readonly decode: (body: Uint8Array) => Message
}

/** What the body of each opcode holds. */
export interface Messages {
  [Opcode.CONNECT]: Connect
  [Opcode.CONNECTED]: Connected
  [Opcode.AUTHENTICATE]: authenticate.Authenticate
  [Opcode.AUTHENTICATED]: authenticate.Authenticated
  [Opcode.PING]: Ping
  [Opcode.PONG]: Ping
  [Opcode.GO_AWAY]: GoAway
  [Opcode.CLOSE]: Close
  [Opcode.CLOSED]: Close
  [Opcode.TOPIC_CREATE]: TopicCreate
  [Opcode.TOPIC_CREATED]: TopicDescription
  [Opcode.TOPIC_LIST]: topicList.TopicList
  [Opcode.TOPIC_LISTED]: topicList.TopicListed
  [Opcode.TOPIC_DESCRIBE]: TopicDescribe
  [Opcode.TOPIC_DESCRIBED]: TopicDescription
  [Opcode.TOPIC_ALTER]: TopicAlter
  [Opcode.TOPIC_ALTERED]: TopicDescription
  [Opcode.TOPIC_DELETE]: topicDelete.TopicDelete
  [Opcode.TOPIC_DELETED]: topicDelete.TopicDeleted
  [Opcode.TOPIC_OPEN]: topicOpen.TopicOpen
  [Opcode.TOPIC_OPENED]: topicOpen.TopicOpened
  [Opcode.TOPIC_TRUNCATE]: topicTruncate.TopicTruncate
  [Opcode.TOPIC_TRUNCATED]: topicTruncate.TopicTruncated
  [Opcode.PRODUCE]: Produce
  [Opcode.PRODUCED]: Readonly<Produced>
  [Opcode.FETCH]: Readonly<Fetch>
  [Opcode.FETCHED]: Fetched
  [Opcode.LIST_OFFSETS]: listOffsets.ListOffsets
  [Opcode.OFFSETS_LISTED]: listOffsets.OffsetsListed
  [Opcode.INIT_PRODUCER]: initProducer.InitProducer
  [Opcode.PRODUCER_INITIALIZED]: initProducer.ProducerInitialized
  [Opcode.RECORDS_DELETE]: recordsDelete.RecordsDelete
  [Opcode.RECORDS_DELETED]: recordsDelete.RecordsDeleted
  [Opcode.SUBSCRIBE]: subscribe.Subscribe
  [Opcode.SUBSCRIBED]: subscribe.Subscribed
  [Opcode.UNSUBSCRIBE]: Unsubscribe
  [Opcode.UNSUBSCRIBED]: Unsubscribe
  [Opcode.CREDIT]: Readonly<Credit>
  [Opcode.DELIVER]: Deliver
  [Opcode.SUBSCRIPTION_END]: SubscriptionEnd
  [Opcode.USER_PUT]: users.UserPut
  [Opcode.USER_STORED]: users.UserDescription
  [Opcode.USER_DELETE]: users.UserDelete
  [Opcode.USER_DELETED]: users.UserDeleted
  [Opcode.USER_LIST]: users.UserList
  [Opcode.USER_LISTED]: users.UserListed
  [Opcode.PERMISSION_GRANT]: permissions.Permission
  [Opcode.PERMISSION_GRANTED]: permissions.Permission
  [Opcode.PERMISSION_REVOKE]: permissions.Permission
  [Opcode.PERMISSION_REVOKED]: permissions.PermissionRevoked
  [Opcode.PERMISSION_LIST]: permissions.PermissionList
  [Opcode.PERMISSION_LISTED]: permissions.PermissionListed
  [Opcode.ACCESS_EXPLAIN]: permissions.AccessExplain
  [Opcode.ACCESS_EXPLAINED]: permissions.AccessExplained
  [Opcode.STORAGE_CHECK]: storageCheck.StorageCheck
  [Opcode.STORAGE_CHECKED]: storageCheck.StorageChecked
  [Opcode.BACKUP]: backup.Backup
  [Opcode.BACKED_UP]: backup.BackedUp
  [Opcode.EXCHANGE_DECLARE]: exchanges.ExchangeDeclare
  [Opcode.EXCHANGE_DECLARED]: exchanges.ExchangeDescription
  [Opcode.EXCHANGE_DESCRIBE]: exchanges.ExchangeDescribe
  [Opcode.EXCHANGE_DESCRIBED]: exchanges.ExchangeDescription
  [Opcode.EXCHANGE_LIST]: exchanges.NameList
  [Opcode.EXCHANGE_LISTED]: exchanges.ExchangeListed
  [Opcode.EXCHANGE_DELETE]: exchanges.ExchangeDelete
  [Opcode.EXCHANGE_DELETED]: exchanges.Done
  [Opcode.BIND]: bindings.Binding
  [Opcode.BOUND]: exchanges.Done
  [Opcode.UNBIND]: bindings.Binding
  [Opcode.UNBOUND]: exchanges.Done
  [Opcode.BINDING_LIST]: bindings.BindingList
  [Opcode.BINDING_LISTED]: bindings.BindingListed
  [Opcode.QUEUE_DECLARE]: queues.QueueDeclare
  [Opcode.QUEUE_DECLARED]: queues.QueueDescription
  [Opcode.QUEUE_DESCRIBE]: queues.QueueDescribe
  [Opcode.QUEUE_DESCRIBED]: queues.QueueDescription
  [Opcode.QUEUE_LIST]: exchanges.NameList
  [Opcode.QUEUE_LISTED]: queues.QueueListed
  [Opcode.QUEUE_ALTER]: queues.QueueAlter
  [Opcode.QUEUE_ALTERED]: queues.QueueDescription
  [Opcode.QUEUE_DELETE]: queues.QueueDelete
  [Opcode.QUEUE_DELETED]: queues.MessagesCounted
  [Opcode.QUEUE_PURGE]: queues.QueueDescribe
  [Opcode.QUEUE_PURGED]: queues.MessagesCounted
  [Opcode.QUEUE_PEEK]: get.QueuePeek
  [Opcode.QUEUE_PEEKED]: readonly queueDelivery.QueueDelivery[]
  [Opcode.QUEUE_MOVE]: queueCare.QueueMove
  [Opcode.QUEUE_MOVED]: queues.MessagesCounted
  [Opcode.QUEUE_REPLAY]: queueCare.QueueReplay
  [Opcode.QUEUE_REPLAYED]: queues.MessagesCounted
  [Opcode.PUBLISH]: publish.Publish
  [Opcode.PUBLISHED]: published.Published
  [Opcode.COMMIT]: commit.Commit
  [Opcode.COMMITTED]: published.Published
  [Opcode.CONSUME]: consume.Consume
  [Opcode.CONSUMING]: consume.ConsumerNumber
  [Opcode.CONSUMER_ALTER]: consume.ConsumerAlter
  [Opcode.CONSUMER_ALTERED]: exchanges.Done
  [Opcode.CONSUMER_CANCEL]: consume.ConsumerNumber
  [Opcode.CONSUMER_CANCELLED]: exchanges.Done
  [Opcode.GET]: get.Get
  [Opcode.GOT]: get.Got
  [Opcode.SETTLE]: settle.Settle
  [Opcode.SETTLED]: Close
  [Opcode.QUEUE_DELIVER]: readonly queueDelivery.QueueDelivery[]
  [Opcode.CONSUMER_END]: consume.ConsumerEnd
  [Opcode.ERROR]: ErrorBody
}

const codec = <Message>(
  encode: (message: Message) => Uint8Array,
  decode: (body: Uint8Array) => Message,
): MessageCodec<Message> => ({ encode, decode })

const description = codec(encodeTopicDescription, decodeTopicDescription)
const exchange = codec(exchanges.encodeExchangeDescription, exchanges.decodeExchangeDescription)
const queue = codec(queues.encodeQueueDescription, queues.decodeQueueDescription)
const done = codec(exchanges.encodeDone, exchanges.decodeDone)
const names = codec(exchanges.encodeNameList, exchanges.decodeNameList)
const counted = codec(queues.encodeMessagesCounted, queues.decodeMessagesCounted)
const binding = codec(bindings.encodeBinding, bindings.decodeBinding)
const queueName = codec(queues.encodeQueueDescribe, queues.decodeQueueDescribe)
const outcomes = codec(published.encodePublished, published.decodePublished)
const consumer = codec(consume.encodeConsumerNumber, consume.decodeConsumerNumber)
const deliveries = codec<readonly queueDelivery.QueueDelivery[]>(
  (list) => queueDelivery.encodeQueueDeliveries(list),
  (body) => queueDelivery.decodeQueueDeliveries(body),
)

export const messageCodecs: { readonly [Op in Opcode]: MessageCodec<Messages[Op]> } = {
  [Opcode.CONNECT]: codec(encodeConnect, decodeConnect),
  [Opcode.CONNECTED]: codec(encodeConnected, decodeConnected),
  [Opcode.AUTHENTICATE]: codec(authenticate.encodeAuthenticate, authenticate.decodeAuthenticate),
  [Opcode.AUTHENTICATED]: codec(authenticate.encodeAuthenticated, authenticate.decodeAuthenticated),
  [Opcode.PING]: codec(encodePing, decodePing),
  [Opcode.PONG]: codec(encodePing, decodePing),
  [Opcode.GO_AWAY]: codec(encodeGoAway, decodeGoAway),
  [Opcode.CLOSE]: codec(encodeClose, decodeClose),
  [Opcode.CLOSED]: codec(encodeClose, decodeClose),
  [Opcode.TOPIC_CREATE]: codec(encodeTopicCreate, decodeTopicCreate),
  [Opcode.TOPIC_CREATED]: description,
  [Opcode.TOPIC_LIST]: codec(topicList.encodeTopicList, topicList.decodeTopicList),
  [Opcode.TOPIC_LISTED]: codec(topicList.encodeTopicListed, topicList.decodeTopicListed),
  [Opcode.TOPIC_DESCRIBE]: codec(encodeTopicDescribe, decodeTopicDescribe),
  [Opcode.TOPIC_DESCRIBED]: description,
  [Opcode.TOPIC_ALTER]: codec(encodeTopicAlter, decodeTopicAlter),
  [Opcode.TOPIC_ALTERED]: description,
  [Opcode.TOPIC_DELETE]: codec(topicDelete.encodeTopicDelete, topicDelete.decodeTopicDelete),
  [Opcode.TOPIC_DELETED]: codec(topicDelete.encodeTopicDeleted, topicDelete.decodeTopicDeleted),
  [Opcode.TOPIC_OPEN]: codec(topicOpen.encodeTopicOpen, topicOpen.decodeTopicOpen),
  [Opcode.TOPIC_OPENED]: codec(topicOpen.encodeTopicOpened, topicOpen.decodeTopicOpened),
  [Opcode.TOPIC_TRUNCATE]: codec(
    topicTruncate.encodeTopicTruncate,
    topicTruncate.decodeTopicTruncate,
  ),
  [Opcode.TOPIC_TRUNCATED]: codec(
    topicTruncate.encodeTopicTruncated,
    topicTruncate.decodeTopicTruncated,
  ),
  [Opcode.PRODUCE]: codec(encodeProduce, decodeProduce),
  [Opcode.PRODUCED]: codec(encodeProduced, (body) => decodeProduced(body)),
  [Opcode.FETCH]: codec(encodeFetch, (body) => decodeFetch(body)),
  [Opcode.FETCHED]: codec(encodeFetched, decodeFetched),
  [Opcode.LIST_OFFSETS]: codec(listOffsets.encodeListOffsets, listOffsets.decodeListOffsets),
  [Opcode.OFFSETS_LISTED]: codec(listOffsets.encodeOffsetsListed, listOffsets.decodeOffsetsListed),
  [Opcode.INIT_PRODUCER]: codec(initProducer.encodeInitProducer, initProducer.decodeInitProducer),
  [Opcode.PRODUCER_INITIALIZED]: codec(
    initProducer.encodeProducerInitialized,
    initProducer.decodeProducerInitialized,
  ),
  [Opcode.RECORDS_DELETE]: codec(
    recordsDelete.encodeRecordsDelete,
    recordsDelete.decodeRecordsDelete,
  ),
  [Opcode.RECORDS_DELETED]: codec(
    recordsDelete.encodeRecordsDeleted,
    recordsDelete.decodeRecordsDeleted,
  ),
  [Opcode.SUBSCRIBE]: codec(subscribe.encodeSubscribe, subscribe.decodeSubscribe),
  [Opcode.SUBSCRIBED]: codec(subscribe.encodeSubscribed, subscribe.decodeSubscribed),
  [Opcode.UNSUBSCRIBE]: codec(encodeUnsubscribe, decodeUnsubscribe),
  [Opcode.UNSUBSCRIBED]: codec(encodeUnsubscribe, decodeUnsubscribe),
  [Opcode.CREDIT]: codec(encodeCredit, (body) => decodeCredit(body)),
  [Opcode.DELIVER]: codec(encodeDeliver, decodeDeliver),
  [Opcode.SUBSCRIPTION_END]: codec(encodeSubscriptionEnd, decodeSubscriptionEnd),
  [Opcode.USER_PUT]: codec(users.encodeUserPut, users.decodeUserPut),
  [Opcode.USER_STORED]: codec(users.encodeUserDescription, users.decodeUserDescription),
  [Opcode.USER_DELETE]: codec(users.encodeUserDelete, users.decodeUserDelete),
  [Opcode.USER_DELETED]: codec(users.encodeUserDeleted, users.decodeUserDeleted),
  [Opcode.USER_LIST]: codec(users.encodeUserList, users.decodeUserList),
  [Opcode.USER_LISTED]: codec(users.encodeUserListed, users.decodeUserListed),
  [Opcode.PERMISSION_GRANT]: codec(permissions.encodePermission, permissions.decodePermission),
  [Opcode.PERMISSION_GRANTED]: codec(permissions.encodePermission, permissions.decodePermission),
  [Opcode.PERMISSION_REVOKE]: codec(permissions.encodePermission, permissions.decodePermission),
  [Opcode.PERMISSION_REVOKED]: codec(
    permissions.encodePermissionRevoked,
    permissions.decodePermissionRevoked,
  ),
  [Opcode.PERMISSION_LIST]: codec(
    permissions.encodePermissionList,
    permissions.decodePermissionList,
  ),
  [Opcode.PERMISSION_LISTED]: codec(
    permissions.encodePermissionListed,
    permissions.decodePermissionListed,
  ),
  [Opcode.ACCESS_EXPLAIN]: codec(permissions.encodeAccessExplain, permissions.decodeAccessExplain),
  [Opcode.ACCESS_EXPLAINED]: codec(
    permissions.encodeAccessExplained,
    permissions.decodeAccessExplained,
  ),
  [Opcode.STORAGE_CHECK]: codec(storageCheck.encodeStorageCheck, storageCheck.decodeStorageCheck),
  [Opcode.STORAGE_CHECKED]: codec(
    storageCheck.encodeStorageChecked,
    storageCheck.decodeStorageChecked,
  ),
  [Opcode.BACKUP]: codec(backup.encodeBackup, backup.decodeBackup),
  [Opcode.BACKED_UP]: codec(backup.encodeBackedUp, backup.decodeBackedUp),
  [Opcode.EXCHANGE_DECLARE]: codec(
    exchanges.encodeExchangeDeclare,
    exchanges.decodeExchangeDeclare,
  ),
  [Opcode.EXCHANGE_DECLARED]: exchange,
  [Opcode.EXCHANGE_DESCRIBE]: codec(
    exchanges.encodeExchangeDescribe,
    exchanges.decodeExchangeDescribe,
  ),
  [Opcode.EXCHANGE_DESCRIBED]: exchange,
  [Opcode.EXCHANGE_LIST]: names,
  [Opcode.EXCHANGE_LISTED]: codec(exchanges.encodeExchangeListed, exchanges.decodeExchangeListed),
  [Opcode.EXCHANGE_DELETE]: codec(exchanges.encodeExchangeDelete, exchanges.decodeExchangeDelete),
  [Opcode.EXCHANGE_DELETED]: done,
  [Opcode.BIND]: binding,
  [Opcode.BOUND]: done,
  [Opcode.UNBIND]: binding,
  [Opcode.UNBOUND]: done,
  [Opcode.BINDING_LIST]: codec(bindings.encodeBindingList, bindings.decodeBindingList),
  [Opcode.BINDING_LISTED]: codec(bindings.encodeBindingListed, bindings.decodeBindingListed),
  [Opcode.QUEUE_DECLARE]: codec(queues.encodeQueueDeclare, queues.decodeQueueDeclare),
  [Opcode.QUEUE_DECLARED]: queue,
  [Opcode.QUEUE_DESCRIBE]: queueName,
  [Opcode.QUEUE_DESCRIBED]: queue,
  [Opcode.QUEUE_LIST]: names,
  [Opcode.QUEUE_LISTED]: codec(queues.encodeQueueListed, queues.decodeQueueListed),
  [Opcode.QUEUE_ALTER]: codec(queues.encodeQueueAlter, queues.decodeQueueAlter),
  [Opcode.QUEUE_ALTERED]: queue,
  [Opcode.QUEUE_DELETE]: codec(queues.encodeQueueDelete, queues.decodeQueueDelete),
  [Opcode.QUEUE_DELETED]: counted,
  [Opcode.QUEUE_PURGE]: queueName,
  [Opcode.QUEUE_PURGED]: counted,
  [Opcode.QUEUE_PEEK]: codec(get.encodeQueuePeek, get.decodeQueuePeek),
  [Opcode.QUEUE_PEEKED]: deliveries,
  [Opcode.QUEUE_MOVE]: codec(queueCare.encodeQueueMove, queueCare.decodeQueueMove),
  [Opcode.QUEUE_MOVED]: counted,
  [Opcode.QUEUE_REPLAY]: codec(queueCare.encodeQueueReplay, queueCare.decodeQueueReplay),
  [Opcode.QUEUE_REPLAYED]: counted,
  [Opcode.PUBLISH]: codec(publish.encodePublish, publish.decodePublish),
  [Opcode.PUBLISHED]: outcomes,
  [Opcode.COMMIT]: codec(commit.encodeCommit, commit.decodeCommit),
  [Opcode.COMMITTED]: outcomes,
  [Opcode.CONSUME]: codec(consume.encodeConsume, consume.decodeConsume),
  [Opcode.CONSUMING]: consumer,
  [Opcode.CONSUMER_ALTER]: codec(consume.encodeConsumerAlter, consume.decodeConsumerAlter),
  [Opcode.CONSUMER_ALTERED]: done,
  [Opcode.CONSUMER_CANCEL]: consumer,
  [Opcode.CONSUMER_CANCELLED]: done,
  [Opcode.GET]: codec(get.encodeGet, get.decodeGet),
  [Opcode.GOT]: codec(get.encodeGot, get.decodeGot),
  [Opcode.SETTLE]: codec(settle.encodeSettle, settle.decodeSettle),
  [Opcode.SETTLED]: codec(encodeClose, decodeClose),
  [Opcode.QUEUE_DELIVER]: deliveries,
  [Opcode.CONSUMER_END]: codec(consume.encodeConsumerEnd, consume.decodeConsumerEnd),
  [Opcode.ERROR]: codec(encodeErrorBody, decodeErrorBody),
}

export type Message = Messages[Opcode]

/** Throws ERR_UNKNOWN_OPCODE, or what the decoder of that opcode throws. */
export const decodeMessage = (opcode: number, body: Uint8Array): Message => {
  if (!isOpcode(opcode)) throw new BrokerError('ERR_UNKNOWN_OPCODE', [opcode])
  return messageCodecs[opcode].decode(body)
}

export const encodeMessage = <Op extends Opcode>(opcode: Op, message: Messages[Op]): Uint8Array =>
  messageCodecs[opcode].encode(message)
