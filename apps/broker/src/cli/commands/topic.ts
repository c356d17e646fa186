/** `millrace topic create|list|describe|alter|delete|delete-records|truncate`. */
import { parseBytes, parseDuration } from '../../config/units.ts'
import { confirm } from '../confirm.ts'
import { UsageError } from '../failure.ts'
import { formatJson, formatJsonLines, formatTable, type OutputForm } from '../output.ts'
import { type ClientOptions, withClient } from '../with-client.ts'

interface TopicOptions extends ClientOptions {
  readonly output?: OutputForm
}

interface SettableOptions extends TopicOptions {
  readonly partitions?: number
  readonly durability?: string
  readonly set?: readonly string[]
  readonly retentionMs?: string
  readonly retentionBytes?: string
  readonly cleanupPolicy?: string
  readonly compactionLagMs?: string
  readonly tombstoneMs?: string
}

/** Settings with a flag of their own, which has their name. */
const flaggedSettings = [
  'durability',
  'retentionMs',
  'retentionBytes',
  'cleanupPolicy',
  'compactionLagMs',
  'tombstoneMs',
] as const

interface Description {
  readonly topic: string
  readonly id: number
  readonly revision: number
  readonly createdAt: number
  readonly settings: Readonly<Record<string, unknown>>
  readonly partitions: readonly {
    readonly partition: number
    readonly earliest: number
    readonly next: number
    readonly highWatermark: number
    readonly epoch: number
    readonly bytes: number
  }[]
}

/** Units as in the configuration; what is no quantity goes to the broker as it is. */
const parseSetting = (name: string, text: string): unknown => {
  // Where there is no limit the protocol says -1.
  if (/Ms$|Bytes/.test(name) && (text === 'unlimited' || text === '-1')) return -1
  if (name.endsWith('Ms')) return parseDuration(text) ?? text
  if (/Bytes/.test(name)) return parseBytes(text) ?? text
  return text
}

const settingsOf = (options: SettableOptions): Record<string, unknown> => {
  const settings: Record<string, unknown> = {}
  for (const name of flaggedSettings) {
    const text = options[name]
    if (text !== undefined) settings[name] = parseSetting(name, text)
  }
  for (const pair of options.set ?? []) {
    const at = pair.indexOf('=')
    if (at < 1)
      throw new UsageError(`--set '${pair}' has no name and value`, 'write --set name=value')
    const name = pair.slice(0, at)
    settings[name] = parseSetting(name, pair.slice(at + 1))
  }
  return settings
}

const partitionsOf = ({ partitions }: SettableOptions): { partitions?: number } =>
  partitions === undefined ? {} : { partitions }

const showDescription = (description: Description, output: OutputForm | undefined): void => {
  if (output === 'json') process.stdout.write(formatJson(description))
  else if (output === 'jsonl') process.stdout.write(formatJsonLines([description]))
  else process.stdout.write(formatDescription(description))
}

const formatDescription = (description: Description): string => {
  const { topic, id, revision, createdAt, settings, partitions } = description
  const facts = {
    topic,
    id,
    revision,
    created: new Date(createdAt).toISOString(),
    ...settings,
  }
  const width = Math.max(...Object.keys(facts).map(({ length }) => length))
  const lines = Object.entries(facts).map(
    ([name, value]) => `${name.padEnd(width)}  ${String(value)}\n`,
  )
  const rows = partitions.map((partition) => ({ ...partition }))
  const columns = ['partition', 'earliest', 'next', 'highWatermark', 'epoch', 'bytes']
  return `${lines.join('')}\n${formatTable(rows, columns)}`
}

export const createTopic = async (
  topic: string,
  options: SettableOptions & { ifNotExists?: boolean },
): Promise<void> => {
  const settings = settingsOf(options)
  const ifNotExists = options.ifNotExists === true
  const created = await withClient(options, ({ admin }) =>
    admin.createTopic(topic, { ...partitionsOf(options), settings, ifNotExists }),
  )
  if (options.output !== undefined) showDescription(created, options.output)
  else process.stdout.write(`created ${created.topic} with ${count(created.partitions.length)}\n`)
}

