/**
 * Kafka's topic settings and ours, both directions. A setting that is not here is refused by name:
 * a topic must not look configured in a way that it is not.
 */
import { BrokerError } from '@millrace/codec'
import type { TopicSettings, TopicSettingsPatch } from '@millrace/core'
import type { CreatedConfig, TopicConfig } from './schema/apis/create-topics.ts'

interface ConfigMapping {
  readonly setting: keyof TopicSettings
  parse(text: string): unknown
  format(settings: TopicSettings): string
}

const integer = (setting: keyof TopicSettings): ConfigMapping => ({
  setting,
  parse: (text) => (/^-?\d{1,16}$/.test(text) ? Number(text) : undefined),
  format: (settings) => String(settings[setting]),
})

const parsePolicy = (text: string): string | undefined => {
  const names = new Set(text.split(',').map((name) => name.trim()))
  const isKnown = [...names].every((name) => name === 'compact' || name === 'delete')
  return isKnown ? [...names].sort().join(',') : undefined
}

const configMappings: Readonly<Record<string, ConfigMapping>> = {
  'cleanup.policy': {
    setting: 'cleanupPolicy',
    parse: parsePolicy,
    format: ({ cleanupPolicy }) => cleanupPolicy,
  },
  'retention.ms': integer('retentionMs'),
  'retention.bytes': integer('retentionBytes'),
  'segment.bytes': integer('segmentBytes'),
  'segment.ms': integer('segmentMs'),
  'max.message.bytes': integer('batchBytesMax'),
  'min.compaction.lag.ms': integer('compactionLagMs'),
  'delete.retention.ms': integer('tombstoneMs'),
  'message.timestamp.type': {
    setting: 'timestampType',
    parse: (text) => ({ CreateTime: 'create', LogAppendTime: 'append' })[text],
    format: ({ timestampType }) => (timestampType === 'append' ? 'LogAppendTime' : 'CreateTime'),
  },
}

/** Settings of Kafka that say what is true here anyway. */
const acceptedValues: Readonly<Record<string, readonly string[]>> = {
  'compression.type': ['producer'],
  'min.insync.replicas': ['1'],
  'unclean.leader.election.enable': ['false'],
  preallocate: ['true', 'false'],
}

const invalid = (name: string, reason: string): BrokerError =>
  new BrokerError('ERR_INVALID_ARGUMENT', [name.slice(0, 64), reason])

const parseConfig = ({ name, value }: TopicConfig): [keyof TopicSettings, unknown] | undefined => {
  const accepted = Object.hasOwn(acceptedValues, name) ? acceptedValues[name] : undefined
  if (accepted !== undefined) {
    if (value !== null && accepted.includes(value)) return undefined
    throw invalid(name, `it can only be ${accepted.join(' or ')}`)
  }
  const mapping = Object.hasOwn(configMappings, name) ? configMappings[name] : undefined
  if (mapping === undefined) {
    throw invalid(name, `no such setting here: choose from ${configNames.join(', ')}`)
  }
  if (value === null) return [mapping.setting, null]
  const parsed = mapping.parse(value.trim())
  if (parsed === undefined) throw invalid(name, `'${value.slice(0, 64)}' is no value for it`)
  return [mapping.setting, parsed]
}

export const configNames: readonly string[] = Object.keys(configMappings)

/** Throws ERR_INVALID_ARGUMENT, which says which one is wrong and why. */
export const settingsOf = (configs: readonly TopicConfig[]): TopicSettingsPatch => {
  const names = new Set<string>()
  const settings: Record<string, unknown> = {}
  for (const config of configs) {
    if (names.has(config.name)) throw invalid(config.name, 'it is given twice')
    names.add(config.name)
    const parsed = parseConfig(config)
    if (parsed !== undefined) settings[parsed[0]] = parsed[1]
  }
  return settings
}

const SOURCE_TOPIC = 1
const SOURCE_DEFAULT = 5

/** The settings of a topic in Kafka's words. */
export const configsOf = (
  settings: TopicSettings,
  given: readonly TopicConfig[],
): readonly CreatedConfig[] =>
  Object.entries(configMappings).map(([name, mapping]) => ({
    name,
    value: mapping.format(settings),
    readOnly: false,
    configSource: given.some((config) => config.name === name) ? SOURCE_TOPIC : SOURCE_DEFAULT,
    isSensitive: false,
  }))
