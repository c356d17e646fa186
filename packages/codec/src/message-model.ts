/**
 * The header names that the protocols share, as data: one row a name, one column a protocol.
 *
 * `docs/message-model.md` is checked against this table. A gateway translates between its own field
 * and the row's header; where a column repeats the header name, the protocol has no field of its own
 * and carries the header among its free ones (Kafka record headers, AMQP headers table, MQTT user
 * properties, STOMP headers). Names are append-only: they are stored in logs.
 *
 * Key, payload and timestamp are fields of a record and have no row. All values are bytes; text is
 * UTF-8 and numbers are decimal ASCII, so that any Kafka tool shows them.
 */
export const messageModelProtocols = ['native', 'kafka', 'amqp', 'mqtt', 'stomp'] as const
export type MessageModelProtocol = (typeof messageModelProtocols)[number]

export type HeaderEncoding = 'text' | 'decimal' | 'bytes' | 'json'

export interface ReservedHeader extends Readonly<Record<MessageModelProtocol, string>> {
  readonly name: string
  readonly meaning: string
  readonly encoding: HeaderEncoding
}

/** The columns amqp, mqtt and stomp; native and kafka carry every reserved header as it is. */
type Columns = readonly [amqp: string, mqtt: string, stomp: string]

const define = (
  name: string,
  encoding: HeaderEncoding,
  meaning: string,
  [amqp, mqtt, stomp]: Columns = [name, name, name],
): ReservedHeader => ({ name, meaning, encoding, native: name, kafka: name, amqp, mqtt, stomp })

export const reservedHeaders = {
  contentType: define('mr-content-type', 'text', 'media type of the payload', [
    'content-type property',
    'Content Type (0x03)',
    'content-type',
  ]),
  contentEncoding: define('mr-content-encoding', 'text', 'how the payload is encoded, as gzip', [
    'content-encoding property',
    'mr-content-encoding',
    'content-encoding',
  ]),
  correlationId: define('mr-correlation-id', 'bytes', 'ties a reply to its request', [
    'correlation-id property',
    'Correlation Data (0x09)',
    'correlation-id',
  ]),
  replyTo: define('mr-reply-to', 'text', 'where the reply goes', [
    'reply-to property',
    'Response Topic (0x08)',
    'reply-to',
  ]),
  messageId: define('mr-message-id', 'text', "the publisher's name for the message", [
    'message-id property',
    'mr-message-id',
    'amqp-message-id',
  ]),
  expiry: define('mr-expiry', 'decimal', 'milliseconds the message lives after its publication', [
    'expiration property',
    'Message Expiry Interval (0x02), in seconds, rounded up',
    'expiration',
  ]),
  priority: define('mr-priority', 'decimal', '0 to 255, higher is sooner', [
    'priority property',
    'mr-priority',
    'priority',
  ]),
  persistence: define('mr-persistence', 'decimal', '1 survives a restart, 0 need not', [
    'delivery-mode property (2 is 1, 1 is 0)',
    'QoS (0 is 0, 1 and 2 are 1)',
    'persistent (true is 1, false is 0)',
  ]),
  type: define('mr-type', 'text', "the application's kind of message", [
    'type property',
    'mr-type',
    'type',
  ]),
  userId: define('mr-user-id', 'text', 'the authenticated user who published', [
    'user-id property',
    'mr-user-id',
    'user-id',
  ]),
  appId: define('mr-app-id', 'text', 'the application that published', [
    'app-id property',
    'mr-app-id',
    'app-id',
  ]),
  publishTimestamp: define(
    'mr-timestamp',
    'decimal',
    "the publisher's clock in ms, where the record's timestamp is the enqueue time",
    ['timestamp property, in seconds', 'mr-timestamp', 'timestamp'],
  ),
  deliveryCount: define('mr-delivery-count', 'decimal', 'earlier deliveries of this message', [
    'x-delivery-count header, redelivered flag',
    'mr-delivery-count',
    'x-delivery-count, redelivered',
  ]),
  deadLetterHistory: define(
    'mr-dead-letters',
    'json',
    'where it was dead-lettered, why, when and how often; newest first',
    ['x-death header', 'mr-dead-letters', 'x-death'],
  ),
  partitionKey: define('mr-partition-key', 'bytes', 'chooses the partition instead of the key'),
  exchange: define('mr-exchange', 'text', 'the exchange it was published to', [
    'exchange of basic.deliver',
    'mr-exchange',
    'destination',
  ]),
  routingKey: define('mr-routing-key', 'text', 'the routing key it was published with', [
    'routing-key of basic.deliver',
    'Topic Name',
    'destination',
  ]),
  delay: define('mr-delay', 'decimal', 'milliseconds to hold the message back', [
    'x-delay header',
    'mr-delay',
    'x-delay',
  ]),
  payloadFormat: define('mr-payload-format', 'decimal', '1 says that the payload is UTF-8 text', [
    'mr-payload-format',
    'Payload Format Indicator (0x01)',
    'mr-payload-format',
  ]),
  retain: define('mr-retain', 'decimal', '1 keeps it as the last value of its topic', [
    'mr-retain',
    'RETAIN flag',
    'mr-retain',
  ]),
  propertyBlock: define(
    'mr-property-block',
    'bytes',
    "a publisher's own property block, kept raw until another protocol reads it",
    ['properties and headers table of the content header', 'never sent', 'never sent'],
  ),
  traceParent: define('traceparent', 'text', 'W3C Trace Context: trace, span, flags'),
  traceState: define('tracestate', 'text', 'W3C Trace Context: vendor state'),
} as const satisfies Record<string, ReservedHeader>

/**
 * What the property block of a queued message is: neutral headers as in a record, or the block of the
 * protocol it was published by, kept raw. Append-only: the numbers are stored.
 */
export const propertyFormats = { headers: 0, amqp091: 1 } as const

export type ReservedHeaderKey = keyof typeof reservedHeaders
