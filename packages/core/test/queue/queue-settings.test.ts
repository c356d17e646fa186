import {
  applyQueueSettings,
  completeQueueSettings,
  defaultQueueSettings,
  settingsDifference,
} from '../../src/queue/queue-settings.ts'

const apply = (patch: object) => applyQueueSettings(defaultQueueSettings, patch)
const refusal = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })

describe('settings of a queue', () => {
  it.each<[string, unknown, unknown]>([
    ['expiresMs', 1, 0],
    ['messageTtlMs', 0, -1],
    ['lengthMax', 0, -1],
    ['bytesMax', 0, 1.5],
    ['priorityMax', 1, 0],
    ['priorityMax', 255, 256],
    ['deliveryLimit', 0, -1],
    ['deliveryLimit', 1_000_000, 1_000_001],
    ['deliveryTimeoutMs', 1_000, 999],
    ['redeliveryDelayMsMin', 1, 0],
    ['redeliveryDelayMsMin', 4_294_967_295, 4_294_967_296],
    ['redeliveryDelayOf', 'returned', 'none'],
    ['dedupWindowMs', 1, 0],
    ['retentionMs', 1, '1'],
    ['isDurable', false, 1],
    ['isAutoDelete', true, 'true'],
    ['isSingleActiveConsumer', true, null as never],
    ['overflow', 'reject', 'drop-tail'],
    ['deadLetterExchange', '', 7],
    ['labels', { a: 'b' }, 'a'],
  ])('take %s as %p, and refuse %p', (setting, good, bad) => {
    expect(apply({ [setting]: good })).toMatchObject({ [setting]: good })
    if (bad !== null) expect(() => apply({ [setting]: bad })).toThrow(refusal)
  })

  it('go back to the default with null, and stay with undefined', () => {
    const some = apply({ lengthMax: 5, overflow: 'reject' })
    expect(applyQueueSettings(some, { lengthMax: null })).toEqual(apply({ overflow: 'reject' }))
    expect(applyQueueSettings(some, { lengthMax: undefined })).toEqual(some)
  })

  it('refuse what nobody knows, and what does not go together', () => {
    expect(() => apply({ colour: 'red' })).toThrow(refusal)
    expect(() => apply({ constructor: 1 })).toThrow(refusal)
    expect(() => apply({ deadLetterKey: 'k' })).toThrow(refusal)
    expect(() => apply({ topic: 't', lengthMax: 1 })).toThrow(refusal)
    expect(() => apply({ redeliveryDelayMsMax: 9 })).toThrow(refusal)
    const backOff = { redeliveryDelayMsMin: 10, redeliveryDelayMsMax: 9 }
    expect(apply({ topic: 't', ...backOff })).toMatchObject(backOff)
    expect(() => apply({ topic: 't', isDurable: false })).toThrow(refusal)
    expect(apply({ topic: 't', deliveryLimit: 3 })).toMatchObject({ topic: 't' })
  })

  it('name the first difference, labels one by one', () => {
    const one = apply({ lengthMax: 5, labels: { type: 'classic' } })
    expect(settingsDifference(one, one)).toBeUndefined()
    expect(settingsDifference(apply({ labels: { type: 'classic' } }), one)).toEqual({
      setting: 'lengthMax',
      asked: 'none',
      current: '5',
    })
    expect(settingsDifference(apply({ lengthMax: 5, labels: { type: 'quorum' } }), one)).toEqual({
      setting: 'type',
      asked: 'quorum',
      current: 'classic',
    })
  })

  it('are whole again after JSON', () => {
    const settings = apply({ messageTtlMs: 7 })
    const stored = JSON.parse(JSON.stringify(settings)) as object
    expect(completeQueueSettings(stored)).toEqual(settings)
  })
})
