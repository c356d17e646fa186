import { defaultStorageOptions } from '../../src/log/limits.ts'
import { Journal, type JournalHooks } from '../../src/log/journal.ts'
import { EntryKind } from '../../src/log/journal-format.ts'
import { controlEntry, type ControlItem, type JournalItem } from '../../src/log/journal-group.ts'
import { JournalPool } from '../../src/log/journal-pool.ts'
import { Log } from '../../src/log/log.ts'
import type { StoredBatch } from '../../src/log/stored-batch.ts'
import { batchOf } from '../support/node.ts'
import {
  RecordingDisk,
  recordingEnvironment,
  settle,
  type ManualTimer,
} from '../support/recording-disk.ts'

const JOURNAL = '/j/000001.journal'

class Bench {
  readonly disk = new RecordingDisk()
  readonly told: string[] = []
  readonly refused: string[] = []
  readonly failures: unknown[] = []
  readonly journal: Journal
  readonly timers: ManualTimer[]
  /** What `writeDirect` was asked for, and what it does. */
  direct: JournalHooks['writeDirect'] = () => Promise.resolve([])
  #count = 0

  constructor(options: Partial<typeof defaultStorageOptions> = {}, fileBytes = 1_048_576) {
    const { environment, timers } = recordingEnvironment(this.disk)
    this.timers = timers
    const state = { inUse: [], free: [], nextSlot: 1, nextFileNumber: 1 }
    const pool = new JournalPool(environment, '/j', fileBytes, state)
    const hooks: JournalHooks = {
      writeDirect: (log, first, last) => this.direct(log, first, last),
      onDurable: (items) => this.told.push(...items.map(nameOf)),
      onRefused: (item) => {
        item.isRefused = true
        this.refused.push(nameOf(item))
      },
      onFailure: (error) => void this.failures.push(error),
    }
    const all = { ...defaultStorageOptions, ...options }
    this.journal = new Journal(environment, all, pool, hooks, 0)
  }

  log(id: number): Log {
    const state = { id, directory: `/l/${id}`, isVolatile: false, epoch: 1, earliestOffset: 0 }
    const settings = { segmentBytes: 1 << 30, segmentMs: Infinity }
    return new Log({ ...state, nextOffset: 0, ceiling: 0, segments: [] }, settings)
  }

  submit(log: Log, bytes = 100): StoredBatch {
    const body = batchOf([`${this.#count++}`.padEnd(bytes, '.')])
    const accepted = { bytes: body, slab: undefined, recordCount: 1, maxTimestamp: 0 }
    const batch = log.accept(accepted, 0, undefined)
    this.journal.submit(batch)
    return batch
  }

  /** Journal calls by kind, files left out. */
  words(): string[] {
    return this.disk.calls
      .filter((call) => call.includes(JOURNAL) && /^(write|sync)/.test(call))
      .map((call) => call.replace(` ${JOURNAL}`, '').replace(/ \d+/, ''))
  }

  fire(): void {
    for (const timer of this.timers.splice(0)) if (!timer.isCancelled) timer.callback()
  }
}

const nameOf = (item: JournalItem): string =>
  item.kind === 'batch' ? `${item.log.id}/${item.baseOffset}` : `control ${item.entry.logId}`

const control = (bench: Bench, logId: number): { item: ControlItem; outcome: string[] } => {
  const outcome: string[] = []
  const item: ControlItem = {
    kind: 'control',
    entry: controlEntry(EntryKind.create, { logId }),
    payload: undefined,
    isRefused: false,
    durable: () => void outcome.push('durable'),
    refused: () => void outcome.push('refused'),
  }
  bench.journal.submit(item)
  return { item, outcome }
}

