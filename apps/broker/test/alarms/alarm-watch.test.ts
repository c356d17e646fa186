import { AlarmWatch } from '../../src/alarms/alarm-watch.ts'
import { diskLimitOf, memoryLimitOf, readMemoryBytes } from '../../src/alarms/machine.ts'
import { LOOKS_PER_COLLECTION } from '../../src/limits.ts'
import { ResourceAlarm } from '../../src/alarms/resource-alarm.ts'
import { ManualEnvironment } from '../support/manual-environment.ts'

let environment: ManualEnvironment
let used: number
let free: number | undefined
let isFull: boolean
let garbage: number
let collections: number

beforeEach(() => {
  environment = new ManualEnvironment()
  used = 0
  free = 10_000
  isFull = false
  garbage = 0
  collections = 0
})

const watchOf = (): AlarmWatch =>
  new AlarmWatch({
    memoryBytesMax: 1_000,
    diskFreeBytesMin: 500,
    usedMemoryBytes: () => used,
    collectGarbage: () => {
      collections++
      used -= garbage
      garbage = 0
    },
    freeDiskBytes: () =>
      free === undefined ? Promise.reject(new Error('gone')) : Promise.resolve(free),
    isStorageFull: () => isFull,
    timers: environment.timers,
    log: environment.log,
  })

describe('an alarm', () => {
  it('of what is used is raised at its limit, not below it, and cleared well below', () => {
    const alarm = ResourceAlarm.above(1_000)
    expect([alarm.look(999), alarm.isRaised]).toEqual([false, false])
    expect([alarm.look(1_000), alarm.isRaised]).toEqual([true, true])
    expect([alarm.look(900), alarm.isRaised]).toEqual([false, true])
    expect([alarm.look(899), alarm.isRaised]).toEqual([true, false])
    expect(alarm.raisedCount).toBe(1)
  })

  it('of what is left is raised below its limit, not at it, and cleared well above', () => {
    const alarm = ResourceAlarm.below(1_000)
    expect([alarm.look(1_000), alarm.isRaised]).toEqual([false, false])
    expect([alarm.look(999), alarm.isRaised]).toEqual([true, true])
    expect([alarm.look(1_099), alarm.isRaised]).toEqual([false, true])
    expect([alarm.look(1_100), alarm.isRaised]).toEqual([true, false])
  })

  it('with a limit of 0 for what is left is never raised', () => {
    expect(ResourceAlarm.below(0).look(0)).toBe(false)
  })
})

it('looks every second, tells and logs what changed, and is silent otherwise', async () => {
  const watch = watchOf()
  const told: boolean[] = []
  watch.onChange((isThrottling) => told.push(isThrottling))
  await watch.look()
  used = 1_000
  environment.advance(999)
  expect(watch.isRaised('memory')).toBe(false)
  environment.advance(1)
  await Promise.resolve()
  await watch.look()
  expect([watch.isRaised('memory'), watch.isRaised('disk')]).toEqual([true, false])
  expect(told).toEqual([true])
  used = 10
  await watch.look()
  expect(told).toEqual([true, false])
  expect(environment.lines.map(({ event, fields }) => [event, fields['kind']])).toEqual([
    ['alarm.raised', 'memory'],
    ['alarm.cleared', 'memory'],
  ])
  expect(watch.raisedCount('memory')).toBe(1)
})

it('raises no alarm for garbage that nobody has collected', async () => {
  const watch = watchOf()
  used = 1_500
  garbage = 600
  await watch.look()
  expect([watch.isRaised('memory'), collections]).toEqual([false, 1])
})

it('collects garbage once in a while as long as it is raised, and never without need', async () => {
  const watch = watchOf()
  used = 899
  for (let look = 0; look < 30; look++) await watch.look()
  expect(collections).toBe(0)
  used = 1_000
  for (let look = 0; look < LOOKS_PER_COLLECTION; look++) await watch.look()
  expect([watch.isRaised('memory'), collections]).toEqual([true, 1])
  garbage = 200
  await watch.look()
  expect([watch.isRaised('memory'), collections]).toEqual([false, 2])
})

it('throttles while either of the two is raised', async () => {
  const watch = watchOf()
  const told: boolean[] = []
  watch.onChange((isThrottling) => told.push(isThrottling))
  free = 499
  await watch.look()
  used = 2_000
  await watch.look()
  free = 5_000
  await watch.look()
  expect(watch.isThrottling).toBe(true)
  used = 0
  await watch.look()
  expect(told).toEqual([true, false])
})

it('leaves a disk that is full to the engine, which refuses by name', async () => {
  const watch = watchOf()
  free = 0
  isFull = true
  await watch.look()
  expect([watch.isRaised('disk'), watch.isThrottling]).toEqual([true, false])
  isFull = false
  await watch.look()
  expect(watch.isThrottling).toBe(true)
})

it('goes on with memory when the disk does not answer', async () => {
  const watch = watchOf()
  free = undefined
  used = 1_000
  await watch.look()
  expect([watch.isRaised('memory'), watch.freeDiskBytes]).toEqual([true, undefined])
})

it('tells nobody who does not listen any more, and stops looking when told to', async () => {
  const watch = watchOf()
  const told: boolean[] = []
  watch.onChange((isThrottling) => told.push(isThrottling)).cancel()
  used = 1_000
  await watch.look()
  expect(told).toEqual([])
  expect(environment.waitingCount).toBe(1)
  watch.stop()
  await watch.look()
  expect(environment.waitingCount).toBe(0)
})

describe('the machine', () => {
  const readerOf =
    (files: Readonly<Record<string, string>>) =>
    (path: string): string => {
      const text = files[path]
      if (text === undefined) throw new Error('ENOENT')
      return text
    }

  it('has what the system has, or the container may use of it', () => {
    const [second, first] = [
      '/sys/fs/cgroup/memory.max',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes',
    ]
    expect(readMemoryBytes(8_000, readerOf({}))).toBe(8_000)
    expect(readMemoryBytes(8_000, readerOf({ [second]: 'max\n' }))).toBe(8_000)
    expect(readMemoryBytes(8_000, readerOf({ [second]: '5000\n' }))).toBe(5_000)
    expect(readMemoryBytes(8_000, readerOf({ [first]: '9223372036854771712\n' }))).toBe(8_000)
    expect(readMemoryBytes(8_000, readerOf({ [first]: '4000\n' }))).toBe(4_000)
  })

  it('allows 60% of its memory unless something is set', () => {
    expect([memoryLimitOf(0, 1_000), memoryLimitOf(77, 1_000)]).toEqual([600, 77])
  })

  it('asks for no more than a twentieth of a small disk to be free', () => {
    expect(diskLimitOf(500, 10_000)).toBe(500)
    expect(diskLimitOf(500, 9_980)).toBe(499)
    expect(diskLimitOf(500, undefined)).toBe(500)
    expect(diskLimitOf(0, 10)).toBe(0)
  })
})
