/** Topics as a program manages them, and what there is of exchanges and queues. Every call is one request. */
import {
  type BackedUp,
  type Binding,
  type ExchangeDescription,
  Opcode,
  type PartitionEarliest,
  type PartitionOffset,
  type QueueDescription,
  type StorageChecked,
  type TopicDescription,
  type TopicSettings,
  type TopicSummary,
  decodeBackedUp,
  decodeOffsetsListed,
  decodeRecordsDeleted,
  decodeStorageChecked,
  decodeTopicDeleted,
  decodeTopicDescription,
  decodeTopicListed,
  decodeTopicTruncated,
  encodeBackup,
  encodeListOffsets,
  encodeRecordsDelete,
  encodeStorageCheck,
  encodeTopicAlter,
  encodeTopicCreate,
  encodeTopicDelete,
  encodeTopicDescribe,
  encodeTopicList,
  encodeTopicTruncate,
} from '@millrace/protocol'
import { checkInteger, checkOffset, checkTopic, isDate } from './check.ts'
import { invalidArgument } from './errors.ts'
import { PermissionAdmin, UserAdmin } from './identity-admin.ts'
import {
  type BindingListOptions,
  listBindings,
  listExchanges,
  listQueues,
  type NameListOptions,
} from './queue/messaging-requests.ts'
import type { BrokerSession } from './session/broker-session.ts'

/** On every call: ends the wait with ERR_ABORTED; the broker may still do what was asked. */
export interface AbortOptions {
  readonly signal?: AbortSignal
}

/** What is not `partitions`, `ifNotExists` or `signal` is a setting: `durability` and the like. */
export interface CreateTopicOptions extends AbortOptions {
  /** Default: the broker's setting. */
  readonly partitions?: number
  /** Describe the topic if it exists, instead of ERR_TOPIC_EXISTS. Default: false. */
  readonly ifNotExists?: boolean
  readonly [setting: string]: unknown
}

export interface AlterTopicOptions extends AbortOptions {
  /** More partitions than before; there is no way back. */
  readonly partitions?: number
  /** Only if the topic still has this revision, else ERR_REVISION_CONFLICT. */
  readonly revision?: number
  /** A setting of `null` goes back to its default. */
  readonly [setting: string]: unknown
}

export interface DeleteTopicOptions extends AbortOptions {
  readonly revision?: number
}

export interface ListTopicsOptions extends AbortOptions {
  /** Only names that begin so. */
  readonly prefix?: string
}

export interface ListOffsetsOptions extends AbortOptions {
  /** Default: all. */
  readonly partitions?: readonly number[]
}

export interface CheckStorageOptions extends AbortOptions {
  /** Default: everything. */
  readonly topic?: string
}

export interface BackUpOptions extends AbortOptions {
  /** Default: one that the broker's clock gives. */
  readonly name?: string
}

/** `start`, `end`, or the first offset that is not older than a moment (a Date, or ms since 1970). */
export type OffsetMoment = 'start' | 'end' | Date | number

const PARTITIONS_MAX = 0xffff_ffff

const momentOf = (at: OffsetMoment): 'earliest' | 'latest' | number => {
  if (at === 'start') return 'earliest'
  if (at === 'end') return 'latest'
  if (typeof at === 'number') return checkOffset('at', at)
  if (isDate(at)) return checkOffset('at', at.getTime())
  throw invalidArgument('at', "give 'start', 'end', a Date or ms since 1970")
}

const checkPartitions = (partitions: number | undefined): number | undefined =>
  partitions === undefined ? undefined : checkInteger('partitions', partitions, 1, PARTITIONS_MAX)

/** Left of `settings: { … }` and `durability: …` side by side: both ways to say it are one. */
const settingsOf = (rest: Record<string, unknown>): TopicSettings => {
  const { settings, ...named } = rest
  return { ...(settings as TopicSettings | undefined), ...named }
}

export class Admin {
  readonly users: UserAdmin
  readonly permissions: PermissionAdmin
  readonly #session: () => BrokerSession

  constructor(session: () => BrokerSession) {
    this.#session = session
    this.users = new UserAdmin(session)
    this.permissions = new PermissionAdmin(session)
  }

  /** ERR_TOPIC_EXISTS, ERR_INVALID_NAME, ERR_INVALID_ARGUMENT, ERR_UNSUPPORTED_DURABILITY. */
  async createTopic(topic: string, options: CreateTopicOptions = {}): Promise<TopicDescription> {
    const { partitions, ifNotExists, signal, ...rest } = options
    const body = encodeTopicCreate({
      topic: checkTopic(topic),
      partitions: checkPartitions(partitions),
      settings: settingsOf(rest),
      ifNotExists,
    })
    return this.#session().call(Opcode.TOPIC_CREATE, body, decodeTopicDescription, { signal })
  }

