/** Races met by hand: a call is held back until the other side has gone past it. */
import { batchMaxTimestamp, type BrokerError } from '@millrace/codec'
import { recover } from '../../src/log/recovery.ts'
import type { Log } from '../../src/log/log.ts'
import { LogStore } from '../../src/log/store.ts'
import { createStoreParts, type StoreOptions } from '../../src/log/store-parts.ts'
import { batchOf, newWorld, recordsOf } from '../support/node.ts'
import { RecordingDisk, errorOf, recordingEnvironment, settle } from '../support/recording-disk.ts'
import { StoreBench, settings, storeOptions } from '../support/store.ts'

const openOn = async (
  disk: RecordingDisk,
  changed: Partial<StoreOptions> = {},
): Promise<{ store: LogStore; fatal: BrokerError[] }> => {
  const { environment } = recordingEnvironment(disk)
  const options = { ...storeOptions, ...changed }
  const parts = createStoreParts('/data', environment, options)
  const recovered = await recover('/data', environment, options, parts)
  const fatal: BrokerError[] = []
  const store = new LogStore('/data', environment, options, parts, recovered, {
    onFatal: (error) => void fatal.push(error),
    onDamage: () => undefined,
    onRoom: () => undefined,
  })
  return { store, fatal }
}

const submit = (store: LogStore, log: Log, value: string): string[] => {
  const told: string[] = []
  const bytes = batchOf([value])
  const accepted = { bytes, recordCount: 1, maxTimestamp: batchMaxTimestamp(bytes) }
  store.append(log, accepted, false, {
    stored: () => void told.push('stored'),
    refused: (error) => void told.push(error.code),
  })
  return told
}

const take = (disk: RecordingDisk, pattern: RegExp): RecordingDisk['held'][number] => {
  const index = disk.held.findIndex((one) => pattern.test(one.what))
  const held = disk.held.splice(index, 1)[0]
  if (index < 0 || held === undefined) throw new Error(`${pattern} is not held`)
  return held
}

const large = (mark: string): string => mark.repeat(20_000)

const offsetsOf = async (store: LogStore, log: Log): Promise<[number, string][]> => {
  const found: [number, string][] = []
  for (let offset = 0; offset < log.highWatermark;) {
    const slice = await store.reader.read(log, offset, 1 << 20)
    for (const record of recordsOf(slice.parts, offset))
      found.push([record.offset, record.value.slice(0, 5)])
    offset = slice.nextOffset
    slice.release()
  }
  return found
}

it('notes in a checkpoint what the groups before it say, though they are durable this moment', async () => {
  const bench = await StoreBench.open(newWorld())
  const log = bench.store.logs.create(settings, { isVolatile: false })
  for (const value of ['a', 'b', 'c']) await bench.append(log, [value])
  await bench.run(bench.store.checkpoint())
  await bench.world.scheduler.runFor(100)
  bench.store.journal.bytesSinceCheckpoint = storeOptions.checkpointBytes
  const { checkpoints } = bench.store
  await bench.run(bench.store.trimmer.trim(log, 2))
  await bench.world.scheduler.runUntil(() => bench.store.checkpoints > checkpoints)
  bench.world.losePower()
  const again = await StoreBench.open(bench.world)
  expect(again.store.logs.get(log.id)?.earliestOffset).toBe(2)
})

it('tells a direct append only after a segment sync that a checkpoint has begun meanwhile', async () => {
  const disk = new RecordingDisk()
  const { store } = await openOn(disk)
  const log = store.logs.create({ ...settings, segmentBytes: 24_000 }, { isVolatile: false })
  await settle()
  let directorySyncs = 0
  disk.holds = (what) =>
    (what === `syncDirectory ${log.directory}` && directorySyncs++ === 0) ||
    /^sync .*1\.log$/.test(what)
  const told = [submit(store, log, large('a')), submit(store, log, large('b'))]
  await settle()
  const name = take(disk, /^syncDirectory/)
  store.checkpoint().catch(() => undefined)
  await settle()
  const segment = take(disk, /^sync .*1\.log$/)
  name.go()
  await settle()
  expect(told).toEqual([[], []])
  for (const held of disk.held.splice(0)) held.go()
  segment.go()
  await settle()
  expect(told).toEqual([['stored'], ['stored']])
})

