/** A store without topics in a simulated world: for rules that are below the broker. */
import type { BrokerError } from '@millrace/codec'
import { batchMaxTimestamp, batchRecordCount } from '@millrace/codec'
import type { SimulatedWorld } from '@millrace/testing'
import type { RecoveryReport } from '../../src/engine/operations.ts'
import type { Environment } from '../../src/environment/environment.ts'
import { defaultStorageOptions } from '../../src/log/limits.ts'
import type { Log, LogSettings } from '../../src/log/log.ts'
import { recover } from '../../src/log/recovery.ts'
import { LogStore } from '../../src/log/store.ts'
import { createStoreParts, type StoreOptions, type StoreParts } from '../../src/log/store-parts.ts'
import type { StoredBatch } from '../../src/log/stored-batch.ts'
import { DIRECTORY, batchOf, recordsOf, smallStorage, type ReadRecord } from './node.ts'

export const storeOptions: StoreOptions = {
  ...defaultStorageOptions,
  ...smallStorage,
  tailBytesMax: 64 * 1024,
  writeBehindBytes: 32 * 1024,
  poison: true,
}

export const settings: LogSettings = { segmentBytes: 64 * 1024, segmentMs: Infinity }

export interface Told {
  batch: StoredBatch | undefined
  error: BrokerError | undefined
}

export class StoreBench {
  readonly world: SimulatedWorld
  readonly environment: Environment
  readonly store: LogStore
  readonly parts: StoreParts
  readonly fatal: BrokerError[] = []
  readonly damage: { log: Log; from: number; to: number }[] = []
  roomCount = 0

  private constructor(
    world: SimulatedWorld,
    environment: Environment,
    parts: StoreParts,
    options: StoreOptions,
    recovered: Awaited<ReturnType<typeof recover>>,
  ) {
    this.world = world
    this.environment = environment
    this.parts = parts
    this.store = new LogStore(DIRECTORY, environment, options, parts, recovered, {
      onFatal: (error) => void this.fatal.push(error),
      onDamage: (log, range) => void this.damage.push({ log, ...range }),
      onRoom: () => void this.roomCount++,
    })
  }

  static async open(
    world: SimulatedWorld,
    changed: Partial<StoreOptions> = {},
  ): Promise<StoreBench> {
    const environment = world.boot()
    const options = { ...storeOptions, ...changed }
    const parts = createStoreParts(DIRECTORY, environment, options)
    const opening = async (): Promise<Awaited<ReturnType<typeof recover>>> => {
      await environment.disk.makeDirectory(DIRECTORY)
      await environment.disk.syncDirectory('/')
      return recover(DIRECTORY, environment, options, parts)
    }
    const recovered = await world.scheduler.runUntil(opening())
    return new StoreBench(world, environment, parts, options, recovered)
  }

  get report(): RecoveryReport {
    return this.store.recovery
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.world.scheduler.runUntil(promise)
  }

  submit(log: Log, values: readonly string[]): Told {
    const told: Told = { batch: undefined, error: undefined }
    const bytes = batchOf(values)
    const accepted = {
      bytes,
      recordCount: batchRecordCount(bytes),
      maxTimestamp: batchMaxTimestamp(bytes),
    }
    this.store.append(log, accepted, false, {
      stored: (batch) => (told.batch = batch),
      refused: (error) => (told.error = error),
    })
    return told
  }

  async append(log: Log, values: readonly string[]): Promise<StoredBatch> {
    const told = this.submit(log, values)
    await this.world.scheduler.runUntil(() => told.batch !== undefined || told.error !== undefined)
    if (told.batch === undefined) throw told.error as Error
    return told.batch
  }

  async records(log: Log, from = log.earliestOffset): Promise<ReadRecord[]> {
    const records: ReadRecord[] = []
    for (let offset = from; offset < log.highWatermark;) {
      const slice = await this.run(this.store.reader.read(log, offset, 65_536))
      records.push(...recordsOf(slice.parts, offset))
      offset = slice.nextOffset
      slice.release()
    }
    return records
  }

  async values(log: Log, from?: number): Promise<string[]> {
    return (await this.records(log, from)).map((record) => record.value)
  }

  /** All that was kept in memory for readers is given up: the next reads go to the files. */
  forgetTail(): void {
    this.parts.tail.dropAll()
  }
}
