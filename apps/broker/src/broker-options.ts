/** From the flat configuration to what the engine and the protocols take. */
import { type BatchCompression, type BrokerError, propertyFormats } from '@millrace/codec'
import type { BrokerOptions, ConnectionLimits, TopicSettings } from '@millrace/core'
import { amqpPropertyFormat } from '@millrace/gateway-amqp'
import type { ConfigValues } from './config/config-table.ts'
import type { FileBudget } from './net/file-budget.ts'

export const limitsOf = (values: ConfigValues): ConnectionLimits => ({
  connectionsMax: values['limits.connections'],
  handshakeMsMax: values['limits.handshakeTime'],
  frameBytesMax: values['limits.frameBytes'],
  bodyBytesMax: values['limits.bodyBytes'],
  inFlightCountMax: values['limits.inFlightRequests'],
  inFlightBytesMax: values['limits.inFlightBytes'],
  outboundBytesMax: values['limits.outboundBytes'],
  subscriptionsMax: values['limits.subscriptions'],
})

/** In the configuration 0 stands for no limit, in a topic's settings -1. */
const orUnlimited = (value: number): number => (value === 0 ? -1 : value)

const topicDefaultsOf = (
  values: ConfigValues,
): TopicSettings & { readonly partitions: number } => ({
  partitions: values['topics.partitions'],
  durability: values['topics.durability'] as TopicSettings['durability'],
  segmentBytes: values['topics.segmentBytes'],
  segmentMs: values['topics.segmentTime'],
  timestampType: values['topics.timestampType'] as TopicSettings['timestampType'],
  batchBytesMax: values['topics.batchBytes'],
  retentionMs: orUnlimited(values['topics.retentionTime']),
  retentionBytes: orUnlimited(values['topics.retentionBytes']),
  cleanupPolicy: values['topics.cleanupPolicy'] as TopicSettings['cleanupPolicy'],
  compactionLagMs: values['topics.compactionLag'],
  tombstoneMs: values['topics.tombstoneTime'],
})

export const brokerOptionsOf = (
  values: ConfigValues,
  files: FileBudget,
  compression: BatchCompression,
  onFatal: (error: BrokerError) => void,
  isAuthorizationEnforced: NonNullable<BrokerOptions['isAuthorizationEnforced']>,
): BrokerOptions => ({
  isAuthorizationEnforced,
  compression,
  directory: values.dataDir,
  autoCreateTopics: values['topics.autoCreate'],
  topicDefaults: topicDefaultsOf(values),
  propertyFormats: new Map([[propertyFormats.amqp091, amqpPropertyFormat]]),
  topicsPerNamespaceMax: values['quotas.topics'],
  storage: {
    journalFileBytes: values['storage.journalFileBytes'],
    checkpointBytes: values['storage.checkpointBytes'],
    directAppendBytes: values['storage.directAppendBytes'],
    groupBytesMax: values['storage.groupBytes'],
    unflushedBytesMax: values['storage.unflushedBytes'],
    deleteGraceMs: values['storage.deleteGrace'],
    ballastBytes: values['storage.ballastBytes'],
    openFilesMax: files.storageFiles,
    producerExpiryMs: values['producers.expiry'],
    producersMax: values['producers.remembered'],
    retentionCheckMs: values['storage.retentionCheck'],
    compactionBytesPerSecond: values['storage.compactionBytesPerSecond'],
    compactionKeyBytesMax: values['storage.compactionKeyBytes'],
    scrubBytesPerSecond: values['storage.scrubBytesPerSecond'],
    scrubIntervalMs: values['storage.scrubInterval'],
  },
  ...(values['backup.directory'] === '' ? {} : { backupDirectory: values['backup.directory'] }),
  onFatal,
})
