/** The Millrace SDK without a transport. Programs take it from client-node; transports build on it. */
export { type ParsedUrl, type ParsedUrls, parseUrl, parseUrls, URL_DEFAULT } from './address.ts'
export {
  type AbortOptions,
  Admin,
  type AlterTopicOptions,
  type CreateTopicOptions,
  type DeleteTopicOptions,
  type ListOffsetsOptions,
  type ListTopicsOptions,
  type OffsetMoment,
} from './admin.ts'
export type { AuthOptions, CertificateAuth, PasswordAuth, TokenAuth } from './auth/auth-options.ts'
export type { Authenticator } from './auth/exchange.ts'
export { Client, type ClientEvents, type ClientStatus } from './client.ts'
export { Consumer, type ConsumerEvents, type ConsumerGapEvent } from './consumer/consumer.ts'
export type { ConsumeFrom, ConsumeOptions } from './consumer/consumer-options.ts'
export { Message } from './consumer/message.ts'
export { QueuedIterator } from './consumer/queued-iterator.ts'
export type { Listener } from './emitter.ts'
export {
  type AccessQuestion,
  type ActionName,
  PermissionAdmin,
  type PermissionListOptions,
  type PermissionRequest,
  type ResourceKind,
  UserAdmin,
  type UserChangeOptions,
  type UserDeleteOptions,
  type UserOptions,
} from './identity-admin.ts'
export type { FetchOptions, FetchResult } from './fetch.ts'
export { type HeadersInput, type HeaderValue, MessageHeaders } from './headers.ts'
export { openClient } from './open-client.ts'
export {
  type ConnectOptions,
  type ReconnectOptions,
  type ResolvedOptions,
  resolveOptions,
} from './options.ts'
export type { CodecName, PayloadCodec } from './payload-codec.ts'
export type { HashName, Platform, PlatformCrypto } from './platform.ts'
export type { Partitioner } from './producer/partitioner.ts'
export { Producer, type ProducerErrorEvent, type ProducerEvents } from './producer/producer.ts'
export type {
  MessageEnvelope,
  ProduceResult,
  ProducerMessage,
} from './producer/producer-message.ts'
export type {
  CompressionName,
  ProducerDurability,
  ProducerOptions,
} from './producer/producer-options.ts'
export type { AddressScheme, BrokerAddress, Link, LinkHandlers, Transport } from './transport.ts'
export type { PartitionEarliest } from '@millrace/protocol'
export {
  type PublishOptions,
  type TypedMessage,
  type TypedSubscribeOptions,
  TypedSubscription,
  TypedTopic,
  type TypedTopicOptions,
} from './typed-topic.ts'
export type { WaitOptions } from './wait.ts'
export type { Binding, DeadLetter, ExchangeDescription, QueueDescription } from '@millrace/protocol'
export type { PayloadSchema, QueueConsumeOptions } from './queue/consume-options.ts'
export { type AckOptions, Delivery, type NackOptions, QueuedMessage } from './queue/delivery.ts'
export { Exchange, type ExchangeOptions } from './queue/exchange.ts'
export type { MessageOptions } from './queue/message-options.ts'
export type { BindingListOptions, NameListOptions } from './queue/messaging-requests.ts'
export {
  type DeleteQueueOptions,
  type MoveOptions,
  Queue,
  type QueueOptions,
} from './queue/queue.ts'
export { QueueConsumer } from './queue/queue-consumer.ts'
export type { PublishResult } from './queue/sender.ts'
export type {
  BindOptions,
  ExchangeSettings,
  ExchangeType,
  RoutingType,
  QueueSettings,
  QueueSettingsPatch,
} from './queue/settings.ts'
export { Transaction } from './queue/transaction.ts'
export {
  type WorkContext,
  Worker,
  type WorkFailure,
  type WorkHandler,
  type WorkOptions,
} from './queue/worker.ts'
