import fc from 'fast-check'
import { decodeRuns, encodeRuns, SettledSet } from '../../src/queue/settled-set.ts'

const CHUNK = 65_536
const TOP = 3 * CHUNK

/** Small steps and steps across chunks. */
const offset = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: CHUNK - 40, max: CHUNK + 40 }),
  fc.integer({ min: 0, max: TOP - 1 }),
)
const command = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), from: offset, to: fc.constant(0) }),
  fc.record({ kind: fc.constant('range' as const), from: offset, to: offset }),
  fc.record({ kind: fc.constant('floor' as const), from: offset, to: fc.constant(0) }),
)

/** What the set is to say: all below the floor, and these. */
class Model {
  readonly settled = new Uint8Array(TOP + 1)

  addRange(from: number, to: number): void {
    this.settled.fill(1, from, Math.max(from, to))
  }

  get floor(): number {
    return this.settled.indexOf(0)
  }

  count(from: number, to: number): number {
    return this.settled.subarray(from, to).reduce((sum, bit) => sum + bit, 0)
  }

  runs(): { from: number; to: number }[] {
    const runs: { from: number; to: number }[] = []
    for (let at = this.floor; at < TOP;) {
      const from = this.settled.indexOf(1, at)
      if (from < 0) break
      const to = this.settled.indexOf(0, from)
      runs.push({ from, to })
      at = to
    }
    return runs
  }
}

describe('a set of settled offsets', () => {
  it('says what a plain set says, whatever is done to it', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), offset, offset, (commands, one, other) => {
        const set = new SettledSet()
        const model = new Model()
        for (const { kind, from, to } of commands) {
          const was = model.settled[from] === 1
          if (kind === 'add') {
            expect(set.add(from)).toBe(!was)
            model.addRange(from, from + 1)
          } else if (kind === 'range') {
            set.addRange(Math.min(from, to), Math.max(from, to))
            model.addRange(Math.min(from, to), Math.max(from, to))
          } else {
            set.raiseFloor(from)
            model.addRange(0, from)
          }
        }
        const { floor } = model
        expect(set.floor).toBe(floor)
        expect(set.countAbove).toBe(model.count(floor, TOP))
        expect([...set.runs()]).toEqual(model.runs())
        for (const at of [one, other, floor, floor + 1])
          expect(set.has(at)).toBe(model.settled[at] === 1)
        const [from, to] = [Math.min(one, other), Math.max(one, other)]
        expect(set.countBetween(from, to)).toBe(model.count(from, to))
        const again = new SettledSet(floor)
        const bytes = encodeRuns(set.runs())
        decodeRuns(bytes, 0, bytes.length, (start, end) => again.addRange(start, end))
        expect([...again.runs()]).toEqual(model.runs())
      }),
      { numRuns: 150 },
    )
  })

  it('takes all back from an offset on', () => {
    const set = new SettledSet()
    set.addRange(0, 100)
    set.addRange(200, 300)
    set.reset(50)
    expect([set.floor, set.countAbove, set.has(49), set.has(50), set.has(250)]).toEqual([
      50,
      0,
      true,
      false,
      false,
    ])
  })

  it('refuses runs that are cut short, wherever that is', () => {
    const set = new SettledSet()
    set.addRange(1_000, 90_000)
    set.addRange(100_000, 100_001)
    const bytes = encodeRuns(set.runs())
    let refused = 0
    for (let end = 1; end < bytes.length; end++)
      try {
        decodeRuns(bytes, 0, end, () => undefined)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_INVALID_BATCH' })
        refused++
      }
    expect(refused).toBe(bytes.length - 2)
  })
})
