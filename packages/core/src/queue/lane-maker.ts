/** Builds queues of each kind: in memory, stored, a view of a topic, a stream. */
import { BrokerError } from '@millrace/codec'
import type { QueueSettings } from '../engine/messaging.ts'
import type { Environment } from '../environment/environment.ts'
import type { Log, LogSettings } from '../log/log.ts'
import type { LogStore } from '../log/store.ts'
import type { RouteTarget } from '../routing/route-target.ts'
import type { TopicRegistry } from '../topic/topic-registry.ts'
import type { Topic } from '../topic/topic.ts'
import { recoverWindow } from './dedup-recovery.ts'
import { DelayedLane } from './delayed-lane.ts'
import type { Lane } from './lane.ts'
import { LedgerLog, type LedgerPlace, type LedgerSizes } from './ledger-log.ts'
import { LedgerWriter } from './ledger-record.ts'
import type { LedgerSchedule } from './ledger-schedule.ts'
import { LEDGER_SEGMENT_BYTES } from './limits.ts'
import type { MemoryBudget } from './memory-budget.ts'
import { MemoryLane } from './memory-lane.ts'
import { readMessage } from './message-record.ts'
import { isHidden, type QueueDefinition } from './queue-definition.ts'
import type { QueueParts } from './queue-parts.ts'
import { Queue } from './queue.ts'
import type { SpillParts } from './spill.ts'
import { StoredLane, type StoredLaneParts } from './stored-lane.ts'
import { readTopicRecord } from './topic-record.ts'
import type { TopicTargets } from './topic-targets.ts'

const PRIORITY_STRIDE = 256
/** Partitions of a topic at most. */
const TOPIC_STRIDE = 1_024

const segmentMs = Number.MAX_SAFE_INTEGER
const ledgerSettings = { segmentBytes: LEDGER_SEGMENT_BYTES, segmentMs }

export interface LaneMakerParts {
  readonly environment: Environment
  readonly store: LogStore
  readonly topics: TopicRegistry
  readonly targets: TopicTargets
  readonly schedule: LedgerSchedule
  readonly memory: MemoryBudget
  readonly spill: SpillParts
  readonly segmentBytes: number
  readonly sizes: LedgerSizes
  readonly lanes: StoredLaneParts
  readonly queues: QueueParts
  /** The topic of a view or a stream is gone: the queue goes too. */
  orphaned(queue: Queue): void
}

export class LaneMaker {
  readonly #parts: LaneMakerParts
  readonly #writer = new LedgerWriter()
  /** One for all of them. */
  readonly #logSettings: LogSettings

  constructor(parts: LaneMakerParts) {
    this.#parts = parts
    this.#logSettings = { segmentBytes: parts.segmentBytes, segmentMs }
  }

  /** What a binding to it leads to. */
  targetOf(queue: Queue): RouteTarget {
    if (!queue.settings.isStream) return queue
    const topic = this.#topicOf(queue.definition)
    return topic === undefined ? queue : this.#parts.targets.of(topic)
  }

