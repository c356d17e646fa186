export type {
  Clock,
  EngineLog,
  Environment,
  Random,
  TimerHandle,
  Timers,
} from './environment/environment.ts'
export type { Disk, DiskFile, DiskLock, OpenMode } from './environment/disk.ts'
export type {
  AppendCompletion,
  AppendOperation,
  Broker,
  BrokerOptions,
  BrokerStatus,
  QueueTotals,
  Caller,
  Cancellable,
  Durability,
  EngineSession,
  FetchOperation,
  OffsetAnswer,
  OffsetQuery,
  PartitionDescription,
  PartitionSubscription,
  Principal,
  PrincipalQuotas,
  FileRange,
  ReadLease,
  ReadResult,
  RecoveryReport,
  SessionOptions,
  StorageCounters,
  StorageOptions,
  SubscribeOperation,
  SubscriptionSink,
  TopicDescription,
  TopicEvent,
  TopicHandle,
  KeptMessages,
  TopicInspection,
  TopicSettings,
  TopicSettingsPatch,
  TopicSummary,
} from './engine/operations.ts'
export { TrafficCounters } from './engine/traffic.ts'
export type { DurationBuckets } from './log/latency-window.ts'
export { escapePattern, matchesPattern, parsePattern } from './identity/pattern.ts'
export type { NamePattern } from './identity/pattern.ts'
export {
  EVERY_USER,
  actions,
  formatResource,
  resourceKinds,
  sortActions,
} from './identity/permission.ts'
export type { Grant, Permission } from './identity/permission.ts'
export { GrantMatcher } from './identity/permission.ts'
export type { User, UserChange, UserDescription } from './identity/user.ts'
export { checkUserName } from './identity/user.ts'
export { Identity, brokerResource, checkAuthorized, notAuthorized } from './identity/identity.ts'
export type { BrokerArea, IdentityOptions } from './identity/identity.ts'
export type { IdentityStorage } from './identity/identity-store.ts'
export { systemPrincipal } from './identity/permission-authorizer.ts'
export type { Decision, DecisionReason } from './identity/permission-authorizer.ts'
export { volatileIdentityStorage } from './identity/volatile-storage.ts'
export type {
  BackupReport,
  CareCounters,
  ReportedFile,
  ReportedRange,
  StorageCheckReport,
} from './care/reports.ts'
export { backUpStopped } from './care/offline-backup.ts'
export { verifyBackup, type BackupProblem, type VerifiedBackup } from './care/backup-verify.ts'
export type { BackupFile, BackupManifest } from './care/backup-manifest.ts'
export { restoreBackup, type RestoreReport } from './care/restore.ts'
export { examine, type Examination } from './care/doctor.ts'
export { openBroker } from './engine/open-broker.ts'
export { createNodeEnvironment } from './environment/node-environment.ts'
export { DEFAULT_NAMESPACE, NAME_BYTES_MAX, checkName, checkNamespace } from './names.ts'
export { defaultTopicSettings } from './topic/topic-settings.ts'
export { defaultStorageOptions } from './log/limits.ts'
export type {
  Action,
  AuthenticationContext,
  AuthenticationExchange,
  AuthenticationStep,
  Authenticator,
  Authorizer,
  Connection,
  ConnectionLimits,
  Gateway,
  PasswordScheme,
  Meters,
  Resource,
  Services,
  Session,
  TlsPeer,
} from './gateway/contracts.ts'
export type {
  AlarmKind,
  Alarms,
  Quotas,
  QuotaUse,
  StrangerPass,
  Strangers,
} from './gateway/guards.ts'
export { QuotaGate, type QuotaGatePeer } from './gateway/quota-gate.ts'

export {
  PUBLISH_BUSY,
  type Binding,
  type Consumer,
  type ConsumerSink,
  type ConsumeRequest,
  type CreditPool,
  type DeadLetterEntry,
  type Delivery,
  type ExchangeDescription,
  type ExchangeSettings,
  type ExchangeType,
  type HeaderMatch,
  type MessageSource,
  type Messaging,
  type MessagingSession,
  type MessagingSessionOptions,
  type Outcome,
  type RedeliveryDelayOf,
  type OverflowPolicy,
  type Owner,
  type PropertyFormat,
  type QueueCounters,
  type QueueDescription,
  type QueuedMessage,
  type QueueSettings,
  type QueueSettingsPatch,
  type RoutingType,
  type TargetKind,
} from './engine/messaging.ts'

// For tools/bench, which measures routing with nothing around it.
export { BoundBinding } from './routing/bound-binding.ts'
export { defaultExchangeSettings } from './routing/exchange-settings.ts'
export type { ExchangeTable } from './routing/exchange-table.ts'
export { createExchange, openExchangeTable } from './routing/open-exchange-table.ts'
export type { RoutedMessage, RouteTarget } from './routing/route-target.ts'
