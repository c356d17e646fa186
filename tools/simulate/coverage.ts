/** What a run of the simulator has met. A counter of zero means that a rule went untested. */
const coverageNames = [
  'torn write',
  'torn tail',
  'lost directory entry',
  'segment roll',
  'journal recycle',
  'direct append',
  'checkpoint',
  'full disk',
  'failed sync',
  'other failed call',
  'flipped bit',
  'damaged batch header',
  'damaged meta.json',
  'directory refused',
  'damaged snapshot',
  'damaged definitions',
  'definitions with one copy left',
  'quarantine',
  'index rebuilt',
  'crash in recovery',
  'process kill',
  'power loss',
  'clean restart',
  'tail read',
  'segment read',
  'file range',
  'subscription delivery',
  'long poll',
  'topic created',
  'topic altered',
  'topic deleted',
  'wall clock jump',
  'memory log restart',
  'refused batch',
  'removed by age',
  'removed by size',
  'removed by request',
  'records deleted',
  'removed by truncation',
  'truncation',
  'compacted record',
  'removed tombstone',
  'empty batch',
  'subscription overtaken',
  'read below the earliest',
  'producer id given',
  'batch sent again',
  'duplicate recognised',
  'old duplicate refused',
  'gap refused',
  'old epoch refused',
  'unknown producer refused',
  'producer forgotten',
  'damaged states of producers',
  'states of producers rebuilt',
  'queue declared',
  'queue altered',
  'queue deleted',
  'queue confirm',
  'message sent again',
  'sent again after a crash',
  'refused message',
  'queue delivery',
  'delivery by key',
  'single active consumer',
  'returned in a transaction',
  'rejected in a transaction',
  'redelivery',
  'redelivery after a crash',
  'requeue',
  'delayed redelivery',
  'get',
  'settlements flushed',
  'purge',
  'replay',
  'moved message',
  'dead letter rejected',
  'dead letter expired',
  'dead letter maxlen',
  'dead letter delivery-limit',
  'fan-out in doubt at a crash',
  'transaction',
  'transaction refused',
  'delayed release',
  'delayed release after a crash',
  'transaction cut by a crash',
  'transaction there after a crash',
  'transaction gone after a crash',
] as const

export type CoverageName = (typeof coverageNames)[number]

export class Coverage {
  readonly counts: Record<CoverageName, number>

  constructor() {
    this.counts = Object.fromEntries(coverageNames.map((name) => [name, 0])) as Record<
      CoverageName,
      number
    >
  }

  add(name: CoverageName, count = 1): void {
    this.counts[name] += count
  }

  merge(counts: Readonly<Record<CoverageName, number>>): void {
    for (const name of coverageNames) this.counts[name] += counts[name]
  }

  get missing(): CoverageName[] {
    return coverageNames.filter((name) => this.counts[name] === 0)
  }
}
