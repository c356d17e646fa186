/**
 * Every setting of the broker: one row each. The parser, the JSON Schema, `config show` and the test
 * of docs/configuration.md all read this table; there is no second list.
 */
import { defaultStorageOptions, defaultTopicSettings } from '@millrace/core'
import {
  CHANNELS_COUNT_DEFAULT,
  CHANNELS_COUNT_MAX,
  FRAME_BYTES_DEFAULT,
  FRAME_BYTES_MIN,
  HEARTBEAT_SECONDS_DEFAULT,
  HEARTBEAT_SECONDS_MAX,
  MESSAGE_BYTES_DEFAULT,
  MESSAGE_BYTES_MAX,
  PRODUCT_DEFAULT,
  VERSION_DEFAULT,
} from '@millrace/gateway-amqp'
import { BODY_BYTES_MAX, BODY_HEAD_BYTES_MAX, FRAME_BYTES_MAX } from '@millrace/protocol'
import { SCRAM_ITERATIONS_COUNT_MAX, SCRAM_ITERATIONS_COUNT_MIN } from '../auth/limits.ts'
import {
  BUFFER_BYTES_DEFAULT,
  CONNECTIONS_COUNT_DEFAULT,
  DISK_FREE_BYTES_DEFAULT,
  HANDSHAKE_MS_DEFAULT,
  IN_FLIGHT_BYTES_DEFAULT,
  IN_FLIGHT_COUNT_DEFAULT,
  METRIC_TOPICS_COUNT_DEFAULT,
  OUTBOUND_BYTES_DEFAULT,
  SHUTDOWN_MS_DEFAULT,
  STRANGER_BYTES_DEFAULT,
  STRANGERS_PER_ADDRESS_DEFAULT,
  SUBSCRIPTIONS_COUNT_DEFAULT,
} from '../limits.ts'
import {
  bytes,
  choice,
  type ConfigKey,
  count,
  DAY,
  duration,
  GIB,
  KIB,
  MIB,
  MINUTE,
  port,
  SECOND,
  text,
  toggle,
} from './config-key.ts'

export type { ConfigKey, ConfigValue } from './config-key.ts'

