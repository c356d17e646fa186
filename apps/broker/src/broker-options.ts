/** From the flat configuration to what the engine and the protocols take. */
import type { BatchCompression, BrokerError } from '@millrace/codec'
import type { BrokerOptions, ConnectionLimits, TopicSettings } from '@millrace/core'
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

const topicDefaultsOf = (
  values: ConfigValues,
): TopicSettings & { readonly partitions: number } => ({
  partitions: values['topics.partitions'],
  durability: values['topics.durability'] as TopicSettings['durability'],
  segmentBytes: values['topics.segmentBytes'],
  segmentMs: values['topics.segmentTime'],
  timestampType: values['topics.timestampType'] as TopicSettings['timestampType'],
  batchBytesMax: values['topics.batchBytes'],
})

export const brokerOptionsOf = (
  values: ConfigValues,
  files: FileBudget,
  compression: BatchCompression,
  onFatal: (error: BrokerError) => void,
): BrokerOptions => ({
  compression,
  directory: values.dataDir,
  autoCreateTopics: values['topics.autoCreate'],
  topicDefaults: topicDefaultsOf(values),
  storage: {
    journalFileBytes: values['storage.journalFileBytes'],
    checkpointBytes: values['storage.checkpointBytes'],
    directAppendBytes: values['storage.directAppendBytes'],
    groupBytesMax: values['storage.groupBytes'],
    unflushedBytesMax: values['storage.unflushedBytes'],
    deleteGraceMs: values['storage.deleteGrace'],
    ballastBytes: values['storage.ballastBytes'],
    openFilesMax: files.storageFiles,
  },
  onFatal,
})