  /** The topics of the namespace that this client may see. */
  async listTopics(options: ListTopicsOptions = {}): Promise<readonly TopicSummary[]> {
    const { prefix, signal } = options
    const topics: TopicSummary[] = []
    for (let after: string | undefined; ; after = topics.at(-1)?.topic) {
      const body = encodeTopicList({ prefix, after })
      const page = await this.#session().call(Opcode.TOPIC_LIST, body, decodeTopicListed, {
        signal,
        isSafe: true,
      })
      topics.push(...page.topics)
      // A broker that says "more" and sends nothing would be asked for ever.
      if (page.more !== true || page.topics.length === 0) return topics
    }
  }

  /** ERR_TOPIC_NOT_FOUND. */
  async describeTopic(topic: string, options: AbortOptions = {}): Promise<TopicDescription> {
    const body = encodeTopicDescribe({ topic: checkTopic(topic) })
    const { signal } = options
    return this.#session().call(Opcode.TOPIC_DESCRIBE, body, decodeTopicDescription, {
      signal,
      isSafe: true,
    })
  }

  /** In place, at once. ERR_TOPIC_NOT_FOUND, ERR_REVISION_CONFLICT, ERR_INVALID_ARGUMENT. */
  async alterTopic(topic: string, options: AlterTopicOptions): Promise<TopicDescription> {
    const { partitions, revision, signal, ...rest } = options
    const body = encodeTopicAlter({
      topic: checkTopic(topic),
      settings: settingsOf(rest),
      partitions: checkPartitions(partitions),
      revision,
    })
    return this.#session().call(Opcode.TOPIC_ALTER, body, decodeTopicDescription, { signal })
  }

  /** ERR_TOPIC_NOT_FOUND, ERR_REVISION_CONFLICT. */
  async deleteTopic(topic: string, options: DeleteTopicOptions = {}): Promise<void> {
    const { revision, signal } = options
    const body = encodeTopicDelete({ topic: checkTopic(topic), revision })
    await this.#session().call(Opcode.TOPIC_DELETE, body, decodeTopicDeleted, { signal })
  }

  /** Where each partition stood at a moment. ERR_TOPIC_NOT_FOUND, ERR_PARTITION_NOT_FOUND. */
  async listOffsets(
    topic: string,
    at: OffsetMoment,
    options: ListOffsetsOptions = {},
  ): Promise<readonly PartitionOffset[]> {
    const { partitions, signal } = options
    const body = encodeListOffsets({ topic: checkTopic(topic), partitions, at: momentOf(at) })
    const decode = (answer: Uint8Array): readonly PartitionOffset[] =>
      decodeOffsetsListed(answer).offsets
    return this.#session().call(Opcode.LIST_OFFSETS, body, decode, { signal, isSafe: true })
  }

  /**
   * Removes the messages of a partition below an offset, `'end'` for all there are; what it begins
   * with afterwards. It cannot be undone. ERR_OFFSET_OUT_OF_RANGE, ERR_PARTITION_NOT_FOUND.
   */
  async deleteRecords(
    topic: string,
    before: Readonly<Record<number, number | 'end'>>,
    options: AbortOptions = {},
  ): Promise<readonly PartitionEarliest[]> {
    const partitions = Object.entries(before).map(([partition, offset]) => ({
      partition: checkInteger('partition', Number(partition), 0, PARTITIONS_MAX),
      before: offset === 'end' ? -1 : checkOffset(`before.${partition}`, offset),
    }))
    const body = encodeRecordsDelete({ topic: checkTopic(topic), partitions })
    const decode = (answer: Uint8Array): readonly PartitionEarliest[] =>
      decodeRecordsDeleted(answer).partitions
    const { signal } = options
    return this.#session().call(Opcode.RECORDS_DELETE, body, decode, { signal, isSafe: true })
  }

  /**
   * Removes the messages of a partition from an offset on; the offset of the next one, as those that
   * are gone are never used again. It cannot be undone. ERR_OFFSET_OUT_OF_RANGE.
   */
  async truncateTopic(
    topic: string,
    partition: number,
    from: number,
    options: AbortOptions = {},
  ): Promise<number> {
    const body = encodeTopicTruncate({
      topic: checkTopic(topic),
      partition: checkInteger('partition', partition, 0, PARTITIONS_MAX),
      from: checkOffset('from', from),
    })
    const decode = (answer: Uint8Array): number => decodeTopicTruncated(answer).next
    const { signal } = options
    return this.#session().call(Opcode.TOPIC_TRUNCATE, body, decode, { signal })
  }

  /** The exchanges of the namespace that this client may see. */
  listExchanges(options: NameListOptions = {}): Promise<readonly ExchangeDescription[]> {
    return listExchanges(this.#session(), options)
  }

  listQueues(options: NameListOptions = {}): Promise<readonly QueueDescription[]> {
    return listQueues(this.#session(), options)
  }

  /** Those of which all the fields given are so. */
  listBindings(options: BindingListOptions = {}): Promise<readonly Binding[]> {
    return listBindings(this.#session(), options)
  }

  /**
   * Reads what the broker has stored, all of it or a topic, and says what is damaged. It takes as long
   * as the reading: give a `requestTimeoutMs` to match. ERR_BUSY while another check runs.
   */
  async checkStorage(options: CheckStorageOptions = {}): Promise<StorageChecked> {
    const { topic, signal } = options
    const body = encodeStorageCheck(topic === undefined ? {} : { topic: checkTopic(topic) })
    return this.#session().call(Opcode.STORAGE_CHECK, body, decodeStorageChecked, { signal })
  }

  /**
   * A consistent backup of everything, on the broker's machine. It takes as long as the copying: give
   * a `requestTimeoutMs` to match. ERR_BUSY while another backup runs.
   */
  async backUp(options: BackUpOptions = {}): Promise<BackedUp> {
    const { name, signal } = options
    const body = encodeBackup(name === undefined ? {} : { name })
    return this.#session().call(Opcode.BACKUP, body, decodeBackedUp, { signal })
  }
}
