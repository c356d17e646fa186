/** Reads everything there is and holds it against everything that was promised. */
import type { PartitionDescription, ReadResult } from '@millrace/core'
import { type HistoryAppend, type OffsetRange, InvariantViolation } from '@millrace/testing'
import type { Life } from './life.ts'
import { type TopicChange, type TopicState, readTopics } from './metadata-model.ts'
import { NAMESPACES, callerOf, logName } from './names.ts'
import { checkCompaction } from './compaction-check.ts'
import { type FoundBatch, firstRecordAt } from './payload.ts'
import { checkRead } from './read-check.ts'

/** A read that a planned fault has failed is tried again so often. */
const TRIES = 5

const overlap = (left: readonly OffsetRange[], right: readonly OffsetRange[]): OffsetRange[] =>
  left.flatMap((one) =>
    right
      .map((other) => ({ from: Math.max(one.from, other.from), to: Math.min(one.to, other.to) }))
      .filter(({ from, to }) => from < to),
  )

interface FullRead {
  readonly batches: readonly FoundBatch[]
  readonly earliestOffset: number
  readonly highWatermark: number
  /** Offsets that the broker says it cannot give, or passes over. */
  readonly missing: readonly OffsetRange[]
}

export class Verification {
  readonly #life: Life

  constructor(life: Life) {
    this.#life = life
  }

  /** Everything, while nobody writes. Stops early when the broker has to stop. */
  async run(): Promise<void> {
    this.checkMetadata()
    let isComplete = true
    for (const topic of this.#life.simulation.metadata.topics()) {
      for (let partition = 0; partition < topic.partitionCount; partition++) {
        isComplete &&= this.#life.fatal === undefined && (await this.#checkLog(topic, partition))
      }
    }
    // What it took with it is known now: from here on nothing more may be missing.
    if (isComplete) this.#life.simulation.damage.isJournalDamaged = false
  }

  checkMetadata(): void {
    const { broker, simulation } = this.#life
    for (const namespace of NAMESPACES) {
      if (!broker.hasNamespace(namespace)) {
        this.#checkMissingNamespace(namespace)
        continue
      }
      simulation.metadata.namespaces.add(namespace)
      const caller = callerOf(namespace)
      const actual = readTopics(broker.listTopics(caller), (topic) =>
        broker.describeTopic(caller, topic),
      )
      for (const { id, settings } of actual.values())
        simulation.retention.noteSettings(id, settings)
      if (simulation.damage.mayDefinitionsBeLost) this.#adoptAll(namespace, actual)
      for (const change of simulation.metadata.check(namespace, actual)) this.#onHappened(change)
    }
  }

