/** The Millrace SDK for Node. */
export { connect, type ConnectOptions } from './connect.ts'
export { loadNodePlatform } from './node-platform.ts'
export { nodeTransport } from './node-transport.ts'
export { tcpTransport } from './tcp-transport.ts'
export type { TlsOptions } from './tls-options.ts'
export { tlsTransport } from './tls-transport.ts'
export { webSocketTransport } from './websocket-transport.ts'
export {
  type AbortOptions,
  type Admin,
  type AlterTopicOptions,
  type AuthOptions,
  type Authenticator,
  type CertificateAuth,
  type Client,
  type ClientEvents,
  type ClientStatus,
  type CodecName,
  type ConsumeFrom,
  type ConsumeOptions,
  type Consumer,
  type ConsumerEvents,
  type ConsumerGapEvent,
  type CreateTopicOptions,
  type DeleteTopicOptions,
  type FetchOptions,
  type FetchResult,
  type HeadersInput,
  type HeaderValue,
  type ListOffsetsOptions,
  type ListTopicsOptions,
  type Message,
  type MessageEnvelope,
  type MessageHeaders,
  type OffsetMoment,
  type PartitionEarliest,
  type Partitioner,
  type PasswordAuth,
  type PayloadCodec,
  type Producer,
  type CompressionName,
  type ProducerDurability,
  type ProducerErrorEvent,
  type ProducerEvents,
  type ProducerMessage,
  type ProducerOptions,
  type ProduceResult,
  type ReconnectOptions,
  type PublishOptions,
  type TokenAuth,
  type TypedMessage,
  type TypedSubscribeOptions,
  type TypedSubscription,
  type TypedTopic,
  type TypedTopicOptions,
  type WaitOptions,
} from '@millrace/client-core'
export { BrokerError, type ErrorCode, isBrokerError } from '@millrace/codec'
