/** What a simulated disk was asked to do, and what it did to its users. */
export const diskCallKinds = [
  'open',
  'read',
  'write',
  'sync',
  'truncate',
  'close',
  'rename',
  'link',
  'remove',
  'list',
  'makeDirectory',
  'removeDirectory',
  'syncDirectory',
  'size',
] as const

export type DiskCallKind = (typeof diskCallKinds)[number]

export interface DiskCounters {
  readonly calls: Record<DiskCallKind, number>
  readonly failures: Record<DiskCallKind, number>
  powerLosses: number
  kills: number
  /** Unsynced writes and truncations at a power loss, by their fate. */
  changesKept: number
  changesLost: number
  writesTorn: number
  sectorsZeroed: number
  lengthsExtended: number
  /** Unsynced directory operations at a power loss, by their fate. */
  createsKept: number
  createsLost: number
  renamesKept: number
  renamesLost: number
  removesKept: number
  removesLost: number
  /** Calls under way at a crash, by their fate. */
  callsCutShort: number
  callsFinishedUnheard: number
  fullWrites: number
  bitsFlipped: number
  pagesZeroed: number
  /** A file was synced again in the life in which a sync of it had failed: nobody may do that. */
  syncsAfterFailure: number
}

const perKind = (): Record<DiskCallKind, number> =>
  Object.fromEntries(diskCallKinds.map((kind) => [kind, 0])) as Record<DiskCallKind, number>

export const createDiskCounters = (): DiskCounters => ({
  calls: perKind(),
  failures: perKind(),
  powerLosses: 0,
  kills: 0,
  changesKept: 0,
  changesLost: 0,
  writesTorn: 0,
  sectorsZeroed: 0,
  lengthsExtended: 0,
  createsKept: 0,
  createsLost: 0,
  renamesKept: 0,
  renamesLost: 0,
  removesKept: 0,
  removesLost: 0,
  callsCutShort: 0,
  callsFinishedUnheard: 0,
  fullWrites: 0,
  bitsFlipped: 0,
  pagesZeroed: 0,
  syncsAfterFailure: 0,
})
