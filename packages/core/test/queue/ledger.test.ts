import { RecordBatchBuilder, RecordCursor } from '@millrace/codec'
import { defaultStorageOptions } from '../../src/log/limits.ts'
import { Ledger } from '../../src/queue/ledger.ts'
import { applyLedgerBatch, LedgerWriter } from '../../src/queue/ledger-record.ts'

const DELIVERY_CEILING_STEP = defaultStorageOptions.deliveryCeilingStep

const make = (floor = 0) => {
  const told = { changed: 0, urgent: 0 }
  const hooks = { changed: () => void told.changed++, urgent: () => void told.urgent++ }
  return { ledger: new Ledger(7, floor, DELIVERY_CEILING_STEP, hooks), told }
}

const stateOf = ({ settled, counts, ceiling, hasExpiry, floor }: Ledger) => ({
  floor,
  runs: [...settled.runs()],
  counts: [...counts],
  ceiling,
  hasExpiry,
})

/** What a ledger has written, in one batch. */
const written = (ledger: Ledger, isWhole = false): Uint8Array => {
  const writer = new LedgerWriter()
  writer.begin(1)
  if (isWhole) writer.whole(ledger, ledger.ceiling)
  else writer.changes(ledger.lane, ledger.takePending())
  return writer.build()
}

const readInto = (ledger: Ledger, ...batches: readonly Uint8Array[]): Ledger => {
  for (const bytes of batches) applyLedgerBatch(bytes, 0, 0, () => ledger)
  return ledger
}

describe('a ledger', () => {
  it('comes back from its changes as it was', () => {
    const { ledger } = make()
    for (const offset of [5, 0, 1, 9, 6]) ledger.settle(offset)
    ledger.settleRange(20, 40)
    ledger.returned(3, 2)
    ledger.returned(9, 1)
    ledger.noteExpiry()
    ledger.allow(10)
    const first = written(ledger)
    ledger.ceilingDurable(10 + DELIVERY_CEILING_STEP)
    ledger.settle(2)
    ledger.returned(4, 5)
    expect(stateOf(readInto(make().ledger, first, written(ledger)))).toEqual(stateOf(ledger))
  })

  it('comes back whole, and forgets what was written before', () => {
    const { ledger } = make()
    ledger.settleRange(0, 10)
    ledger.settle(12)
    ledger.returned(11, 3)
    ledger.noteExpiry()
    const stale = make().ledger
    stale.settle(500)
    stale.returned(400, 9)
    const again = readInto(make().ledger, written(stale), written(ledger, true))
    expect(stateOf(again)).toEqual(stateOf(ledger))
  })

  it('comes back from a replay', () => {
    const { ledger } = make()
    ledger.settleRange(0, 10)
    const before = written(ledger)
    ledger.reset(4)
    ledger.settle(6)
    expect(stateOf(readInto(make().ledger, before, written(ledger)))).toEqual(stateOf(ledger))
  })

  it('keeps no counts of what is settled, in memory or after a restart', () => {
    const { ledger } = make()
    for (let offset = 0; offset < 100; offset++) ledger.returned(offset, 1)
    const first = written(ledger)
    for (let offset = 0; offset < 50; offset++) ledger.settle(offset)
    ledger.settleRange(50, 99)
    const second = written(ledger)
    expect([...ledger.counts.keys()]).toEqual([99])
    const again = readInto(make().ledger, first, second)
    again.fitTo(0, 1_000)
    expect([...again.counts.keys()]).toEqual([99])
  })

  it('asks for a ceiling once, well before it is met', () => {
    const { ledger, told } = make()
    expect(ledger.allow(0)).toBe(false)
    expect(ledger.allow(1)).toBe(false)
    expect(told.urgent).toBe(1)
    const { ceiling } = ledger.takePending()
    expect(ceiling).toBe(DELIVERY_CEILING_STEP)
    expect(ledger.isRaising).toBe(true)
    ledger.ceilingDurable(DELIVERY_CEILING_STEP)
    expect(ledger.isRaising).toBe(false)
    expect(ledger.allow(DELIVERY_CEILING_STEP / 2 - 1)).toBe(true)
    expect(told.urgent).toBe(1)
    expect(ledger.allow(DELIVERY_CEILING_STEP / 2)).toBe(true)
    expect(told.urgent).toBe(2)
    expect(ledger.allow(DELIVERY_CEILING_STEP)).toBe(false)
  })

  it('writes a ceiling again that was refused', () => {
    const { ledger } = make()
    ledger.allow(0)
    ledger.takePending()
    expect(ledger.hasPending).toBe(false)
    ledger.forgetWritten()
    expect(ledger.hasPending).toBe(true)
    expect(ledger.takePending().ceiling).toBe(DELIVERY_CEILING_STEP)
  })

  it('does not count as settled what its log is still to give', () => {
    const { ledger } = make()
    ledger.settleRange(0, 50)
    ledger.fitTo(0, 20)
    expect(ledger.floor).toBe(20)
    ledger.settle(90)
    ledger.fitTo(0, 30)
    expect([ledger.floor, ledger.settled.has(90)]).toEqual([20, false])
  })
})

describe('a ledger record', () => {
  const valuesOf = (bytes: Uint8Array): Uint8Array[] => {
    const values: Uint8Array[] = []
    for (const cursor = new RecordCursor(bytes, 0); cursor.next();) values.push(cursor.value!)
    return values
  }
  const batchOf = (value: Uint8Array): Uint8Array => {
    const builder = new RecordBatchBuilder()
    builder.appendFields(1, null, value, [])
    return builder.build()
  }

  it('that is cut anywhere is refused, or says less', () => {
    const { ledger } = make()
    ledger.settleRange(300, 5_000)
    ledger.settleRange(0, 200)
    ledger.returned(5_001, 200)
    ledger.returned(70_000, 3)
    ledger.allow(1_000)
    ledger.reset(150)
    ledger.settleRange(200, 4_000)
    const whole = make().ledger
    whole.settleRange(0, 300)
    for (const value of [...valuesOf(written(ledger)), ...valuesOf(written(whole, true))])
      for (let length = 0; length < value.length; length++) {
        const target = make().ledger
        try {
          readInto(target, batchOf(value.subarray(0, length)))
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_INVALID_BATCH' })
        }
        expect(target.settled.countBetween(0, 100_000)).toBeLessThanOrEqual(4_000 + 5_000)
        expect(target.settled.has(70_000)).toBe(false)
      }
  })

  it('of a kind that nobody knows is refused, and of another lane passed over', () => {
    expect(() => readInto(make().ledger, batchOf(Uint8Array.of(99, 0, 7)))).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_BATCH' }),
    )
    const { ledger } = make()
    ledger.settle(0)
    const bytes = written(ledger)
    expect(() => applyLedgerBatch(bytes, 0, 0, () => undefined)).not.toThrow()
  })
})
