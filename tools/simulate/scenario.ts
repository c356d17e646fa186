/** The shape of one seed's world: small sizes, so that everything rare happens often. */
import type { Durability, StorageOptions, TopicSettings } from '@millrace/core'
import type { DiskLatency, SeededRandom } from '@millrace/testing'

export interface Scenario {
  readonly storage: Partial<StorageOptions>
  readonly latency: DiskLatency
  /** Processes that are started and ended before the last one, which ends in peace. */
  readonly lifeCount: number
  /** Operations of one life before it ends. */
  readonly operationsPerLife: number
  readonly producerCount: number
  readonly readerCount: number
  readonly subscriberCount: number
  readonly idempotentCount: number
  /** Exchanges and queues are used too, by so many of each; in a share of the seeds. */
  readonly queuePublisherCount: number
  readonly queueConsumerCount: number
  /** What producers send, in bytes of a value. */
  readonly valueBytesMax: number
  readonly recordCountMax: number
  /** The mean pause between two operations of one actor. */
  readonly pauseUs: number
}

const KIB = 1024
/** Of the seeds, those with exchanges and queues. */
const QUEUE_SHARE = 0.25
const DAY_MS = 24 * 3_600_000

const storageOf = (random: SeededRandom): Partial<StorageOptions> => ({
  journalFileBytes: random.pick([16, 32, 64, 128]) * KIB,
  checkpointBytes: random.pick([16, 32, 64, 128, 256]) * KIB,
  directAppendBytes: random.pick([4, 8, 16, 64]) * KIB,
  groupBytesMax: random.pick([4, 16, 64, 256]) * KIB,
  unflushedBytesMax: random.pick([16, 64, 256]) * KIB,
  deleteGraceMs: random.pick([0, 5, 50, 1000]),
  ballastBytes: random.pick([4, 16]) * KIB,
  openFilesMax: random.pick([8, 16, 64]),
  fileRangeBytesMin: 500,
  producerExpiryMs: random.pick([DAY_MS, DAY_MS, DAY_MS, DAY_MS, DAY_MS, 40, 200]),
  producersMax: random.pick([10_000, 10_000, 10_000, 10_000, 10_000, 10_000, 2]),
  retentionCheckMs: random.pick([4, 15, 60, 60_000]),
  compactionKeyBytesMax: random.pick([300, 1_000_000, 1_000_000]),
  queueSegmentBytes: random.pick([64, 128, 256]) * KIB,
  ledgerBytesMin: random.pick([100, 1000, 10_000]),
  deliveryCeilingStep: random.pick([4, 32, 4096]),
  emptySegmentBytesMin: random.pick([1, 4]) * KIB,
  memoryQueueBytesMax: random.pick([1, 8, 256 * KIB]) * KIB,
  compactionBytesPerSecond: random.pick([2_000_000, 32 * KIB * KIB]),
})

const latencyOf = (random: SeededRandom): DiskLatency => ({
  readUs: [3, random.pick([40, 400])],
  writeUs: [3, random.pick([40, 400])],
  syncUs: [random.pick([20, 200]), random.pick([400, 2000, 6000])],
  namesUs: [3, random.pick([40, 400])],
})

export const createScenario = (random: SeededRandom): Scenario => {
  const scenario = createTopicScenario(random)
  if (!random.chance(QUEUE_SHARE)) return scenario
  return {
    ...scenario,
    operationsPerLife: Math.ceil(0.7 * scenario.operationsPerLife),
    producerCount: 1,
    readerCount: 1,
    subscriberCount: random.between(0, 1),
    idempotentCount: random.between(0, 1),
    queuePublisherCount: random.between(1, 3),
    queueConsumerCount: random.between(1, 4),
  }
}

const createTopicScenario = (random: SeededRandom): Scenario => ({
  storage: storageOf(random),
  latency: latencyOf(random),
  lifeCount: random.between(2, 5),
  operationsPerLife: random.between(50, 160),
  producerCount: random.between(1, 4),
  readerCount: random.between(1, 2),
  subscriberCount: random.between(0, 2),
  idempotentCount: random.between(0, 2),
  queuePublisherCount: 0,
  queueConsumerCount: 0,
  valueBytesMax: random.pick([32, 200, 1000, 3000]),
  recordCountMax: random.pick([1, 4, 16]),
  pauseUs: random.pick([100, 400, 1500]),
})

type RetentionSettings = Partial<
  Pick<
    TopicSettings,
    'retentionMs' | 'retentionBytes' | 'cleanupPolicy' | 'compactionLagMs' | 'tombstoneMs'
  >
>

/** Short enough for a simulated life, or not at all. */
export const retentionSettings = (
  random: SeededRandom,
  durability: Durability,
): RetentionSettings => ({
  retentionMs: random.pick([-1, -1, 5, 30, 100, 3_000_000]),
  retentionBytes: random.pick([-1, -1, 0, 10_000, 60_000]),
  // Only what is synced is compacted.
  ...(random.chance(0.3) && durability === 'persisted' ? compactionSettings(random) : {}),
})

const compactionSettings = (random: SeededRandom): RetentionSettings => ({
  cleanupPolicy: random.pick(['compact', 'compact', 'compact', 'compact,delete']),
  compactionLagMs: random.pick([0, 0, 0, 20, 3_000_000]),
  tombstoneMs: random.pick([0, 0, 10, 3_000_000]),
})

/** Settings of a new topic. A batch may be a quarter of a segment. */
export const createSettings = (
  random: SeededRandom,
): Pick<
  TopicSettings,
  'durability' | 'segmentBytes' | 'segmentMs' | 'timestampType' | 'batchBytesMax'
> &
  RetentionSettings => {
  const durability = random.chance(0.75) ? 'persisted' : 'memory'
  const segmentBytes = random.pick([8, 16, 64, 128, 256]) * KIB
  return {
    durability,
    segmentBytes,
    segmentMs: random.pick([1000, 3_600_000]),
    timestampType: random.chance(0.8) ? 'create' : 'append',
    batchBytesMax: segmentBytes / 4,
    ...(random.chance(0.35) ? retentionSettings(random, durability) : {}),
    ...(random.chance(0.25) && durability === 'persisted' ? compactionSettings(random) : {}),
  }
}