const count = (partitions: number): string =>
  partitions === 1 ? '1 partition' : `${partitions} partitions`

export const listTopics = async (options: TopicOptions & { prefix?: string }): Promise<void> => {
  const { prefix, output } = options
  const topics = await withClient(options, ({ admin }) =>
    admin.listTopics(prefix === undefined ? {} : { prefix }),
  )
  if (output === 'json') process.stdout.write(formatJson(topics))
  else if (output === 'jsonl') process.stdout.write(formatJsonLines(topics))
  else {
    const rows = topics.map((topic) => ({ ...topic }))
    const columns = ['topic', 'partitions', 'durability', 'id', 'revision']
    process.stdout.write(formatTable(rows, columns))
  }
}

export const describeTopic = async (topic: string, options: TopicOptions): Promise<void> => {
  const described = await withClient(options, ({ admin }) => admin.describeTopic(topic))
  showDescription(described, options.output)
}

export const alterTopic = async (
  topic: string,
  options: SettableOptions & { reset?: readonly string[]; revision?: number },
): Promise<void> => {
  const settings = settingsOf(options)
  for (const name of options.reset ?? []) settings[name] = null
  if (Object.keys(settings).length === 0 && options.partitions === undefined) {
    throw new UsageError('nothing to change', 'give --partitions, --retention-ms, --set or --reset')
  }
  const { revision } = options
  const altered = await withClient(options, ({ admin }) =>
    admin.alterTopic(topic, {
      ...partitionsOf(options),
      settings,
      ...(revision === undefined ? {} : { revision }),
    }),
  )
  if (options.output !== undefined) showDescription(altered, options.output)
  else process.stdout.write(`altered ${altered.topic}: revision ${altered.revision}\n`)
}

export const deleteTopic = async (
  topic: string,
  options: TopicOptions & { yes?: boolean; revision?: number },
): Promise<void> => {
  await confirm(`Delete ${topic} and all its records?`, options.yes === true)
  const { revision } = options
  await withClient(options, ({ admin }) =>
    admin.deleteTopic(topic, revision === undefined ? {} : { revision }),
  )
  if (options.output === 'json' || options.output === 'jsonl') {
    process.stdout.write(formatJsonLines([{ topic, deleted: true }]))
  } else {
    process.stdout.write(`deleted ${topic}\n`)
  }
}

interface RemovalOptions extends TopicOptions {
  readonly partition: number
  readonly yes?: boolean
}

export const deleteRecords = async (
  topic: string,
  options: RemovalOptions & { before: number | 'end' },
): Promise<void> => {
  const { partition, before, output } = options
  const what = before === 'end' ? 'all records' : `the records below ${before}`
  await confirm(`Delete ${what} of ${topic}/${partition}?`, options.yes === true)
  const [deleted] = await withClient(options, ({ admin }) =>
    admin.deleteRecords(topic, { [partition]: before }),
  )
  const earliest = deleted?.earliest ?? 0
  if (output === 'json' || output === 'jsonl') {
    process.stdout.write(formatJsonLines([{ topic, partition, earliest }]))
  } else {
    process.stdout.write(`${topic}/${partition} begins at ${earliest}\n`)
  }
}

export const truncateTopic = async (
  topic: string,
  options: RemovalOptions & { from: number },
): Promise<void> => {
  const { partition, from, output } = options
  const question = `Delete the records of ${topic}/${partition} from ${from} on?`
  await confirm(question, options.yes === true)
  const next = await withClient(options, ({ admin }) => admin.truncateTopic(topic, partition, from))
  if (output === 'json' || output === 'jsonl') {
    process.stdout.write(formatJsonLines([{ topic, partition, next }]))
  } else {
    process.stdout.write(`${topic}/${partition} goes on at ${next}\n`)
  }
}
