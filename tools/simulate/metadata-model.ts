/**
 * What the topics must be, by what the broker has acknowledged. A change whose outcome nobody heard
 * of may have happened, whole, or not; the first look after it decides which.
 */
import type { TopicDescription, TopicSettings, TopicSummary } from '@millrace/core'
import { InvariantViolation } from '@millrace/testing'
import { FEED_TOPIC } from './queues/topology.ts'

export interface TopicState {
  readonly namespace: string
  readonly topic: string
  readonly id: number
  readonly revision: number
  readonly settings: TopicSettings
  readonly partitionCount: number
}

/** What a change makes of a topic. Without an id it is a new one; `undefined`: there is none. */
export interface WantedTopic {
  readonly settings: Partial<TopicSettings>
  readonly partitionCount: number
}

export interface TopicChange {
  readonly kind: 'create' | 'alter' | 'delete'
  readonly namespace: string
  readonly topic: string
  readonly before: TopicState | undefined
  readonly after: WantedTopic | undefined
}

export interface LostPartition {
  readonly topicId: number
  readonly partition: number
}

export const stateOf = (description: TopicDescription): TopicState => ({
  namespace: description.namespace,
  topic: description.topic,
  id: description.id,
  revision: description.revision,
  settings: description.settings,
  partitionCount: description.partitions.length,
})

const keyOf = (namespace: string, topic: string): string => `${namespace}\n${topic}`

const differences = (actual: TopicState, wanted: WantedTopic): string[] => {
  const result: string[] = []
  if (actual.partitionCount !== wanted.partitionCount) {
    result.push(`${actual.partitionCount} partitions, not ${wanted.partitionCount}`)
  }
  for (const [name, value] of Object.entries(wanted.settings)) {
    const found = actual.settings[name as keyof TopicSettings]
    if (found !== value) result.push(`${name} ${found}, not ${value}`)
  }
  return result
}

const isSame = (left: TopicState, right: TopicState): boolean =>
  left.id === right.id && left.revision === right.revision && differences(left, right).length === 0

export class MetadataModel {
  readonly #topics = new Map<string, TopicState>()
  readonly #usedIds = new Map<number, string>()
  readonly namespaces = new Set<string>()
  /** Changes under way or of unknown outcome, at most one a topic. */
  readonly #pending = new Map<string, TopicChange>()

  topics(): TopicState[] {
    return [...this.#topics.values()]
  }

  get(namespace: string, topic: string): TopicState | undefined {
    return this.#topics.get(keyOf(namespace, topic))
  }

  isPending(namespace: string, topic: string): boolean {
    return this.#pending.has(keyOf(namespace, topic))
  }

  begin(change: TopicChange): void {
    this.#pending.set(keyOf(change.namespace, change.topic), change)
  }

  /** The broker has refused it: nothing has changed. */
  refuse(change: TopicChange): void {
    this.#pending.delete(keyOf(change.namespace, change.topic))
  }

  /** The broker has acknowledged it, with this state, or with none for a deletion. */
  accept(change: TopicChange, actual: TopicState | undefined): void {
    this.#pending.delete(keyOf(change.namespace, change.topic))
    this.#checkChange(change, actual)
    this.#adopt(change.namespace, change.topic, actual)
  }

  /** Holds what the broker lists after a restart against what it has acknowledged. */
  check(namespace: string, actual: ReadonlyMap<string, TopicState>): TopicChange[] {
    const names = new Set(actual.keys())
    for (const state of this.#topics.values())
      if (state.namespace === namespace) names.add(state.topic)
    const happened: TopicChange[] = []
    for (const name of names) {
      const change = this.#checkOne(namespace, name, actual.get(name))
      if (change !== undefined) happened.push(change)
    }
    for (const [key, change] of this.#pending) {
      if (change.namespace === namespace) this.#pending.delete(key)
    }
    return happened
  }

  /** Takes what is there for true: definitions are lost. Gives the partitions that are gone. */
  adoptAll(namespace: string, actual: ReadonlyMap<string, TopicState>): LostPartition[] {
    // What ids were used may be lost as well.
    this.#usedIds.clear()
    const gone: LostPartition[] = []
    for (const state of this.topics()) {
      if (state.namespace !== namespace) continue
      const found = actual.get(state.topic)
      const keptCount = found?.id === state.id ? found.partitionCount : 0
      for (let partition = keptCount; partition < state.partitionCount; partition++)
        gone.push({ topicId: state.id, partition })
      if (found?.id !== state.id) this.#adopt(namespace, state.topic, undefined)
    }
    for (const [topic, state] of actual) this.#adopt(namespace, topic, state)
    return gone
  }

  /** The pending change that turns out to have happened. */
  #checkOne(
    namespace: string,
    topic: string,
    actual: TopicState | undefined,
  ): TopicChange | undefined {
    const expected = this.get(namespace, topic)
    if (expected === undefined && actual === undefined) return undefined
    if (expected !== undefined && actual !== undefined && isSame(actual, expected)) return undefined
    const change = this.#pending.get(keyOf(namespace, topic))
    if (change === undefined) throw this.#violation(topic, expected, actual)
    this.#checkChange(change, actual)
    this.#adopt(namespace, topic, actual)
    return change
  }

  #violation(
    topic: string,
    expected: TopicState | undefined,
    actual: TopicState | undefined,
  ): Error {
    if (actual === undefined) return new InvariantViolation('META', `topic ${topic} is gone`)
    if (expected === undefined) {
      return new InvariantViolation(
        'META',
        `topic ${topic} (id ${actual.id}) is there, and nobody created it or it was deleted`,
      )
    }
    const what = differences(actual, expected).join(', ')
    return new InvariantViolation(
      'META',
      `topic ${topic} has id ${actual.id} revision ${actual.revision}, not ${expected.id} ${expected.revision}; ${what}`,
    )
  }

  #checkChange(change: TopicChange, actual: TopicState | undefined): void {
    const { topic, before, after } = change
    if ((actual === undefined) !== (after === undefined)) {
      throw new InvariantViolation(
        'META',
        `${change.kind} of ${topic}: it is ${actual === undefined ? 'not ' : ''}there`,
      )
    }
    if (actual === undefined || after === undefined) return
    const found = differences(actual, after)
    if (found.length > 0)
      throw new InvariantViolation('META', `${change.kind} of ${topic}: ${found.join(', ')}`)
    if (before !== undefined && (actual.id !== before.id || actual.revision <= before.revision)) {
      throw new InvariantViolation(
        'META',
        `${change.kind} of ${topic}: id ${before.id} revision ${before.revision} became ${actual.id} ${actual.revision}`,
      )
    }
    if (before === undefined && this.#usedIds.has(actual.id)) {
      throw new InvariantViolation(
        'META',
        `topic ${topic} has id ${actual.id}, which ${this.#usedIds.get(actual.id)} had`,
      )
    }
  }

  #adopt(namespace: string, topic: string, actual: TopicState | undefined): void {
    if (actual === undefined) {
      this.#topics.delete(keyOf(namespace, topic))
      return
    }
    this.#usedIds.set(actual.id, topic)
    this.#topics.set(keyOf(namespace, topic), actual)
  }
}

/** The states of all topics of a namespace, by name. */
export const readTopics = (
  names: readonly TopicSummary[],
  describe: (topic: string) => TopicDescription,
): Map<string, TopicState> => {
  // What exchanges lead to is the queues' affair.
  const own = names.filter(({ topic }) => topic !== FEED_TOPIC)
  return new Map(own.map(({ topic }) => [topic, stateOf(describe(topic))]))
}
