/** Creates, alters and deletes topics, one call at a time, and looks whether what it sees is right. */
import type { TopicSettingsPatch } from '@millrace/core'
import type { ErrorCode } from '@millrace/codec'
import type { Life } from '../life.ts'
import { type TopicChange, type TopicState, readTopics, stateOf } from '../metadata-model.ts'
import { NAMESPACES, TOPIC_NAMES, callerOf, logName } from '../names.ts'
import { codeOf } from '../read-check.ts'
import { createSettings, retentionSettings } from '../scenario.ts'

const PARTITIONS_MAX = 4

/** The broker has said no: nothing has changed and nothing will. */
const isRefusal = (code: ErrorCode | undefined): boolean =>
  code !== undefined &&
  code !== 'ERR_STORAGE_FAILED' &&
  code !== 'ERR_INTERNAL' &&
  code !== 'ERR_CLOSED'

export class Administrator {
  readonly #life: Life

  constructor(life: Life) {
    this.#life = life
  }

  /** Namespaces and a first topic, so that others have something to do. */
  async prepare(): Promise<void> {
    const { simulation, broker } = this.#life
    for (const namespace of NAMESPACES) {
      if (broker.hasNamespace(namespace)) continue
      if (simulation.metadata.namespaces.has(namespace)) {
        simulation.violate('META', `namespace ${namespace} is gone`)
      }
      const isMade = await this.#try(
        `namespace ${namespace}`,
        broker.createNamespace(callerOf('/'), namespace),
      )
      if (!isMade) continue
      simulation.metadata.namespaces.add(namespace)
      // Damage may have taken the namespace and left its topics.
      const caller = callerOf(namespace)
      const left = readTopics(broker.listTopics(caller), (topic) =>
        broker.describeTopic(caller, topic),
      )
      if (simulation.damage.mayDefinitionsBeLost) simulation.metadata.adoptAll(namespace, left)
    }
    if (simulation.metadata.topics().length === 0) await this.#create('/', TOPIC_NAMES[0])
  }

  async run(): Promise<void> {
    while (!this.#life.isEnding) {
      await this.#life.pause(this.#life.random.below(12 * this.#life.simulation.scenario.pauseUs))
      if (!this.#life.isEnding) await this.#act()
    }
  }

  async #act(): Promise<void> {
    const { random, simulation, broker } = this.#life
    const namespace = random.pick(NAMESPACES)
    const topic = random.pick(TOPIC_NAMES)
    if (!broker.hasNamespace(namespace) || simulation.metadata.isPending(namespace, topic)) return
    this.#life.count()
    const state = simulation.metadata.get(namespace, topic)
    if (state === undefined)
      return random.chance(0.8) ? this.#create(namespace, topic) : this.#miss(namespace, topic)
    const choice = random.fraction()
    if (choice < 0.35) await this.#alter(state)
    else if (choice < 0.45) await this.#delete(state)
    else if (choice < 0.6) await this.#deleteRecords(state)
    else if (choice < 0.64) await this.#truncate(state)
    else if (choice < 0.72) await this.#conflict(state)
    else this.#look(namespace)
  }

  async #create(namespace: string, topic: string): Promise<void> {
    const { random, broker, simulation } = this.#life
    const settings = createSettings(random)
    const partitions = random.between(1, 3)
    const change: TopicChange = {
      kind: 'create',
      namespace,
      topic,
      before: undefined,
      after: { settings, partitionCount: partitions },
    }
    await this.#change(change, async () =>
      stateOf(await broker.createTopic(callerOf(namespace), { topic, partitions, settings })),
    )
    if (simulation.metadata.get(namespace, topic) !== undefined)
      simulation.coverage.add('topic created')
  }

  async #alter(before: TopicState): Promise<void> {
    const { random, broker, simulation } = this.#life
    const { namespace, topic } = before
    const isGrown = random.chance(0.4) && before.partitionCount < PARTITIONS_MAX
    const partitionCount = before.partitionCount + (isGrown ? 1 : 0)
    const settings: TopicSettingsPatch = {
      segmentMs: random.pick([1000, 2000, 7_200_000]),
      ...(random.chance(0.5)
        ? { segmentBytes: 4 * before.settings.batchBytesMax * random.pick([1, 2]) }
        : {}),
      ...(random.chance(0.4) ? retentionSettings(random, before.settings.durability) : {}),
    }
    const after = {
      settings: { ...before.settings, ...settings } as TopicState['settings'],
      partitionCount,
    }
    simulation.retention.noteSettings(before.id, after.settings)
    const revision = random.chance(0.5) ? { revision: before.revision } : {}
    const change: TopicChange = { kind: 'alter', namespace, topic, before, after }
    await this.#change(change, async () =>
      stateOf(
        await broker.alterTopic(callerOf(namespace), {
          topic,
          settings,
          ...(isGrown ? { partitions: partitionCount } : {}),
          ...revision,
        }),
      ),
    )
    simulation.coverage.add('topic altered')
  }

  /** Whoever is told of a new beginning finds nothing below it any more, after any crash. */
  async #deleteRecords({ namespace, topic, id, partitionCount }: TopicState): Promise<void> {
    const { random, broker, simulation } = this.#life
    const caller = callerOf(namespace)
    const partition = random.below(partitionCount)
    const log = logName(id, partition)
    const bounds = broker.describeTopic(caller, topic).partitions[partition]
    if (bounds === undefined) return
    const { earliest, highWatermark } = bounds
    const before = random.chance(0.2) ? -1 : random.between(0, highWatermark)
    simulation.retention.noteRequest(log, before === -1 ? highWatermark : before)
    const what = `delete records of ${log} before ${before}`
    const request = { topic, partitions: [{ partition, before }] }
    try {
      const [answer] = await this.#life.call(what, broker.deleteRecords(caller, request))
      simulation.note(`${what}: earliest ${answer?.earliest}`)
      simulation.coverage.add('records deleted')
      const wanted = before === -1 ? highWatermark : Math.max(before, earliest)
      if (answer === undefined || answer.earliest < wanted)
        return simulation.violate('RET', `${what} leaves ${answer?.earliest}, not ${wanted}`)
      if (!simulation.damage.isDamaged(id, partition))
        simulation.history.seeEarliest(log, answer.earliest)
    } catch (error) {
      const code = codeOf(error)
      if (code === undefined) throw error
      simulation.note(`${what}: ${code}`)
      this.#demandCause(what, code)
    }
  }

  /** What lies behind the offset is gone for good, and its offsets are not used again. */
  async #truncate(state: TopicState): Promise<void> {
    const { random, broker, simulation } = this.#life
    const { namespace, topic, id, partitionCount, settings } = state
    const partition = random.below(partitionCount)
    const log = logName(id, partition)
    // At the start of a batch: what is left of one could not be told from damage.
    const starts = simulation.history
      .appendsOf(log)
      .filter((append) => append.state === 'acknowledged' && !append.isRemoved)
      .map(({ baseOffset }) => baseOffset)
      .filter((offset) => offset !== undefined)
    if (starts.length === 0 || settings.durability === 'memory') return
    const from = random.pick(starts)
    const range = simulation.retention.noteTruncation(log, from)
    const what = `truncate ${log} from ${from}`
    const calling = broker.truncateTopic(callerOf(namespace), { topic, partition, from })
    try {
      const { next } = await this.#life.call(what, calling)
      simulation.note(`${what}: next ${next}`)
      simulation.coverage.add('truncation')
      range.to = next
      range.isAnswered = true
      for (const append of simulation.history.appendsOf(log)) {
        const { baseOffset = -1, recordCount } = append
        if (from <= baseOffset && baseOffset + recordCount <= next)
          simulation.history.remove(append)
      }
    } catch (error) {
      const code = codeOf(error)
      if (code === undefined) throw error
      simulation.note(`${what}: ${code}`)
      // It has come to its end: a part of it may be done, nothing later is touched.
      range.to = code === 'ERR_OFFSET_OUT_OF_RANGE' ? from : this.#endOf(state, partition)
      const isDamaged = simulation.damage.isDamaged(id, partition)
      if (code === 'ERR_DATA_CORRUPT' && isDamaged) return
      if (code === 'ERR_OFFSET_OUT_OF_RANGE' && simulation.retention.isTouched(log)) return
      this.#demandCause(what, code)
    }
  }

  #endOf({ namespace, topic, id }: TopicState, partition: number): number {
    const { broker, simulation, fatal } = this.#life
    if (fatal !== undefined || simulation.metadata.get(namespace, topic)?.id !== id) return Infinity
    const description = broker.describeTopic(callerOf(namespace), topic)
    return description.partitions[partition]?.next ?? Infinity
  }

  async #delete(before: TopicState): Promise<void> {
    const { random, broker, simulation } = this.#life
    const { namespace, topic } = before
    const revision = random.chance(0.5) ? { revision: before.revision } : {}
    const change: TopicChange = { kind: 'delete', namespace, topic, before, after: undefined }
    await this.#change(change, async () => {
      await broker.deleteTopic(callerOf(namespace), { topic, ...revision })
      simulation.coverage.add('topic deleted')
      return undefined
    })
  }

  async #change(change: TopicChange, call: () => Promise<TopicState | undefined>): Promise<void> {
    const { simulation } = this.#life
    const what = `${change.kind} ${change.namespace} ${change.topic}`
    simulation.metadata.begin(change)
    try {
      const actual = await this.#life.call(what, call())
      simulation.note(`${what}: id ${actual?.id} revision ${actual?.revision}`)
      simulation.metadata.accept(change, actual)
      if (actual !== undefined) simulation.retention.noteSettings(actual.id, actual.settings)
      if (change.kind === 'delete') this.#forget(change.before as TopicState)
    } catch (error) {
      const code = codeOf(error)
      simulation.note(`${what}: ${code ?? String(error)}`)
      if (code === undefined) throw error
      if (isRefusal(code)) simulation.metadata.refuse(change)
      this.#demandCause(what, code)
    }
  }

  #forget(state: TopicState): void {
    for (let partition = 0; partition < PARTITIONS_MAX; partition++) {
      this.#life.simulation.history.forget(logName(state.id, partition))
    }
  }

  #demandCause(what: string, code: ErrorCode): void {
    const { hasFaulted, fatal, wasFull, isEnding, simulation } = this.#life
    if (hasFaulted || fatal !== undefined || isEnding) return
    if (code === 'ERR_STORAGE_FULL' && wasFull) return
    simulation.violate('I11', `${what} failed without a cause: ${code}`)
  }

  async #try(what: string, promise: Promise<unknown>): Promise<boolean> {
    try {
      await this.#life.call(what, promise)
      return true
    } catch (error) {
      const code = codeOf(error)
      if (code === undefined) throw error
      this.#demandCause(what, code)
      return false
    }
  }

  /** What must be refused is refused, and with the right words. */
  async #conflict(state: TopicState): Promise<void> {
    const { broker, random } = this.#life
    const { namespace, topic } = state
    const caller = callerOf(namespace)
    if (random.chance(0.5)) {
      const revision = state.revision + 1000
      await this.#expect('ERR_REVISION_CONFLICT', broker.deleteTopic(caller, { topic, revision }))
    } else {
      await this.#expect('ERR_TOPIC_EXISTS', broker.createTopic(caller, { topic }))
    }
  }

  async #miss(namespace: string, topic: string): Promise<void> {
    const { broker } = this.#life
    await this.#expect('ERR_TOPIC_NOT_FOUND', broker.deleteTopic(callerOf(namespace), { topic }))
  }

  async #expect(wanted: ErrorCode, promise: Promise<unknown>): Promise<void> {
    const { simulation, hasFaulted, wasFull, isEnding } = this.#life
    const found = await this.#life.call(
      wanted,
      promise.then(() => undefined, codeOf),
    )
    if (found === wanted || hasFaulted || wasFull || isEnding || this.#life.fatal !== undefined)
      return
    simulation.violate('META', `a call that must fail with ${wanted} gave ${found ?? 'no error'}`)
  }

  /** Everything that was acknowledged is listed and described so, while nothing is under way. */
  #look(namespace: string): void {
    const { broker, simulation } = this.#life
    if (TOPIC_NAMES.some((topic) => simulation.metadata.isPending(namespace, topic))) return
    const caller = callerOf(namespace)
    const actual = readTopics(broker.listTopics(caller), (topic) =>
      broker.describeTopic(caller, topic),
    )
    simulation.metadata.check(namespace, actual)
  }
}
