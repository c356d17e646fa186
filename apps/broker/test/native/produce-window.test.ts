import { BrokerError } from '@millrace/codec'
import * as fc from 'fast-check'
import { ProduceWindow } from '../../src/native/produce-window.ts'

interface Expected {
  readonly channel: number
  readonly correlation: number
  readonly isSilent: boolean
  readonly error: BrokerError | undefined
}

it('is a queue that counts the answers it owes, however it grows and wraps', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constantFrom('waiting' as const, 'silent' as const, 'failed' as const),
      channel: fc.nat(0xffff),
      correlation: fc.nat(0xffff_ffff),
    }),
    fc.constant('shift' as const),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const window = new ProduceWindow()
      const model: Expected[] = []
      for (const given of steps) {
        if (given === 'shift') {
          if (model.length === 0) continue
          const first = model.shift() as Expected
          expect(window.firstChannel).toBe(first.channel)
          expect(window.firstCorrelation).toBe(first.correlation)
          expect(window.isFirstSilent).toBe(first.isSilent)
          expect(window.firstError).toBe(first.error)
          window.shift()
        } else {
          const { kind, channel, correlation } = given
          const error = kind === 'failed' ? new BrokerError('ERR_STALE_HANDLE') : undefined
          const isSilent = kind === 'silent'
          window.push(channel, correlation, isSilent, error)
          model.push({ channel, correlation, isSilent, error })
        }
        expect(window.count).toBe(model.length)
        expect(window.answerableCount).toBe(model.filter(({ isSilent }) => !isSilent).length)
      }
      expect(window.nextSequence - window.firstSequence).toBe(model.length)
    }),
  )
})
