import { isBrokerError } from '@millrace/codec'
import type { TopicSettingsPatch } from '../../src/engine/operations.ts'
import {
  BATCH_BYTES_MAX,
  BATCH_BYTES_MIN,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
  SEGMENT_MS_MIN,
  applySettings,
  defaultTopicSettings,
  effectiveBatchBytesMax,
} from '../../src/topic/topic-settings.ts'

const apply = (patch: TopicSettingsPatch) =>
  applySettings(defaultTopicSettings, patch, defaultTopicSettings)

const codeOf = (patch: Record<string, unknown>): string | undefined => {
  try {
    apply(patch as TopicSettingsPatch)
    return undefined
  } catch (error) {
    return isBrokerError(error) ? error.code : 'thrown'
  }
}

describe('the settings of a topic', () => {
  it.each([
    ['segmentBytes', SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX],
    ['batchBytesMax', BATCH_BYTES_MIN, BATCH_BYTES_MAX],
    ['segmentMs', SEGMENT_MS_MIN, Number.MAX_SAFE_INTEGER],
  ])('%s is taken from %d to %d', (name, least, most) => {
    expect(codeOf({ [name]: least })).toBeUndefined()
    expect(codeOf({ [name]: most })).toBeUndefined()
    for (const bad of [least - 1, most + 1, least + 0.5, NaN, Infinity, '4096', {}, true])
      expect(codeOf({ [name]: bad })).toBe('ERR_INVALID_ARGUMENT')
  })

  it('refuse what they do not know, names of Object.prototype too', () => {
    for (const name of ['retention', 'toString', '__proto__x', 'constructor'])
      expect(codeOf({ [name]: 1 })).toBe('ERR_INVALID_ARGUMENT')
  })

  it('refuse replication on a single node, saying why', () => {
    expect(codeOf({ durability: 'replicated' })).toBe('ERR_UNSUPPORTED_DURABILITY')
    expect(codeOf({ durability: 'sometimes' })).toBe('ERR_INVALID_ARGUMENT')
  })

  it('change what is given, and go back to the default with null', () => {
    const changed = apply({ segmentBytes: 8_192, timestampType: 'append' })
    expect(changed).toEqual({
      ...defaultTopicSettings,
      segmentBytes: 8_192,
      timestampType: 'append',
    })
    expect(applySettings(changed, { segmentBytes: null }, defaultTopicSettings).segmentBytes).toBe(
      defaultTopicSettings.segmentBytes,
    )
  })

  it('let a batch be a quarter of a segment at most', () => {
    expect(effectiveBatchBytesMax(apply({ segmentBytes: 4_096 }))).toBe(1_024)
    expect(effectiveBatchBytesMax(apply({ batchBytesMax: 2_048 }))).toBe(2_048)
  })
})
