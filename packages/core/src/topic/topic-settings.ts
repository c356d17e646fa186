/** The settings of a topic: defaults, bounds, and how a change is applied. */
import { BrokerError } from '@millrace/codec'
import type { TopicSettings, TopicSettingsPatch } from '../engine/operations.ts'
import { BATCHES_PER_SEGMENT_MIN } from '../log/limits.ts'

export const PARTITIONS_MAX = 1_024
export const SEGMENT_BYTES_MIN = 4_096
/** Positions in a segment are unsigned 32-bit integers. */
export const SEGMENT_BYTES_MAX = 2_147_483_648
export const SEGMENT_MS_MIN = 1_000
export const BATCH_BYTES_MIN = 1_024
export const BATCH_BYTES_MAX = 64 * 1_048_576

export const defaultTopicSettings: TopicSettings = {
  durability: 'persisted',
  segmentBytes: 256 * 1_048_576,
  segmentMs: 7 * 24 * 3_600_000,
  timestampType: 'create',
  batchBytesMax: 16 * 1_048_576,
  retentionMs: 7 * 24 * 3_600_000,
  retentionBytes: -1,
  cleanupPolicy: 'delete',
  compactionLagMs: 0,
  tombstoneMs: 24 * 3_600_000,
}

/** A batch is at most a quarter of a segment, whatever `batchBytesMax` says. */
export const effectiveBatchBytesMax = (settings: TopicSettings): number =>
  Math.min(settings.batchBytesMax, Math.floor(settings.segmentBytes / BATCHES_PER_SEGMENT_MIN))

const isInteger = (value: unknown, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max

const checks: { readonly [K in keyof TopicSettings]: (value: unknown) => string | undefined } = {
  durability: (value) =>
    value === 'persisted' || value === 'memory' || value === 'replicated'
      ? undefined
      : 'one of persisted, memory, replicated',
  segmentBytes: (value) =>
    isInteger(value, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
      ? undefined
      : `a number of bytes from ${SEGMENT_BYTES_MIN} to ${SEGMENT_BYTES_MAX}`,
  segmentMs: (value) =>
    isInteger(value, SEGMENT_MS_MIN, Number.MAX_SAFE_INTEGER)
      ? undefined
      : `a number of milliseconds of at least ${SEGMENT_MS_MIN}`,
  timestampType: (value) =>
    value === 'create' || value === 'append' ? undefined : 'create or append',
  batchBytesMax: (value) =>
    isInteger(value, BATCH_BYTES_MIN, BATCH_BYTES_MAX)
      ? undefined
      : `a number of bytes from ${BATCH_BYTES_MIN} to ${BATCH_BYTES_MAX}`,
  retentionMs: (value) =>
    isInteger(value, -1, Number.MAX_SAFE_INTEGER)
      ? undefined
      : 'a number of milliseconds, or -1 for ever',
  retentionBytes: (value) =>
    isInteger(value, -1, Number.MAX_SAFE_INTEGER)
      ? undefined
      : 'a number of bytes, or -1 for no limit',
  cleanupPolicy: (value) =>
    value === 'delete' || value === 'compact' || value === 'compact,delete'
      ? undefined
      : 'one of delete, compact, compact,delete',
  compactionLagMs: (value) =>
    isInteger(value, 0, Number.MAX_SAFE_INTEGER) ? undefined : 'a number of milliseconds',
  tombstoneMs: (value) =>
    isInteger(value, 0, Number.MAX_SAFE_INTEGER) ? undefined : 'a number of milliseconds',
}

const isSettingName = (name: string): name is keyof TopicSettings => Object.hasOwn(checks, name)

/** Settings after a change. Throws ERR_INVALID_ARGUMENT, ERR_UNSUPPORTED_DURABILITY. */
export const applySettings = (
  current: TopicSettings,
  patch: TopicSettingsPatch,
  defaults: TopicSettings,
): TopicSettings => {
  const changed: Record<string, unknown> = { ...current }
  for (const [name, value] of Object.entries(patch)) {
    if (value === undefined) continue
    if (!isSettingName(name))
      throw new BrokerError('ERR_INVALID_ARGUMENT', [
        `settings.${name.slice(0, 64)}`,
        `no such setting: choose from ${Object.keys(checks).join(', ')}`,
      ])
    const expected = value === null ? undefined : checks[name](value)
    if (expected !== undefined)
      throw new BrokerError('ERR_INVALID_ARGUMENT', [`settings.${name}`, `it must be ${expected}`])
    changed[name] = value ?? defaults[name]
  }
  const settings = changed as unknown as TopicSettings
  if (settings.durability === 'replicated')
    throw new BrokerError('ERR_UNSUPPORTED_DURABILITY', [
      'replicated',
      'this broker is a single node with nobody to replicate to; use persisted',
    ])
  if (settings.durability === 'memory' && settings.cleanupPolicy !== 'delete')
    throw new BrokerError('ERR_INVALID_ARGUMENT', [
      'settings.cleanupPolicy',
      'a topic with durability memory is not compacted: it must be delete',
    ])
  return settings
}
