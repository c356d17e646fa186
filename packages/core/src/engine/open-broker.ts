/** Opens a data directory and gives the engine's façade. The composition root of this package. */
import type { BrokerError } from '@millrace/codec'
import { StorageCare } from '../care/storage-care.ts'
import type { Environment } from '../environment/environment.ts'
import { GuardedBroker } from '../identity/guarded-broker.ts'
import { GuardedMessaging } from '../identity/guarded-messaging.ts'
import { Identity } from '../identity/identity.ts'
import { openIdentity } from '../log/format.ts'
import { defaultStorageOptions } from '../log/limits.ts'
import { recover } from '../log/recovery.ts'
import { makeDirectoryTree, parentOf } from '../log/small-file.ts'
import { LogStore } from '../log/store.ts'
import { createStoreParts, type RecoveredState, type StoreOptions } from '../log/store-parts.ts'
import { MetadataStore } from '../meta/metadata-store.ts'
import { LocalMessaging } from '../queue/local-messaging.ts'
import { Housekeeping } from '../topic/housekeeping.ts'
import { TopicRegistry, type TopicDefaults } from '../topic/topic-registry.ts'
import { applySettings, defaultTopicSettings } from '../topic/topic-settings.ts'
import { LocalBroker } from './local-broker.ts'
import { ProducerIds } from './producer-ids.ts'
import type { Broker, BrokerOptions } from './operations.ts'

const DEFAULT_PARTITIONS = 1
const TAIL_BYTES_MAX = 32 * 1_048_576

const storeOptionsOf = (options: BrokerOptions): StoreOptions => {
  const storage = { ...defaultStorageOptions, ...options.storage }
  return {
    ...storage,
    tailBytesMax: Math.min(TAIL_BYTES_MAX, storage.unflushedBytesMax),
    writeBehindBytes: Math.floor(storage.unflushedBytesMax / 4),
    poison: options.poisonFreedBuffers ?? false,
    compression: options.compression,
  }
}

/** With a check of permissions in front of every call. */
const guarded = (
  broker: LocalBroker,
  messaging: LocalMessaging,
  metadata: MetadataStore,
  options: BrokerOptions,
  { clock }: Environment,
): Broker => {
  const { isAuthorizationEnforced: isEnforced } = options
  const identity = new Identity({
    storage: metadata,
    clock,
    ...(isEnforced === undefined ? {} : { isEnforced }),
  })
  return new GuardedBroker(broker, identity, new GuardedMessaging(messaging, identity), options)
}

const topicDefaultsOf = ({ topicDefaults }: BrokerOptions): TopicDefaults => {
  const { partitions = DEFAULT_PARTITIONS, ...settings } = topicDefaults ?? {}
  return {
    partitions,
    settings: applySettings(defaultTopicSettings, settings, defaultTopicSettings),
  }
}

/** The crash story: another life would skip anew, to lower offsets than those that are shown by now. */
const keepSkips = async (store: LogStore, { hasSkipped }: RecoveredState): Promise<void> => {
  if (!hasSkipped) return
  await store.checkpoint().catch((error: unknown) => store.noteBackgroundError(error))
}

/**
 * Takes the directory (made when it is not there), recovers it and serves. Rejects with
 * ERR_DIRECTORY_LOCKED, ERR_DATA_FORMAT, or the operating system's error.
 */
export const openBroker = async (
  options: BrokerOptions,
  environment: Environment,
): Promise<Broker> => {
  const { directory } = options
  await makeDirectoryTree(environment.disk, directory)
  // The crash story: everything below is synced, and the directory's own name is not.
  await environment.disk.syncDirectory(parentOf(directory))
  const lock = await environment.disk.lock(directory)
  const opened: { close(): unknown }[] = []
  try {
    await openIdentity(directory, environment)
    const storeOptions = storeOptionsOf(options)
    const parts = createStoreParts(directory, environment, storeOptions)
    opened.push(parts.files)
    const recovered = await recover(directory, environment, storeOptions, parts)
    opened.push(recovered.pool)
    // The store tells the broker things; the broker is built on the store.
    const link: { broker: LocalBroker | undefined } = { broker: undefined }
    const store = new LogStore(directory, environment, storeOptions, parts, recovered, {
      onFatal: (error: BrokerError) => {
        link.broker?.stopServing()
        options.onFatal(error)
      },
      onDamage: (log, range) =>
        environment.log.error('damaged records are put aside', { log: log.label, ...range }),
      onRoom: () => link.broker?.resumeSessions(),
    })
    opened.push(store.journal)
    await keepSkips(store, recovered)
    const metadata = await MetadataStore.open(directory, environment, store)
    const defaults = topicDefaultsOf(options)
    const { deleteGraceMs } = storeOptions
    const registry = new TopicRegistry(environment, store, metadata, defaults, deleteGraceMs)
    const producerIds = new ProducerIds(store, metadata)
    const care = new StorageCare(store.care, {
      dataDirectory: directory,
      backupDirectory: options.backupDirectory ?? `${directory}/backups`,
      bytesPerSecond: storeOptions.scrubBytesPerSecond,
      intervalMs: storeOptions.scrubIntervalMs,
    })
    const housekeeping = new Housekeeping(environment, store, registry, storeOptions)
    const messaging = new LocalMessaging({
      environment,
      store,
      metadata,
      topics: registry,
      compression: options.compression,
      propertyFormats: options.propertyFormats,
      storage: storeOptions,
    })
    housekeeping.alsoCompact((compactor) => messaging.reclaim(compactor))
    await messaging.open()
    const owned = { options, environment, store, metadata, registry, producerIds, messaging, lock }
    const engine = { ...owned, housekeeping, care }
    link.broker = new LocalBroker(engine)
    void store.makeBallast()
    care.start()
    housekeeping.start()
    return guarded(link.broker, messaging, metadata, options, environment)
  } catch (error) {
    // What went wrong is told; that closing goes wrong after it tells nothing new.
    for (const each of opened.reverse()) await Promise.resolve(each.close()).catch(() => undefined)
    await lock.release()
    throw error
  }
}
