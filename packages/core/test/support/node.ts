/** A broker in a simulated world, with the few verbs that the tests of this package share. */
import {
  RecordBatchBuilder,
  RecordCursor,
  batchTotalBytes,
  utf8Decode,
  utf8Encode,
} from '@millrace/codec'
import type { BrokerError } from '@millrace/codec'
import { SimulatedWorld } from '@millrace/testing'
import { openBroker } from '../../src/engine/open-broker.ts'
import type {
  AppendCompletion,
  Broker,
  BrokerOptions,
  Caller,
  EngineSession,
  ReadResult,
  StorageOptions,
  TopicHandle,
  TopicSettingsPatch,
} from '../../src/engine/operations.ts'

export const DIRECTORY = '/data'

export const caller: Caller = {
  principal: { name: 'test', isAnonymous: true },
  namespace: '/',
}

/** Everything small, so that a scenario of a few calls rolls, checkpoints and recycles. */
export const smallStorage: Partial<StorageOptions> = {
  journalFileBytes: 64 * 1024,
  checkpointBytes: 96 * 1024,
  directAppendBytes: 16 * 1024,
  groupBytesMax: 32 * 1024,
  unflushedBytesMax: 128 * 1024,
  deleteGraceMs: 100,
  ballastBytes: 0,
  openFilesMax: 64,
}

export const batchOf = (values: readonly string[], timestamp = 1_000): Uint8Array => {
  const builder = new RecordBatchBuilder()
  for (const value of values) builder.appendFields(timestamp, null, utf8Encode(value), [])
  return builder.build()
}

/** A batch of an idempotent producer. */
export const producedBy = (
  producer: { readonly producerId: number; readonly epoch: number },
  baseSequence: number,
  values: readonly string[],
): Uint8Array => {
  const { producerId, epoch: producerEpoch } = producer
  const builder = new RecordBatchBuilder({ producerId, producerEpoch, baseSequence })
  for (const value of values) builder.appendFields(1_000, null, utf8Encode(value), [])
  return builder.build()
}

export interface Outcome {
  readonly sequence: number
  readonly error: BrokerError | undefined
  readonly baseOffset: number
  readonly nextOffset: number
  readonly appendTimestamp: number
  readonly durability: string
  readonly isDuplicate: boolean
}

export interface ReadRecord {
  readonly offset: number
  readonly value: string
}

export interface WholeLog {
  readonly records: readonly ReadRecord[]
  /** Ranges that a read has refused, by name. */
  readonly damaged: readonly { readonly from: number; readonly to: number }[]
}

export const recordsOf = (parts: readonly Uint8Array[], from = 0): ReadRecord[] => {
  const records: ReadRecord[] = []
  for (const part of parts)
    for (let at = 0; at < part.length; at += batchTotalBytes(part, at)) {
      const cursor = new RecordCursor(part, at)
      while (cursor.next())
        if (cursor.offset >= from)
          records.push({
            offset: cursor.offset,
            value: utf8Decode(cursor.value ?? new Uint8Array(0)),
          })
    }
  return records
}

const outcomeOf = (completion: AppendCompletion): Outcome => ({
  sequence: completion.sequence,
  error: completion.error,
  baseOffset: completion.baseOffset,
  nextOffset: completion.nextOffset,
  appendTimestamp: completion.appendTimestamp,
  durability: completion.durability,
  isDuplicate: completion.isDuplicate,
})

/** One life of a broker. */
export class TestNode {
  readonly world: SimulatedWorld
  readonly broker: Broker
  readonly session: EngineSession
  readonly fatal: BrokerError[]
  /** In the order in which they were told. */
  readonly outcomes: Outcome[] = []
  writableCount = 0
  readonly #waiting = new Map<number, (outcome: Outcome) => void>()
  #sequence = 0

  constructor(world: SimulatedWorld, broker: Broker, fatal: BrokerError[]) {
    this.world = world
    this.broker = broker
    this.fatal = fatal
    this.session = broker.openSession({
      principal: caller.principal,
      namespace: '/',
      inFlightCountMax: 10_000,
      inFlightBytesMax: 64 * 1024 * 1024,
      onCompletions: (completions, count) => this.#complete(completions, count),
      onWritable: () => void this.writableCount++,
    })
  }