it('keeps a direct append that may be refused out of the checkpoint', async () => {
  const disk = new RecordingDisk()
  const { store } = await openOn(disk)
  const log = store.logs.create(settings, { isVolatile: false })
  submit(store, log, 'kept')
  await settle()
  disk.holds = (what) => /^write .*journal \d+$/.test(what)
  const told = submit(store, log, large('r'))
  await settle()
  const write = take(disk, /^write/)
  const checkpoint = store.checkpoint()
  await settle()
  disk.holds = () => false
  write.fail(errorOf('ENOSPC'))
  await checkpoint
  expect(told).toEqual(['ERR_STORAGE_FULL'])
  const after = submit(store, log, 'after')
  await settle()
  expect(after).toEqual(['stored'])
  const next = await openOn(disk)
  const again = next.store.logs.get(log.id)
  if (again === undefined) throw new Error('the log is gone')
  expect(await offsetsOf(next.store, again)).toEqual([
    [0, 'kept'],
    [1, 'after'],
  ])
})

it('flushes again what became durable behind a pass of the write-behind', async () => {
  const disk = new RecordingDisk()
  const { store } = await openOn(disk, {
    writeBehindBytes: 1_000,
    unflushedBytesMax: 5_000,
    directAppendBytes: 1 << 30,
  })
  const [first, second] = [1, 2].map(() => store.logs.create(settings, { isVolatile: false }))
  if (first === undefined || second === undefined) throw new Error('no logs')
  await settle()
  disk.holds = (what) => /^write .*\.log/.test(what)
  submit(store, second, 's'.repeat(1_200))
  await settle()
  submit(store, first, 'f'.repeat(6_000))
  await settle()
  expect(store.isCongested).toBe(true)
  const held = take(disk, /^write .*\.log/)
  disk.holds = () => false
  held.go()
  await settle()
  expect(store.isCongested).toBe(false)
})

it('takes a full disk at the entry of a checkpoint for a full disk', async () => {
  const disk = new RecordingDisk()
  const { store, fatal } = await openOn(disk)
  const log = store.logs.create(settings, { isVolatile: false })
  submit(store, log, 'a')
  await settle()
  disk.fails = (what) => (/^write .*journal/.test(what) ? 'ENOSPC' : undefined)
  await expect(store.checkpoint()).rejects.toMatchObject({ code: 'ERR_STORAGE_FULL' })
  store.noteBackgroundError(await store.checkpoint().catch((error: unknown) => error))
  expect(fatal).toEqual([])
  expect(store.isFull).toBe(true)
})

it('ends once, whatever fails how often, and lets its own work go', async () => {
  const disk = new RecordingDisk()
  const { store, fatal } = await openOn(disk)
  const log = store.logs.create(settings, { isVolatile: false })
  const before = submit(store, log, 'a')
  await settle()
  disk.fails = (what) => (what.startsWith('sync') ? 'EIO' : undefined)
  const told = submit(store, log, 'b')
  const checkpoint = store.checkpoint()
  await expect(checkpoint).rejects.toBeDefined()
  await settle()
  store.noteBackgroundError(errorOf('EIO'))
  expect(before).toEqual(['stored'])
  expect(told).toEqual([])
  expect(fatal).toHaveLength(1)
  expect((fatal[0]?.cause as { code?: string }).code).toBe('EIO')
  await expect(store.deleteLog(log.id)).rejects.toBeDefined()
  await store.close()
})

it('cuts what a refused append has left in its segment before anything else is written', async () => {
  const disk = new RecordingDisk()
  const { store } = await openOn(disk)
  const log = store.logs.create(settings, { isVolatile: false })
  submit(store, log, 'kept')
  await settle()
  await store.checkpoint()
  const path = `${log.directory}/00000000000000000000.log`
  const size = disk.files.get(path)?.length
  disk.fails = (what) => (/^write .*journal \d+$/.test(what) ? 'ENOSPC' : undefined)
  expect(submit(store, log, large('r'))).toEqual([])
  await settle()
  expect(disk.files.get(path)?.length).toBe(size)
  expect(log.nextOffset).toBe(1)
})
