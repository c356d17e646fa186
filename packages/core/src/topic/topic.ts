/** A topic: its definition as of a revision, and the logs of its partitions. */
import type { TopicEvent, TopicHandle, TopicSettings } from '../engine/operations.ts'
import { TrafficCounters } from '../engine/traffic.ts'
import type { Log } from '../log/log.ts'

/** What the metadata stores of a topic. */
export interface TopicDefinition {
  readonly id: number
  readonly namespace: string
  readonly name: string
  readonly revision: number
  readonly createdAtMs: number
  readonly settings: TopicSettings
  /** The log of each partition, in order of partition. */
  readonly logIds: readonly number[]
}

export class Topic {
  definition: TopicDefinition
  /** `undefined` for a partition whose log was not recovered. */
  readonly logs: (Log | undefined)[]
  readonly listeners = new Set<(event: TopicEvent) => void>()
  isDeleted = false
  /** Since the broker was opened. */
  readonly traffic: TrafficCounters = new TrafficCounters()

  constructor(definition: TopicDefinition, logs: readonly (Log | undefined)[]) {
    this.definition = definition
    this.logs = [...logs]
    this.applySettings()
  }

  get handle(): TopicHandle {
    const { id, namespace, name, logIds, settings } = this.definition
    return {
      topicId: id,
      generation: id,
      namespace,
      topic: name,
      partitionCount: logIds.length,
      durability: settings.durability,
    }
  }

  applySettings(): void {
    const { segmentBytes, segmentMs } = this.definition.settings
    this.logs.forEach((log, partition) => {
      if (log === undefined) return
      log.settings = { segmentBytes, segmentMs }
      log.label = `${this.definition.name}/${partition}`
    })
  }

  emit(event: TopicEvent): void {
    for (const listener of [...this.listeners]) listener(event)
  }
}