  #complete(completions: readonly AppendCompletion[], count: number): void {
    for (let index = 0; index < count; index++) {
      const outcome = outcomeOf(completions[index] as AppendCompletion)
      this.outcomes.push(outcome)
      this.#waiting.get(outcome.sequence)?.(outcome)
      this.#waiting.delete(outcome.sequence)
    }
  }

  run<T>(promise: Promise<T>, withinMs?: number): Promise<T> {
    return this.world.scheduler.runUntil(promise, withinMs)
  }

  async create(
    topic: string,
    settings: TopicSettingsPatch = {},
    partitions = 1,
  ): Promise<TopicHandle> {
    await this.run(this.broker.createTopic(caller, { topic, settings, partitions }))
    return this.open(topic)
  }

  open(topic: string): Promise<TopicHandle> {
    return this.run(this.broker.openTopic(caller, topic, { create: false }))
  }

  /** Submits; `undefined` when the session refuses for want of credit. */
  submit(
    handle: TopicHandle,
    bytes: Uint8Array,
    options: { partition?: number; durability?: 'topic' | 'memory' } = {},
  ): Promise<Outcome> | undefined {
    const sequence = ++this.#sequence
    let settle: (outcome: Outcome) => void = () => undefined
    const outcome = new Promise<Outcome>((resolve) => (settle = resolve))
    this.#waiting.set(sequence, settle)
    const isTaken = this.session.append({
      sequence,
      handle,
      partition: options.partition ?? 0,
      bytes,
      isOwned: false,
      durability: options.durability ?? 'topic',
    })
    return isTaken ? outcome : undefined
  }

  /** Appends one batch of values and waits for its outcome. */
  append(handle: TopicHandle, values: readonly string[], partition = 0): Promise<Outcome> {
    return this.run(this.submit(handle, batchOf(values), { partition }) as Promise<Outcome>)
  }

  fetch(handle: TopicHandle, offset: number, partition = 0): Promise<ReadResult> {
    return this.run(
      new Promise<ReadResult>((resolve) => {
        const operation = { handle, partition, offset, bytesMax: 65_536, bytesMin: 0, waitMsMax: 0 }
        this.session.fetch(operation, resolve)
      }),
    )
  }

  /** Reads a partition from its start, going on behind what is reported damaged. */
  async readAll(handle: TopicHandle, partition = 0, from?: number): Promise<WholeLog> {
    const records: ReadRecord[] = []
    const damaged: { from: number; to: number }[] = []
    const description = this.broker.describeTopic(caller, handle.topic).partitions[partition]
    let offset = from ?? description?.earliest ?? 0
    for (;;) {
      const result = await this.fetch(handle, offset, partition)
      if (result.error !== undefined) {
        if (result.error.code !== 'ERR_DATA_CORRUPT') throw result.error
        if (result.nextOffset <= offset) throw new Error(`no way past ${offset}`)
        damaged.push({ from: offset, to: result.nextOffset })
        offset = result.nextOffset
        continue
      }
      if (result.lease === undefined) return { records, damaged }
      records.push(...recordsOf(result.lease.parts, offset))
      result.lease.release()
      offset = result.nextOffset
    }
  }

  async values(handle: TopicHandle, partition = 0): Promise<string[]> {
    const { records } = await this.readAll(handle, partition)
    return records.map((record) => record.value)
  }

  close(): Promise<void> {
    return this.run(this.broker.close())
  }
}

export const newWorld = (seed = 1): SimulatedWorld => new SimulatedWorld({ seed })

/** Begins a process in the world and opens the data directory in it. */
export const openNode = async (
  world: SimulatedWorld,
  options: Partial<BrokerOptions> = {},
): Promise<TestNode> => {
  const fatal: BrokerError[] = []
  const environment = world.boot()
  const opening = openBroker(
    {
      directory: DIRECTORY,
      autoCreateTopics: false,
      poisonFreedBuffers: true,
      onFatal: (error) => void fatal.push(error),
      ...options,
      storage: { ...smallStorage, ...options.storage },
    },
    environment,
  )
  const broker = await world.scheduler.runUntil(opening)
  return new TestNode(world, broker, fatal)
}

export const segmentFiles = (world: SimulatedWorld): string[] =>
  world.disk.files(DIRECTORY).filter((path) => path.endsWith('.log'))

export const journalFiles = (world: SimulatedWorld): string[] =>
  world.disk.files(DIRECTORY).filter((path) => path.endsWith('.journal'))

/** Replaces what stands in a file, as someone with an editor would. */
export const overwrite = async (
  world: SimulatedWorld,
  path: string,
  bytes: Uint8Array,
): Promise<void> => {
  const { disk } = world.boot()
  const { scheduler } = world
  await scheduler.runUntil(disk.remove(path).catch(() => undefined))
  const file = await scheduler.runUntil(disk.open(path, 'create'))
  await scheduler.runUntil(file.write([bytes], 0))
  await scheduler.runUntil(file.sync())
  await scheduler.runUntil(file.close())
  await scheduler.runUntil(disk.syncDirectory(path.slice(0, path.lastIndexOf('/'))))
}