describe('group commit', () => {
  it('writes, then syncs, then tells', async () => {
    const bench = new Bench()
    bench.disk.holds = (what) => what === `sync ${JOURNAL}` && bench.disk.files.has(JOURNAL)
    bench.submit(bench.log(1))
    await settle()
    // Held at the sync that makes the file of zeros durable.
    bench.disk.held.shift()?.go()
    await settle()
    expect(bench.words().at(-1)).toBe('sync')
    expect(bench.told).toEqual([])
    bench.disk.held.shift()?.go()
    await settle()
    expect(bench.told).toEqual(['1/0'])
    expect(bench.words().slice(-4)).toEqual(['write', 'write done', 'sync', 'sync done'])
  })

  it('makes one group of all that a turn submits', async () => {
    const bench = new Bench()
    const log = bench.log(1)
    for (let index = 0; index < 50; index++) bench.submit(log)
    await settle()
    expect(bench.told).toHaveLength(50)
    expect(bench.journal.groupsWritten).toBe(1)
    expect(bench.journal.syncs).toBe(1)
  })

  it('has one sync in flight, gathers meanwhile, and tells groups in order', async () => {
    const bench = new Bench()
    const log = bench.log(1)
    bench.submit(log)
    await settle()
    bench.disk.holds = (what) => what.startsWith('sync')
    bench.submit(log)
    await settle()
    for (let index = 0; index < 3; index++) {
      bench.submit(log)
      await settle()
    }
    expect(bench.disk.held).toHaveLength(1)
    expect(bench.told).toEqual(['1/0'])
    bench.disk.held.shift()?.go()
    await settle()
    expect(bench.told).toEqual(['1/0', '1/1'])
    expect(bench.disk.held).toHaveLength(1)
    bench.disk.held.shift()?.go()
    await settle()
    expect(bench.told).toEqual(['1/0', '1/1', '1/2', '1/3', '1/4'])
    expect(bench.journal.syncs).toBe(3)
  })

  it('writes under a running sync what is worth a write, and does not tell it with that sync', async () => {
    const bench = new Bench({ directAppendBytes: 1 << 30 })
    const log = bench.log(1)
    bench.submit(log)
    await settle()
    bench.disk.holds = (what) => what.startsWith('sync')
    bench.submit(log)
    await settle()
    const writes = bench.journal.groupsWritten
    bench.submit(log, 128 * 1_024)
    await settle()
    expect(bench.journal.groupsWritten).toBe(writes + 1)
    bench.disk.held.shift()?.go()
    await settle()
    expect(bench.told).toEqual(['1/0', '1/1'])
    bench.disk.held.shift()?.go()
    await settle()
    expect(bench.told).toEqual(['1/0', '1/1', '1/2'])
  })

  it('closes a group at its size and writes the rest after it', async () => {
    const bench = new Bench({ groupBytesMax: 10_000, directAppendBytes: 1 << 30 })
    const log = bench.log(1)
    for (let index = 0; index < 8; index++) bench.submit(log, 3_000)
    await settle()
    expect(bench.told).toHaveLength(8)
    expect(bench.journal.groupsWritten).toBe(3)
  })

  it('says in an empty group what is durable once it is idle, and once only', async () => {
    const bench = new Bench()
    bench.submit(bench.log(1))
    await settle()
    expect(bench.journal.groupsWritten).toBe(1)
    bench.fire()
    await settle()
    expect(bench.journal.groupsWritten).toBe(2)
    bench.fire()
    await settle()
    expect(bench.journal.groupsWritten).toBe(2)
  })

  it('claims at once when asked, also when something is under way', async () => {
    const bench = new Bench()
    bench.submit(bench.log(1))
    await bench.journal.claim()
    expect(bench.told).toEqual(['1/0'])
    expect(bench.journal.groupsWritten).toBe(2)
  })
})

describe('a journal whose sync fails', () => {
  it('tells nothing any more, fails once, and never syncs again', async () => {
    const bench = new Bench()
    const log = bench.log(1)
    bench.submit(log)
    await settle()
    bench.disk.fails = (what) => (what.startsWith('sync') ? 'EIO' : undefined)
    bench.submit(log)
    await settle()
    const syncs = bench.words().filter((word) => word === 'sync').length
    bench.disk.fails = () => undefined
    for (let index = 0; index < 3; index++) bench.submit(log)
    bench.fire()
    await settle()
    expect(bench.told).toEqual(['1/0'])
    expect(bench.failures).toHaveLength(1)
    expect(bench.words().filter((word) => word === 'sync')).toHaveLength(syncs)
  })

  it('tells nothing when the failure comes from elsewhere while its own sync succeeds', async () => {
    const bench = new Bench()
    const log = bench.log(1)
    bench.submit(log)
    await settle()
    bench.disk.holds = (what) => what.startsWith('sync')
    bench.submit(log)
    await settle()
    bench.journal.fail(new Error('a checkpoint could not sync'))
    bench.disk.held.shift()?.go()
    await settle()
    expect(bench.told).toEqual(['1/0'])
  })

  it('lets go of control items, wherever they are', async () => {
    const bench = new Bench()
    bench.submit(bench.log(1))
    await settle()
    bench.disk.holds = (what) => what.startsWith('sync')
    const syncing = control(bench, 2)
    await settle()
    const pending = control(bench, 3)
    bench.journal.fail(new Error('EIO'))
    const late = control(bench, 4)
    bench.disk.held.shift()?.go()
    await settle()
    expect([syncing.outcome, pending.outcome, late.outcome]).toEqual([
      ['refused'],
      ['refused'],
      ['refused'],
    ])
  })

  it('fails when a write fails for anything but want of room', async () => {
    const bench = new Bench()
    bench.disk.fails = (what) => (what.startsWith('write') ? 'EIO' : undefined)
    bench.submit(bench.log(1))
    await settle()
    expect(bench.failures).toHaveLength(1)
    expect(bench.refused).toEqual([])
  })
})

