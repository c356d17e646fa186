/**
 * What keeps one peer from using up what belongs to all, and counts what they do: made once for the
 * process, asked by every protocol.
 */
import type { Broker } from '@millrace/core'
import { AlarmWatch } from './alarms/alarm-watch.ts'
import { IdleCollection } from './alarms/idle-collection.ts'
import { diskLimitOf, memoryLimitOf, readMemoryBytes } from './alarms/machine.ts'
import { collectGarbage, ProcessMemory } from './alarms/process-memory.ts'
import type { ConfigValues } from './config/config-table.ts'
import { BrokerMeters } from './metrics/broker-meters.ts'
import { PrincipalQuotaBook } from './quota/principal-quotas.ts'
import { StrangerBook } from './quota/stranger-book.ts'
import type { ServerOptions } from './server.ts'

export interface Guards {
  readonly meters: BrokerMeters
  readonly quotas: PrincipalQuotaBook
  readonly alarms: AlarmWatch
  readonly idleCollection: IdleCollection
  readonly strangers: StrangerBook
}

/** `diskBytes`: the size of the file system of the data directory, where it is known. */
export const createGuards = (
  options: ServerOptions,
  broker: Broker,
  diskBytes: number | undefined,
): Guards => ({
  meters: new BrokerMeters(),
  quotas: createQuotas(options),
  alarms: createAlarms(options, broker, diskBytes),
  idleCollection: new IdleCollection({
    cpuMs: () => cpuMsOf(process.cpuUsage()),
    heapBytes: () => process.memoryUsage().heapTotal,
    collectGarbage,
    timers: options.environment.timers,
  }),
  strangers: createStrangers(options.values),
})

const cpuMsOf = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1_000

const createQuotas = ({ values, environment }: ServerOptions): PrincipalQuotaBook =>
  new PrincipalQuotaBook(
    {
      bytesInPerSecond: values['quotas.bytesInPerSecond'],
      bytesOutPerSecond: values['quotas.bytesOutPerSecond'],
      connections: values['quotas.connections'],
      topics: values['quotas.topics'],
    },
    environment.clock,
  )

const createAlarms = (
  { values, environment, usedMemoryBytes }: ServerOptions,
  broker: Broker,
  diskBytes: number | undefined,
): AlarmWatch => {
  const { timers, log, disk } = environment
  const memory = new ProcessMemory()
  return new AlarmWatch({
    memoryBytesMax: memoryLimitOf(values['alarms.memoryBytes'], readMemoryBytes()),
    diskFreeBytesMin: diskLimitOf(values['alarms.diskFreeBytes'], diskBytes),
    usedMemoryBytes: usedMemoryBytes ?? (() => memory.usedBytes),
    collectGarbage,
    freeDiskBytes: () => disk.freeBytes(values.dataDir),
    isStorageFull: () => broker.status().storage.isFull,
    timers,
    log,
  })
}

const createStrangers = (values: ConfigValues): StrangerBook =>
  new StrangerBook({
    perAddressMax: values['limits.unauthenticatedPerAddress'],
    bytesMax: values['limits.unauthenticatedBytes'],
  })