export const configTable = {
  dataDir: text('./.millrace', 'The data directory. One broker owns it at a time.'),
  host: text('127.0.0.1', 'Address of all listeners. Beyond loopback everybody has to log in.'),
  readyFile: text('', 'Written as JSON once the broker serves, removed when it stops.'),

  'native.port': port(7420, 'Port of the native protocol; 0 picks one, off disables it.'),
  'native.tlsPort': port(
    7422,
    'The same over TLS, when there is a certificate; 0 picks one, off disables it.',
  ),
  'native.heartbeat': duration(
    15 * SECOND,
    0,
    60 * MINUTE,
    'Each side sends something at least this often; 0 for none.',
  ),
  'http.port': port(7421, 'Port of WebSocket, health and metrics; 0 picks one, off disables it.'),
  'http.tlsPort': port(
    7423,
    'The same over TLS, when there is a certificate; 0 picks one, off disables it.',
  ),
  'http.hosts': text(
    '',
    'Names that requests may be for, separated by commas, beside loopback. Empty: any, or loopback only where the host is loopback.',
  ),
  'websocket.origins': text(
    '',
    'Origins of pages that may connect, separated by commas, beside the own one; * for all.',
  ),
  'kafka.port': port(9092, 'Port of the Kafka protocol; 0 picks one, off disables it.'),
  'kafka.tlsPort': port(
    9093,
    'The same over TLS, when there is a certificate; 0 picks one, off disables it.',
  ),
  'kafka.advertisedHost': text(
    '',
    'Where Kafka clients are told to connect. Empty: the address that they used.',
  ),
  'kafka.advertisedPort': count(
    0,
    0,
    65_535,
    'The port that Kafka clients are told; 0 for the one that they used.',
  ),
  'kafka.namespace': text('/', 'The namespace of all Kafka clients, which cannot name one.'),

  'amqp.port': port(5672, 'Port of AMQP 0-9-1; 0 picks one, off disables it.'),
  'amqp.tlsPort': port(
    5671,
    'The same over TLS, when there is a certificate; 0 picks one, off disables it.',
  ),
  'amqp.product': text(
    PRODUCT_DEFAULT,
    'What AMQP clients are told they talk to: many choose what they do by it.',
  ),
  'amqp.version': text(VERSION_DEFAULT, 'The version of it that they are told.'),
  'amqp.heartbeat': duration(
    HEARTBEAT_SECONDS_DEFAULT * SECOND,
    0,
    HEARTBEAT_SECONDS_MAX * SECOND,
    'The heartbeat that AMQP clients are offered, in whole seconds; 0 for none.',
  ),
  'amqp.frameBytesMax': bytes(
    FRAME_BYTES_DEFAULT,
    FRAME_BYTES_MIN,
    16 * MIB,
    'The largest frame that AMQP clients are offered.',
  ),
  'amqp.channelsMax': count(
    CHANNELS_COUNT_DEFAULT,
    1,
    CHANNELS_COUNT_MAX,
    'Channels of an AMQP connection.',
  ),
  'amqp.messageBytesMax': bytes(
    MESSAGE_BYTES_DEFAULT,
    KIB,
    MESSAGE_BYTES_MAX,
    'The largest payload of a message that comes by AMQP.',
  ),

  'tls.certFile': text('', 'PEM file of the certificate and its chain. Empty: no TLS.'),
  'tls.keyFile': text('', 'PEM file of its private key, not encrypted.'),
  'tls.clientCaFile': text('', 'PEM file of the authorities that sign client certificates.'),
  'tls.clientAuth': choice(
    'none',
    ['none', 'optional', 'required'],
    'Whether clients are asked for a certificate. One that does not verify is refused in any case.',
  ),
  'tls.minVersion': choice('1.2', ['1.2', '1.3'], 'The oldest version of TLS that is spoken.'),

  'auth.mode': choice(
    'auto',
    ['auto', 'required', 'off'],
    'Who has to log in. auto: everybody, once there is a user, a key for tokens or a host beyond loopback.',
  ),
  'auth.bootstrapUser': text('', 'The first administrator, made at start when there is no user.'),
  'auth.bootstrapPasswordFile': text('', 'File with the password of that administrator.'),
  'auth.plaintext': toggle(
    false,
    'Passwords and tokens are taken as they are from other machines without TLS too.',
  ),
  'auth.scramIterations': count(
    SCRAM_ITERATIONS_COUNT_MIN,
    SCRAM_ITERATIONS_COUNT_MIN,
    SCRAM_ITERATIONS_COUNT_MAX,
    'Work that a SCRAM login takes, for passwords that are set from now on.',
  ),
  'auth.tokenKeyFile': text('', 'Key that tokens are verified with: PEM, JWK or a secret.'),
  'auth.jwksFile': text('', 'File with the set of keys that tokens are verified with.'),
  'auth.jwksUrl': text('', 'Where that set is published: https, or http on this machine.'),
  'auth.tokenIssuer': text('', 'Issuer that a token must name. Empty: any.'),
  'auth.tokenAudience': text('millrace', 'Audience that a token must name.'),

  'log.level': choice(
    'info',
    ['debug', 'info', 'warn', 'error', 'silent'],
    'The least important lines that are written.',
  ),
  'log.format': choice(
    'auto',
    ['auto', 'json', 'pretty'],
    'auto: pretty on a terminal, JSON otherwise.',
  ),

  'limits.connections': count(
    CONNECTIONS_COUNT_DEFAULT,
    1,
    1_000_000,
    'Connections of all listeners and WebSockets together; HTTP has 256 of its own.',
  ),
  'limits.handshakeTime': duration(
    HANDSHAKE_MS_DEFAULT,
    100,
    10 * MINUTE,
    'A peer that has not authenticated, or not finished its HTTP request, by then is cut off.',
  ),
  'limits.frameBytes': bytes(
    256 * KIB,
    8 * KIB,
    FRAME_BYTES_MAX,
    'The largest frame of the native protocol.',
  ),
  'limits.bodyBytes': bytes(
    BODY_BYTES_MAX,
    64 * KIB + BODY_HEAD_BYTES_MAX,
    BODY_BYTES_MAX,
    'The largest body, over all its frames: the largest batch and 4 KiB.',
  ),
  'limits.inFlightRequests': count(
    IN_FLIGHT_COUNT_DEFAULT,
    1,
    65_536,
    'Requests of a connection that may wait for their answer.',
  ),
  'limits.inFlightBytes': bytes(
    IN_FLIGHT_BYTES_DEFAULT,
    64 * KIB,
    4 * GIB,
    'Bytes of a connection that are accepted and not acknowledged; above it reading stops.',
  ),
  'limits.outboundBytes': bytes(
    OUTBOUND_BYTES_DEFAULT,
    MIB,
    4 * GIB,
    'Bytes that wait for a peer that does not read; above it the peer is cut off.',
  ),
  'limits.bufferBytes': bytes(
    BUFFER_BYTES_DEFAULT,
    16 * MIB,
    1024 * GIB,
    'Unsent and unfinished bytes of all connections; above it those that hold much are cut off.',
  ),
  'limits.subscriptions': count(
    SUBSCRIPTIONS_COUNT_DEFAULT,
    1,
    100_000,
    'Subscriptions of a connection.',
  ),

  'limits.unauthenticatedPerAddress': count(
    STRANGERS_PER_ADDRESS_DEFAULT,
    1,
    1_000_000,
    'Connections of one address that have not authenticated; of more, the new one is refused.',
  ),
  'limits.unauthenticatedBytes': bytes(
    STRANGER_BYTES_DEFAULT,
    64 * KIB,
    16 * GIB,
    'Bytes of unfinished requests of all connections that have not authenticated.',
  ),

  'quotas.bytesInPerSecond': bytes(
    0,
    0,
    1024 * GIB,
    'Bytes a principal may send per second; above it its connections are read later. 0: no limit.',
  ),
  'quotas.bytesOutPerSecond': bytes(
    0,
    0,
    1024 * GIB,
    'Bytes of records a principal is sent per second; above it they wait. 0: no limit.',
  ),
  'quotas.connections': count(0, 0, 1_000_000, 'Connections of a principal. 0: no limit.'),
  'quotas.topics': count(0, 0, 1_000_000, 'Topics of a namespace. 0: no limit.'),

  'alarms.memoryBytes': bytes(
    0,
    0,
    1024 * GIB,
    'Memory of the process from which publishers are not read. 0: 60% of what it may use.',
  ),
  'alarms.diskFreeBytes': bytes(
    DISK_FREE_BYTES_DEFAULT,
    0,
    1024 * GIB,
    'Free space below which publishers are not read, at most a twentieth of the disk. 0: no alarm.',
  ),

  'metrics.objectsMax': count(
    METRIC_TOPICS_COUNT_DEFAULT,
    0,
    100_000,
    'Topics, and queues, on the page of metrics per object; of more, the page says how many it leaves out.',
  ),

  'topics.autoCreate': toggle(
    false,
    'Topics are created on first use. `millrace dev` turns it on.',
  ),
  'topics.partitions': count(1, 1, 1_024, 'Partitions of a new topic.'),
  'topics.durability': choice(
    'persisted',
    ['persisted', 'memory'],
    'What an acknowledgement means for a new topic.',
  ),
  'topics.segmentBytes': bytes(
    defaultTopicSettings.segmentBytes,
    64 * KIB,
    2 * GIB,
    'A segment of a new topic is closed at this size.',
  ),
  'topics.segmentTime': duration(
    defaultTopicSettings.segmentMs,
    MINUTE,
    3_650 * DAY,
    'A segment of a new topic is closed at this age.',
  ),
  'topics.timestampType': choice(
    'create',
    ['create', 'append'],
    'Whose clock dates the records of a new topic: the producer or the broker.',
  ),
  'topics.batchBytes': bytes(
    defaultTopicSettings.batchBytesMax,
    KIB,
    16 * MIB,
    'The largest batch of a new topic.',
  ),
  'topics.retentionTime': duration(
    defaultTopicSettings.retentionMs,
    0,
    36_500 * DAY,
    'Records of a new topic are removed, segment by segment, at this age; 0 keeps them for ever.',
  ),
  'topics.retentionBytes': bytes(
    0,
    0,
    1_048_576 * GIB,
    'A partition of a new topic keeps about this much of its end; 0 for no limit.',
  ),
  'topics.cleanupPolicy': choice(
    'delete',
    ['delete', 'compact', 'compact,delete'],
    'delete: by age and size; compact: the last record of each key stays.',
  ),
  'topics.compactionLag': duration(
    0,
    0,
    36_500 * DAY,
    'A record of a new topic is not compacted before this age.',
  ),
  'topics.tombstoneTime': duration(
    defaultTopicSettings.tombstoneMs,
    0,
    36_500 * DAY,
    'A compacted topic keeps the removal of a key readable for so long.',
  ),

  'producers.expiry': duration(
    defaultStorageOptions.producerExpiryMs,
    MINUTE,
    3_650 * DAY,
    'An idempotent producer that sent nothing for so long is forgotten.',
  ),
  'producers.remembered': count(
    defaultStorageOptions.producersMax,
    1,
    200_000,
    'Idempotent producers, once a partition; of more, the longest idle is forgotten.',
  ),

  'storage.journalFileBytes': bytes(
    defaultStorageOptions.journalFileBytes,
    MIB,
    2 * GIB,
    'Size of one journal file.',
  ),
  'storage.checkpointBytes': bytes(
    defaultStorageOptions.checkpointBytes,
    MIB,
    64 * GIB,
    'Journal bytes after which a checkpoint is taken; bounds the time of a recovery.',
  ),
  'storage.directAppendBytes': bytes(
    defaultStorageOptions.directAppendBytes,
    4 * KIB,
    64 * MIB,
    'Bytes gathered for one log in one group from which they go straight to its segment.',
  ),
  'storage.groupBytes': bytes(
    defaultStorageOptions.groupBytesMax,
    64 * KIB,
    256 * MIB,
    'A group of the journal is closed at this size.',
  ),
  'storage.unflushedBytes': bytes(
    defaultStorageOptions.unflushedBytesMax,
    MIB,
    16 * GIB,
    'Appended and not yet in segments; above it appends wait.',
  ),
  'storage.deleteGrace': duration(
    defaultStorageOptions.deleteGraceMs,
    0,
    365 * DAY,
    'How long the files of a deleted topic are kept.',
  ),
  'storage.ballastBytes': bytes(
    defaultStorageOptions.ballastBytes,
    0,
    16 * GIB,
    'Kept on disk as a reserve for checkpoints and deletes on a full disk.',
  ),
  'storage.retentionCheck': duration(
    defaultStorageOptions.retentionCheckMs,
    100,
    DAY,
    'How often retention and compaction look for something to do.',
  ),
  'storage.compactionBytesPerSecond': bytes(
    defaultStorageOptions.compactionBytesPerSecond,
    64 * KIB,
    16 * GIB,
    'Compaction reads no faster than this, each second.',
  ),
  'storage.compactionKeyBytes': bytes(
    defaultStorageOptions.compactionKeyBytesMax,
    64 * KIB,
    16 * GIB,
    'Memory for the keys of one pass of compaction; more keys take more passes.',
  ),
  'storage.openFiles': count(
    defaultStorageOptions.openFilesMax,
    16,
    1_000_000,
    'Segment files held open.',
  ),
  'storage.sendFile': toggle(
    true,
    'What is read from full segments over plain TCP goes to the socket by `sendfile`, where the optional `koffi` is installed.',
  ),
  'storage.scrubBytesPerSecond': bytes(
    defaultStorageOptions.scrubBytesPerSecond,
    0,
    4 * GIB,
    'Stored segments are read again and verified at this rate at most; 0 for not at all.',
  ),
  'storage.scrubInterval': duration(
    defaultStorageOptions.scrubIntervalMs,
    MINUTE,
    3_650 * DAY,
    'A segment is read again when it was last found good so long ago.',
  ),

  'backup.directory': text('', 'Where backups go; empty for `backups` in the data directory.'),

  'shutdown.deadline': duration(
    SHUTDOWN_MS_DEFAULT,
    0,
    60 * MINUTE,
    'How long a stop waits for what is in flight.',
  ),
} as const satisfies Record<string, ConfigKey>

export type ConfigPath = keyof typeof configTable

type ValueOf<Key> = Key extends { readonly kind: 'text' | 'choice' }
  ? string
  : Key extends { readonly kind: 'switch' }
    ? boolean
    : Key extends { readonly kind: 'port' }
      ? number | 'off'
      : number

export type ConfigValues = { readonly [Path in ConfigPath]: ValueOf<ConfigKeyOf<Path>> }
export type ConfigKeyOf<Path extends ConfigPath> = (typeof configTable)[Path]

export const configPaths = Object.keys(configTable) as readonly ConfigPath[]

export const isConfigPath = (path: string): path is ConfigPath => Object.hasOwn(configTable, path)

/** `native.port` is `MILLRACE_NATIVE__PORT`, `topics.segmentBytes` is `MILLRACE_TOPICS__SEGMENT_BYTES`. */
export const environmentNameOf = (path: string): string =>
  'MILLRACE_' +
  path
    .split('.')
    .map((part) => part.replace(/[A-Z]/g, '_$&').toUpperCase())
    .join('__')