describe('a journal without room', () => {
  it('refuses the group by name and goes on with the next', async () => {
    const bench = new Bench()
    const log = bench.log(1)
    bench.submit(log)
    await settle()
    bench.disk.fails = (what) => (what.startsWith('write') ? 'ENOSPC' : undefined)
    bench.submit(log)
    bench.submit(log)
    await settle()
    expect(bench.refused).toEqual(['1/1', '1/2'])
    expect(bench.failures).toEqual([])
    bench.disk.fails = () => undefined
    bench.submit(bench.log(2))
    await settle()
    expect(bench.told).toEqual(['1/0', '2/0'])
  })

  it('leaves out items that were taken back while they waited', async () => {
    const bench = new Bench()
    const log = bench.log(1)
    bench.submit(log)
    const taken = bench.submit(log)
    taken.isRefused = true
    await settle()
    expect(bench.told).toEqual(['1/0'])
  })

  it('takes a smaller file for definitions when there is no room for a whole one', async () => {
    const bench = new Bench({}, 1_048_576)
    let written = 0
    bench.disk.fails = (what) => {
      const bytes = Number(/^write \S+ (\d+)/.exec(what)?.[1] ?? 0)
      if (bytes > 300_000) return 'ENOSPC'
      written += bytes
      return undefined
    }
    bench.submit(bench.log(5))
    await settle()
    expect(bench.refused).toEqual(['5/0'])
    const { outcome } = control(bench, 7)
    await settle()
    expect(outcome).toEqual([])
    expect(bench.told).toEqual(['control 7'])
    expect(written).toBeGreaterThan(0)
  })
})

describe('direct appends', () => {
  it('are durable when the journal and every segment of theirs is synced', async () => {
    const bench = new Bench({ directAppendBytes: 1_000 })
    const log = bench.log(1)
    const segment = await bench.disk.open('/l/1/0.log', 'create')
    let releaseCount = 0
    bench.direct = async (_log, first, last) => {
      bench.disk.calls.push(`direct ${first.baseOffset} to ${last.baseOffset}`)
      return [{ file: segment, release: () => void releaseCount++ }]
    }
    bench.disk.holds = (what) => what === 'sync /l/1/0.log'
    bench.submit(log, 600)
    bench.submit(log, 600)
    await settle()
    expect(bench.disk.calls).toContain('direct 0 to 1')
    expect(bench.told).toEqual([])
    // Held open: a sync of a closed file would stop the broker.
    expect(releaseCount).toBe(0)
    bench.disk.held.shift()?.go()
    await settle()
    expect(bench.told).toEqual(['1/0', '1/1'])
    expect(releaseCount).toBe(1)
    expect(bench.journal.directAppends).toBe(1)
  })

  it('are told to nobody when their segment cannot be synced', async () => {
    const bench = new Bench({ directAppendBytes: 1_000 })
    const segment = await bench.disk.open('/l/1/0.log', 'create')
    bench.direct = () => Promise.resolve([{ file: segment, release: () => undefined }])
    bench.disk.fails = (what) => (what === 'sync /l/1/0.log' ? 'EIO' : undefined)
    bench.submit(bench.log(1), 2_000)
    await settle()
    expect(bench.told).toEqual([])
    expect(bench.failures).toHaveLength(1)
  })

  it('tell of a failed sync at once, not when the other syncs have returned', async () => {
    const bench = new Bench({ directAppendBytes: 1_000 })
    const segment = await bench.disk.open('/l/1/0.log', 'create')
    bench.direct = () => Promise.resolve([{ file: segment, release: () => undefined }])
    bench.disk.fails = (what) => (what === 'sync /l/1/0.log' ? 'EIO' : undefined)
    bench.disk.holds = (what) => what.startsWith('sync ') && what !== 'sync /l/1/0.log'
    bench.submit(bench.log(1), 2_000)
    for (let round = 0; round < 3; round++) {
      await settle()
      // The syncs that make the journal's own files come first.
      if (bench.failures.length === 0) bench.disk.held.shift()?.go()
    }
    expect(bench.disk.held).toHaveLength(1)
    expect(bench.failures).toHaveLength(1)
  })

  it('are written before their group', async () => {
    const bench = new Bench({ directAppendBytes: 1_000 })
    bench.submit(bench.log(9))
    await settle()
    bench.direct = async () => {
      bench.disk.calls.push('direct')
      return []
    }
    bench.disk.calls.length = 0
    bench.submit(bench.log(1), 2_000)
    await settle()
    expect(bench.disk.calls[0]).toBe('direct')
  })

  it('refuse the log that found no room and take the others', async () => {
    const bench = new Bench({ directAppendBytes: 1_000 })
    bench.direct = (log) =>
      log.id === 1
        ? Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
        : Promise.resolve([])
    bench.submit(bench.log(1), 2_000)
    bench.submit(bench.log(2), 100)
    await settle()
    expect(bench.refused).toEqual(['1/0'])
    expect(bench.told).toEqual(['2/0'])
  })

  it('never serve the metadata', async () => {
    const bench = new Bench({ directAppendBytes: 1_000 })
    let calls = 0
    bench.direct = () => {
      calls++
      return Promise.resolve([])
    }
    bench.submit(bench.log(0), 5_000)
    await settle()
    expect(calls).toBe(0)
    expect(bench.told).toEqual(['0/0'])
  })
})
