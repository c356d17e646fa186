/** What goes wrong in one life: failing calls, a full disk, damage at rest, a jumping wall clock. */
import type { DiskCallKind } from '@millrace/testing'
import type { Life } from '../life.ts'

const FAILING_KINDS: readonly DiskCallKind[] = [
  'write',
  'open',
  'read',
  'truncate',
  'rename',
  'remove',
  'list',
  'syncDirectory',
  'close',
]

const CODES: Partial<Record<DiskCallKind, readonly string[]>> = {
  open: ['EIO', 'EMFILE', 'ENOSPC'],
  write: ['EIO', 'ENOSPC'],
}

const HOUR_MS = 3_600_000
/** A broker that found the disk full looks again so often, or a little less. */
const ROOM_SEEN_US = 700_000
/** Held on afterwards, in pauses of an actor. */
const AFTER_FULL_PAUSES = 8
/** How often it is looked whether the broker has met the full disk, a pause apart. */
const FULL_LOOKS = 60

export type TroubleKind = 'failed sync' | 'failed call' | 'full disk' | 'damage' | 'clock'

export const pickTroubles = (life: Life): TroubleKind[] => {
  const { random } = life
  if (random.chance(0.35)) return []
  const kinds: readonly TroubleKind[] = [
    'failed sync',
    'failed call',
    'full disk',
    'damage',
    'clock',
    'clock',
  ]
  const first = random.pick(kinds)
  return random.chance(0.25) ? [first, random.pick(kinds)] : [first]
}

/** Plans a failing call for this process, to strike at once or a good while later. */
export const planFault = (life: Life, kind: 'failed sync' | 'failed call'): void => {
  const { random, simulation } = life
  const call = kind === 'failed sync' ? 'sync' : random.pick(FAILING_KINDS)
  const code = random.pick(CODES[call] ?? ['EIO'])
  const nth = random.pick([1, random.between(1, 10), random.between(1, 80)])
  simulation.note(`trouble: ${call} number ${nth} from now fails with ${code}`)
  life.faults.push(simulation.world.disk.inject({ kind: call, nth, code }))
}

const takeRoom = ({ random, simulation }: Life): void => {
  const { disk } = simulation.world
  disk.capacityBytes = disk.usedBytes + random.pick([0, random.below(4096), random.below(200_000)])
  simulation.note(`trouble: ${disk.freeBytes} bytes are free`)
}

/**
 * No room for another journal file, as on a file system that runs out at that moment: what waits for
 * it is taken back. A disk that is full for all is met by checkpoints and segments first.
 */
const fillJournal = ({ simulation }: Life): void => {
  // Two troubles at once are one: it ends when the first of them does.
  simulation.fullJournal?.cancel()
  const fault = { kind: 'open', nth: 1, times: Infinity, code: 'ENOSPC' } as const
  const matches = (path: string): boolean => path.endsWith('.journal')
  simulation.fullJournal = simulation.world.disk.inject({ ...fault, matches })
  simulation.note('trouble: there is no room for a journal file')
}

/** All goes on as before, so that much is under way when the broker meets the full disk. */
const untilNoticed = async (life: Life): Promise<void> => {
  for (let looks = 0; looks < FULL_LOOKS; looks++) {
    if (life.isEnding || life.fatal !== undefined || life.broker.status().storage.isFull) return
    await life.pause(life.simulation.scenario.pauseUs)
  }
}

/** The disk is full for a while. */
export const fillDisk = async (life: Life): Promise<void> => {
  const { random, simulation } = life
  life.wasFull = true
  if (random.chance(0.4)) fillJournal(life)
  else takeRoom(life)
  await untilNoticed(life)
  life.isFull = true
  life.isHeld = random.chance(0.6)
  await life.pause(random.pick([5_000, 50_000, 1_000_000]) * random.fraction())
  freeDisk(life)
  await life.pause(ROOM_SEEN_US)
  life.isFull = false
  // Time to send again what was refused.
  await life.pause(AFTER_FULL_PAUSES * simulation.scenario.pauseUs)
  life.isHeld = false
}

export const freeDisk = (life: Life): void => {
  const { disk } = life.simulation.world
  life.simulation.fullJournal?.cancel()
  life.simulation.fullJournal = undefined
  if (disk.capacityBytes === Number.MAX_SAFE_INTEGER) return
  disk.capacityBytes = Number.MAX_SAFE_INTEGER
  life.simulation.note('trouble: the disk has room again')
}

export const jumpClock = (life: Life): void => {
  const { random, simulation } = life
  const ms = random.pick([-HOUR_MS, HOUR_MS, random.between(-5000, 5000)])
  const { clock } = simulation.world
  simulation.retention.noteWall(clock.now())
  clock.jump(ms)
  simulation.retention.noteWall(clock.now())
  simulation.coverage.add('wall clock jump')
  simulation.note(`trouble: the wall clock jumps by ${ms} ms`)
}

/** Damages a segment or an index. */
export const damageLog = (life: Life): void => {
  life.simulation.damage.damageLog(life.random)
}

/** Lets one kind of trouble happen while the broker serves. */
export const makeTrouble = async (life: Life, kind: TroubleKind): Promise<void> => {
  await life.pause(life.random.below(20 * life.simulation.scenario.pauseUs))
  if (life.isEnding) return
  switch (kind) {
    case 'failed sync':
    case 'failed call':
      return planFault(life, kind)
    case 'full disk':
      return fillDisk(life)
    case 'damage':
      return damageLog(life)
    case 'clock':
      return jumpClock(life)
  }
}