  #checkMissingNamespace(namespace: string): void {
    const { metadata, damage } = this.#life.simulation
    if (!metadata.namespaces.has(namespace)) return
    if (!damage.mayDefinitionsBeLost)
      throw new InvariantViolation('META', `namespace ${namespace} is gone`)
    metadata.namespaces.delete(namespace)
    this.#adoptAll(namespace, new Map())
  }

  /** Definitions are lost: what is there is what counts. */
  #adoptAll(namespace: string, actual: ReadonlyMap<string, TopicState>): void {
    const { history, metadata } = this.#life.simulation
    for (const { topicId, partition } of metadata.adoptAll(namespace, actual))
      history.forget(logName(topicId, partition))
  }

  #onHappened(change: TopicChange): void {
    if (change.kind === 'delete' && change.before !== undefined) this.#forget(change.before)
  }

  #forget(state: TopicState): void {
    for (let partition = 0; partition < state.partitionCount + 1; partition++) {
      this.#life.simulation.history.forget(logName(state.id, partition))
    }
  }

  /** False when it could not be read. */
  async #checkLog(topic: TopicState, partition: number): Promise<boolean> {
    const { simulation } = this.#life
    const log = logName(topic.id, partition)
    const read = await this.#readAll(topic, partition)
    if (read === undefined) return false
    const touched = simulation.damage.touchedRanges(topic.id, partition)
    const reported = [...read.missing, ...this.#describe(topic, partition).quarantined]
    this.#checkReported(log, touched, reported, simulation.damage.isDamaged(topic.id, partition))
    simulation.note(
      `check ${log}: ${read.batches.length} batches, ${read.earliestOffset} to ${read.highWatermark}`,
    )
    const excused = overlap(touched, reported)
    simulation.damage.noteReported(log, excused)
    const isDamaged = simulation.damage.isDamaged(topic.id, partition)
    if (!isDamaged) simulation.history.seeEarliest(log, read.earliestOffset)
    const mayBeRemoved = (append: HistoryAppend): boolean =>
      this.#noteRemoved(append, read.earliestOffset)
    const isCompacted = simulation.retention.compactionOf(topic.id) !== undefined
    const mayReturn = (append: HistoryAppend): boolean =>
      simulation.retention.mayReturn(append, read.earliestOffset)
    const content = { ...read, excused, mayBeRemoved, mayReturn, isCompacted }
    simulation.history.checkContent(log, content)
    if (!isDamaged) this.#checkCompaction(topic, log, read)
    if (!isDamaged) this.#checkEpochs(log, read.batches)
    await this.#checkOffsets(topic, partition, read)
    return true
  }

  #checkCompaction({ id, settings }: TopicState, log: string, read: FullRead): void {
    const { retention, history, coverage, world } = this.#life.simulation
    retention.noteWall(world.clock.now())
    const rules = retention.compactionOf(id)
    const { batches, earliestOffset } = read
    const covers = batches.filter(({ recordCount }) => recordCount === 0)
    coverage.add('empty batch', covers.length)
    const truncated = retention.truncatedRanges(log)
    if (rules === undefined && covers.length > 0 && truncated.length === 0)
      throw new InvariantViolation('CMP', `${log}: records are gone from a log that keeps all`)
    if (rules === undefined) return
    const tally = { compacted: 0, tombstones: 0 }
    const appends = history.appendsOf(log)
    const { latestWallMs } = retention
    const compacted = { log, batches, earliestOffset, appends, rules, latestWallMs, truncated }
    checkCompaction(compacted, tally)
    if (settings.durability === 'memory') return
    coverage.add('compacted record', tally.compacted)
    coverage.add('removed tombstone', tally.tombstones)
  }

  #noteRemoved(append: HistoryAppend, earliestOffset: number): boolean {
    const { retention, coverage, world } = this.#life.simulation
    retention.noteWall(world.clock.now())
    const cause = retention.causeOf(append, earliestOffset)
    if (cause !== undefined) coverage.add(`removed by ${cause}`)
    return cause !== undefined
  }

  /** Nothing may be called damaged that nobody has touched. */
  #checkReported(
    log: string,
    touched: readonly OffsetRange[],
    reported: readonly OffsetRange[],
    isDamaged: boolean,
  ): void {
    const { mayDefinitionsBeLost } = this.#life.simulation.damage
    for (const range of reported) {
      const isTouched = touched.some(({ from, to }) => from < range.to && range.from < to)
      if (isTouched || (isDamaged && mayDefinitionsBeLost)) continue
      throw new InvariantViolation(
        'S6',
        `${log}: ${range.from} to ${range.to} is called damaged, and nobody has touched it`,
      )
    }
  }

  #checkEpochs(log: string, batches: readonly FoundBatch[]): void {
    let epoch = 0
    for (const batch of batches) {
      if (batch.epoch < epoch)
        throw new InvariantViolation(
          'I10',
          `${log}: the epoch falls from ${epoch} to ${batch.epoch} at ${batch.baseOffset}`,
        )
      epoch = batch.epoch
    }
  }

  #describe(topic: TopicState, partition: number): PartitionDescription {
    const description = this.#life.broker.describeTopic(callerOf(topic.namespace), topic.topic)
    return description.partitions[partition] as PartitionDescription
  }

  /** `undefined` when a planned fault keeps it from being read. */
  async #readAll(topic: TopicState, partition: number): Promise<FullRead | undefined> {
    for (;;) {
      const read = await this.#tryReadAll(topic, partition)
      if (read !== 'overtaken') return read
    }
  }

  async #tryReadAll(
    topic: TopicState,
    partition: number,
  ): Promise<FullRead | 'overtaken' | undefined> {
    const { simulation, random } = this.#life
    const log = logName(topic.id, partition)
    const isDamaged = simulation.damage.isDamaged(topic.id, partition)
    const { durability } = topic.settings
    const { earliest } = this.#describe(topic, partition)
    const batches: FoundBatch[] = []
    const missing: OffsetRange[] = []
    let offset = earliest
    for (;;) {
      const bytesMax = random.pick([1, 3000, 40_000, 1_000_000])
      const result = await this.#fetch(topic, partition, offset, bytesMax)
      if (result === undefined) return undefined
      if (result.error?.code === 'ERR_OFFSET_OUT_OF_RANGE') return 'overtaken'
      const { highWatermark } = result
      if (result.error === undefined) {
        const context = { log, durability, offset, isDamaged }
        for (const batch of checkRead(simulation, context, result)) {
          // The lease ends here, and its bytes with it.
          batches.push({ ...batch, bytes: batch.bytes.slice() })
        }
        result.lease?.release()
      }
      const next = this.#nextOffset(topic, partition, offset, result)
      const reached = batches.at(-1)?.nextOffset ?? earliest
      if (next > Math.max(offset, reached))
        missing.push({ from: Math.max(offset, reached), to: next })
      if (next >= highWatermark)
        return { batches, earliestOffset: earliest, highWatermark, missing }
      if (next <= offset) {
        throw new InvariantViolation(
          'I6',
          `${log}: a read from ${offset} does not get to the high watermark ${highWatermark}: ${result.error?.message ?? `it goes on at ${result.nextOffset}`}`,
        )
      }
      offset = next
    }
  }

  /** Where a full read goes on: behind the answer, or behind the range that is damaged. */
  #nextOffset(topic: TopicState, partition: number, offset: number, result: ReadResult): number {
    if (result.error === undefined) return result.nextOffset
    if (result.nextOffset > offset) return result.nextOffset
    const { quarantined } = this.#describe(topic, partition)
    const range = quarantined.find(({ from, to }) => from <= offset && offset < to)
    return range?.to ?? offset
  }

  async #fetch(
    topic: TopicState,
    partition: number,
    offset: number,
    bytesMax: number,
  ): Promise<ReadResult | undefined> {
    for (let tries = 0; tries < TRIES; tries++) {
      const result = await this.#fetchOnce(topic, partition, offset, bytesMax)
      const code = result.error?.code
      if (code === undefined) return result
      const isDamaged = this.#life.simulation.damage.isDamaged(topic.id, partition)
      if (code === 'ERR_DATA_CORRUPT' && isDamaged) return result
      const { earliest } = this.#describe(topic, partition)
      if (code === 'ERR_OFFSET_OUT_OF_RANGE' && offset < earliest) return result
      if (!this.#life.hasFaulted && this.#life.fatal === undefined) {
        throw new InvariantViolation(
          'I1',
          `${logName(topic.id, partition)}: reading from ${offset} fails with ${code} ${result.error?.message}`,
        )
      }
      if (this.#life.fatal !== undefined) return undefined
    }
    return undefined
  }

  async #fetchOnce(
    topic: TopicState,
    partition: number,
    offset: number,
    bytesMax: number,
  ): Promise<ReadResult> {
    const { broker } = this.#life
    const session = broker.openSession({
      ...callerOf(topic.namespace),
      inFlightCountMax: 1,
      inFlightBytesMax: 1,
      onCompletions: () => {},
      onWritable: () => {},
    })
    const what = `check ${topic.topic}/${partition} from ${offset}`
    const opening = broker.openTopic(callerOf(topic.namespace), topic.topic, { create: false })
    const handle = await this.#life.call(what, opening)
    const operation = { handle, partition, offset, bytesMax, bytesMin: 0, waitMsMax: 0 }
    const result = await this.#life.call(
      what,
      new Promise<ReadResult>((resolve) => void session.fetch(operation, resolve)),
    )
    session.close()
    return result
  }

  /** Offsets asked for by name and by time agree with what was read. */
  async #checkOffsets(topic: TopicState, partition: number, read: FullRead): Promise<void> {
    const { simulation, random } = this.#life
    if (this.#life.hasFaulted || simulation.damage.isDamaged(topic.id, partition)) return
    const { earliestOffset, highWatermark, batches } = read
    await this.#expectOffset(topic, partition, earliestOffset, 'earliest', {
      offset: earliestOffset,
    })
    await this.#expectOffset(topic, partition, earliestOffset, 'latest', { offset: highWatermark })
    if (batches.length === 0) return
    const timestamp = random.pick(batches).maxTimestamp + random.between(-2, 2)
    let found: { offset: number; timestamp: number } | undefined
    for (const batch of batches) found ??= firstRecordAt(batch.bytes, timestamp, earliestOffset)
    const wanted = found ?? { offset: highWatermark, timestamp: -1 }
    await this.#expectOffset(topic, partition, earliestOffset, { timestamp }, wanted)
  }

  async #expectOffset(
    topic: TopicState,
    partition: number,
    earliest: number,
    at: 'earliest' | 'latest' | { timestamp: number },
    wanted: { readonly offset: number; readonly timestamp?: number },
  ): Promise<void> {
    const { simulation } = this.#life
    const request = { topic: topic.topic, partitions: [partition], at }
    const asking = this.#life.broker.listOffsets(callerOf(topic.namespace), request)
    const [answer] = await this.#life.call('list offsets', asking)
    const { timestamp = answer?.timestamp } = wanted
    if (answer?.offset === wanted.offset && answer.timestamp === timestamp) return
    // Records went away while it was asked.
    if (this.#describe(topic, partition).earliest !== earliest) return
    const { retention } = simulation
    const isCompacted =
      retention.compactionOf(topic.id) !== undefined ||
      retention.truncatedRanges(logName(topic.id, partition)).length > 0
    if (isCompacted && (answer?.offset ?? -1) > wanted.offset) return
    throw new InvariantViolation(
      'I6',
      `${logName(topic.id, partition)}: ${JSON.stringify(at)} gives ${answer?.offset} (${answer?.timestamp}), not ${wanted.offset} (${wanted.timestamp})`,
    )
  }
}