  makeInMemory(definition: QueueDefinition, owner: object | undefined): Queue {
    const queue = new Queue(definition, owner, this.#parts.queues)
    const { settings } = definition
    const stride = settings.priorityMax === undefined ? 1 : PRIORITY_STRIDE
    queue.lanes = Array.from({ length: (settings.priorityMax ?? 0) + 1 }, (_, index) => {
      return new MemoryLane(this.#parts.memory, this.#parts.spill, { home: queue, index, stride })
    })
    return queue
  }

  /** What has to be there before the queue is. */
  async prepare(namespace: string, name: string, settings: QueueSettings): Promise<void> {
    const { topics } = this.#parts
    if (settings.topic !== undefined) return void topics.get(namespace, settings.topic)
    if (settings.isStream && topics.find(namespace, name) === undefined)
      throw new BrokerError('ERR_TOPIC_NOT_FOUND', [name])
    return Promise.resolve()
  }

  createLogs({ priorityMax, topic, isStream }: QueueSettings): {
    logIds: number[]
    ledgerLogId: number
  } {
    if (isStream) return { logIds: [], ledgerLogId: -1 }
    const { logs } = this.#parts.store
    const create = (): number => logs.create(this.#logSettings, { isVolatile: false }).id
    const count = topic === undefined ? (priorityMax ?? 0) + 1 : 0
    const logIds = Array.from({ length: count }, create)
    // Made with its first use: a queue that nobody consumes from has no ledger.
    return { logIds, ledgerLogId: logs.reserveId() }
  }

  makeNew(definition: QueueDefinition): Queue {
    const queue = new Queue(definition, undefined, this.#parts.queues)
    const lanes = this.#arrange(queue, true)
    if (definition.settings.topic !== undefined) {
      // It begins with what comes from now on, and a restart must know where that was.
      for (const lane of lanes) lane.ledger.settled.raiseFloor(lane.log.highWatermark)
      for (const lane of lanes) lane.recovered()
      queue.ledgerLog?.writeWhole()
    }
    return queue
  }

  /** `undefined` when the topic that it is a view of is gone. */
  async makeStored(definition: QueueDefinition): Promise<Queue | undefined> {
    const { isStream, topic } = definition.settings
    const isView = isStream || topic !== undefined
    if (isView && this.#topicOf(definition) === undefined) {
      this.#parts.environment.log.error('a queue lost its topic', { queue: definition.name })
      return undefined
    }
    const queue = new Queue(definition, undefined, this.#parts.queues)
    const lanes = this.#arrange(queue, false)
    await queue.ledgerLog?.recover()
    for (const lane of lanes) lane.recovered()
    const { store, environment, queues } = this.#parts
    await recoverWindow(queue, { store, log: environment.log, clock: queues.clock })
    return queue
  }

  #arrange(queue: Queue, isNew: boolean): StoredLane[] {
    const { definition } = queue
    const { settings } = definition
    const topic = this.#topicOf(definition)
    if (topic !== undefined) this.#watch(queue, topic)
    if (settings.isStream) {
      queue.stream = topic
      return []
    }
    const logs = settings.topic === undefined ? this.#logsOf(definition) : topicLogs(topic)
    const isOfTopic = settings.topic !== undefined
    const ledgerLog = new LedgerLog(
      { ...this.#parts, writer: this.#writer },
      this.#ledgerPlace(definition, isNew),
      logs.map((log) => log.earliestOffset),
      queue,
    )
    const stride = isOfTopic ? TOPIC_STRIDE : logs.length === 1 ? 1 : PRIORITY_STRIDE
    const lanes = logs.map((log, index) => this.#lane(queue, ledgerLog, log, index, stride))
    queue.ledgerLog = ledgerLog
    queue.lanes = lanes
    return lanes
  }

  #lane(queue: Queue, ledgers: LedgerLog, log: Log, index: number, stride: number): StoredLane {
    const isOfTopic = queue.settings.topic !== undefined
    const place = { home: queue, index, stride }
    const ledger = ledgers.ledgers[index]!
    if (isHidden(queue)) return new DelayedLane(this.#parts.lanes, place, log, ledger, readMessage)
    const read = isOfTopic ? readTopicRecord : readMessage
    const lane = new StoredLane(this.#parts.lanes, place, log, ledger, read)
    if (isOfTopic) {
      const watcher = (): void => lane.follow()
      log.watch(watcher)
      queue.onEnd(() => log.unwatch(watcher))
    }
    return lane
  }

  /** New partitions join, from their beginning; a topic that is deleted takes the queue along. */
  #watch(queue: Queue, topic: Topic): void {
    const listener: Parameters<Topic['listeners']['add']>[0] = (event) => {
      if (event.kind === 'deleted') return this.#parts.orphaned(queue)
      const { ledgerLog } = queue
      if (ledgerLog === undefined) return
      const lanes: Lane[] = [...queue.lanes]
      for (const log of topicLogs(topic).slice(lanes.length)) {
        ledgerLog.addLane(log.earliestOffset)
        lanes.push(this.#lane(queue, ledgerLog, log, lanes.length, TOPIC_STRIDE))
      }
      queue.lanes = lanes
      queue.wake()
    }
    topic.listeners.add(listener)
    queue.onEnd(() => topic.listeners.delete(listener))
  }

  #topicOf({ namespace, name, settings }: QueueDefinition): Topic | undefined {
    const topic = settings.isStream ? name : settings.topic
    return topic === undefined ? undefined : this.#parts.topics.find(namespace, topic)
  }

  #logsOf({ name, logIds, ofExchange }: QueueDefinition): Log[] {
    const label = ofExchange === undefined ? name : `exchange ${name}`
    return logIds.map((id, index) => this.#log(id, `${label}/${index}`))
  }

  #ledgerPlace({ name, ledgerLogId: id }: QueueDefinition, isNew: boolean): LedgerPlace {
    const { logs } = this.#parts.store
    const known = logs.get(id)
    return {
      log: known === undefined ? undefined : asLedger(known, name),
      begin: () => asLedger(logs.begin(id, ledgerSettings, isNew), name),
    }
  }

  /** The crash story: its creation was in a damaged group of the journal, its definition was not. */
  #log(id: number, label: string): Log {
    const { logs } = this.#parts.store
    const log = logs.get(id) ?? logs.restore(id, this.#logSettings, false)
    log.settings = this.#logSettings
    log.label = label
    return log
  }
}

const asLedger = (log: Log, queue: string): Log => {
  log.settings = ledgerSettings
  log.label = `${queue} (ledger)`
  return log
}

const topicLogs = (topic: Topic | undefined): Log[] =>
  (topic?.logs ?? []).filter((log) => log !== undefined)
