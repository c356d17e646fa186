/** Appends batches of every size to every partition, several in flight, and hears of each once. */
import type { AppendCompletion, EngineSession, TopicHandle } from '@millrace/core'
import type { ErrorCode } from '@millrace/codec'
import type { HistoryAppend } from '@millrace/testing'
import type { Life } from '../life.ts'
import type { TopicState } from '../metadata-model.ts'
import { callerOf, logName } from '../names.ts'
import { type BatchPlan, buildBatch, isKeyed, timeOf } from '../payload.ts'
import { openHandle } from './handles.ts'

interface InFlight {
  readonly append: HistoryAppend
  readonly topic: TopicState
  readonly wanted: 'topic' | 'memory'
  /** What was wrong with it on purpose. */
  readonly flaw: 'none' | 'damaged' | 'too large'
  readonly done: () => void
}

/** The broker has said no, and nothing of the append may ever be seen. */
const REFUSALS = new Set<ErrorCode>([
  'ERR_STORAGE_FULL',
  'ERR_STALE_HANDLE',
  'ERR_TOPIC_DELETED',
  'ERR_TOPIC_NOT_FOUND',
  'ERR_PARTITION_NOT_FOUND',
  'ERR_INVALID_BATCH',
  'ERR_BATCH_CHECKSUM',
  'ERR_BATCH_TOO_LARGE',
  'ERR_BUSY',
])

const FLAW_CODES: Record<InFlight['flaw'], readonly ErrorCode[]> = {
  none: [],
  damaged: ['ERR_INVALID_BATCH', 'ERR_BATCH_CHECKSUM'],
  'too large': ['ERR_BATCH_TOO_LARGE'],
}

const TOPIC_IS_GONE: readonly ErrorCode[] = ['ERR_STALE_HANDLE', 'ERR_TOPIC_DELETED']

export class Producer {
  readonly #life: Life
  readonly #number: number
  readonly #namespace: string
  readonly #session: EngineSession
  readonly #inFlight = new Map<number, InFlight>()
  #submitted = 0
  #completed = 0
  #isSubmitting = false
  #wake: (() => void) | undefined

  constructor(life: Life, number: number, namespace: string) {
    this.#life = life
    this.#number = number
    this.#namespace = namespace
    this.#session = life.broker.openSession({
      ...callerOf(namespace),
      inFlightCountMax: life.random.pick([1, 4, 64]),
      inFlightBytesMax: life.random.pick([64 * 1024, 1024 * 1024]),
      onCompletions: (completions, count) => this.#onCompletions(completions, count),
      onWritable: () => this.#onWritable(),
    })
  }

  async run(): Promise<void> {
    const { random } = this.#life
    while (!this.#life.isEnding) {
      await this.#life.idle()
      const topics = this.#topics()
      if (topics.length === 0 || this.#life.isEnding) continue
      const topic = random.pick(topics)
      const handle = await openHandle(this.#life, topic)
      if (handle === undefined) continue
      const partition = random.below(handle.partitionCount)
      const burst = random.chance(0.3) ? random.between(2, 8) : 1
      for (let index = 0; index < burst; index++) await this.#append(topic, handle, partition)
    }
  }

  #topics(): TopicState[] {
    const { metadata } = this.#life.simulation
    return metadata.topics().filter(({ namespace }) => namespace === this.#namespace)
  }

  /** One small append that must be acknowledged: the broker is alive and has room. */
  async probe(topic: TopicState, partition: number): Promise<void> {
    const handle = await openHandle(this.#life, topic)
    if (handle === undefined) return
    const append = await this.#append(topic, handle, partition, true)
    while (append?.state === 'pending') await this.#life.pause(500)
    // Damage to the journal may have taken the partition itself.
    if (this.#life.simulation.damage.mayDefinitionsBeLost || this.#life.hasFaulted) return
    if (append !== undefined && append.state !== 'acknowledged' && this.#life.fatal === undefined) {
      this.#life.simulation.violate(
        'I11',
        `${append.log}: a healthy broker does not take an append`,
      )
    }
  }

  /** Sends one batch, waiting for credit when there is none. */
  async #append(
    topic: TopicState,
    handle: TopicHandle,
    partition: number,
    isProbe = false,
  ): Promise<HistoryAppend | undefined> {
    const { random, simulation } = this.#life
    const flaw =
      isProbe || !random.chance(0.03) ? 'none' : random.pick(['damaged', 'too large'] as const)
    const log = logName(topic.id, partition)
    const plan = this.#plan(topic, partition, flaw, isProbe)
    const { bytes, hash, records } = buildBatch(plan)
    const wanted = isProbe || random.chance(0.93) ? 'topic' : 'memory'
    const isOwned = random.chance(0.5)
    const durability = wanted === 'topic' ? topic.settings.durability : 'memory'
    const isOffsetPromised = wanted === 'topic' || topic.settings.durability !== 'persisted'
    if (flaw === 'damaged') bytes[random.below(bytes.length - 61) + 61]! ^= 1 << random.below(8)
    const { producer, sequence, recordCount } = plan
    const append = simulation.history.invoke({
      log,
      producer,
      sequence,
      recordCount,
      hash,
      durability,
      isOffsetPromised,
      byteLength: bytes.length,
      ...timeOf(topic, plan),
      ...(records === undefined ? {} : { records }),
    })
    const operation = {
      sequence: this.#submitted++,
      handle,
      partition,
      bytes,
      isOwned,
      durability: wanted,
    } as const
    const done = this.#life.beginWait(`append ${sequence} of producer ${producer} to ${log}`)
    this.#inFlight.set(operation.sequence, { append, topic, wanted, flaw, done })
    this.#life.count()
    while (!this.#submit(operation)) await this.#writable()
    if (!isOwned) bytes.fill(0xdb)
    return append
  }

  #submit(operation: Parameters<EngineSession['append']>[0]): boolean {
    this.#isSubmitting = true
    try {
      return this.#session.append(operation)
    } finally {
      this.#isSubmitting = false
    }
  }

  #plan(topic: TopicState, partition: number, flaw: InFlight['flaw'], isProbe: boolean): BatchPlan {
    const { random, simulation } = this.#life
    const { recordCountMax, valueBytesMax } = simulation.scenario
    const bytesMax = topic.settings.batchBytesMax
    const recordCount = isProbe ? 1 : random.between(1, recordCountMax)
    // A record takes up to 70 bytes beside its value, a header 61.
    const room = Math.max(0, Math.floor((bytesMax - 61) / recordCount) - 70)
    const small = random.below(Math.min(room, valueBytesMax) + 1)
    const size = random.chance(0.15) && !isProbe ? random.below(room + 1) : small
    return {
      topicId: topic.id,
      partition,
      producer: this.#number,
      sequence: simulation.nextSequence(logName(topic.id, partition), this.#number),
      recordCount,
      valueBytes: flaw === 'too large' ? bytesMax : size,
      timestamp: simulation.world.clock.now(),
      // A tombstone is never too large.
      isKeyed: flaw !== 'too large' && isKeyed(topic),
    }
  }

  #writable(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve))
  }

  #onWritable(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  #onCompletions(completions: readonly AppendCompletion[], count: number): void {
    if (this.#life.isOver) return
    try {
      if (this.#isSubmitting) throw new Error('completions ran inside of a submit')
      for (let index = 0; index < count; index++)
        this.#onCompletion(completions[index] as AppendCompletion)
    } catch (error) {
      this.#life.simulation.fail(error)
    }
  }

  #onCompletion(completion: AppendCompletion): void {
    const { simulation } = this.#life
    const inFlight = this.#inFlight.get(completion.sequence)
    if (inFlight === undefined || completion.sequence !== this.#completed) {
      return simulation.violate(
        'I13',
        `append ${completion.sequence} completed where ${this.#completed} was due`,
      )
    }
    this.#completed++
    this.#inFlight.delete(completion.sequence)
    inFlight.done()
    const { append } = inFlight
    const outcome = completion.error?.code ?? `${completion.baseOffset} to ${completion.nextOffset}`
    simulation.note(
      `append ${append.log} producer ${append.producer} sequence ${append.sequence}: ${outcome}`,
    )
    if (completion.error === undefined) this.#onAcknowledged(inFlight, completion)
    else this.#onRefused(inFlight, completion.error.code)
  }

  #onAcknowledged({ append, topic, wanted, flaw }: InFlight, completion: AppendCompletion): void {
    const { simulation, fatal } = this.#life
    if (fatal !== undefined)
      simulation.violate(
        'I14',
        `${append.log}: an append was acknowledged after the broker had failed`,
      )
    if (flaw !== 'none')
      simulation.violate('I2', `${append.log}: a batch that is ${flaw} was acknowledged`)
    if (wanted === 'topic' && completion.durability !== topic.settings.durability) {
      simulation.violate(
        'I1',
        `${append.log}: an append was acknowledged as ${completion.durability}`,
      )
    }
    const isStamped = completion.appendTimestamp !== -1
    if (isStamped !== (topic.settings.timestampType === 'append')) {
      simulation.violate(
        'I2',
        `${append.log}: append timestamp ${completion.appendTimestamp} with ${topic.settings.timestampType} time`,
      )
    }
    simulation.history.acknowledge(append, completion.baseOffset, completion.nextOffset)
  }

  #onRefused({ append, topic, flaw }: InFlight, code: ErrorCode): void {
    const { simulation, hasFaulted, wasFull, fatal } = this.#life
    if (REFUSALS.has(code)) simulation.history.refuse(append)
    else simulation.history.lose(append)
    if (flaw !== 'none') simulation.coverage.add('refused batch')
    if (FLAW_CODES[flaw].includes(code) || hasFaulted || fatal !== undefined) return
    if (code === 'ERR_STORAGE_FULL' && wasFull) return
    if (code === 'ERR_DATA_CORRUPT' && simulation.damage.wasJournalDamaged) return
    if (TOPIC_IS_GONE.includes(code) && this.#isGone(topic)) return
    if (code === 'ERR_CLOSED' && this.#life.isEnding) return
    simulation.violate('I11', `${append.log}: an append failed without a cause: ${code}`)
  }

  #isGone({ namespace, topic, id }: TopicState): boolean {
    const { metadata } = this.#life.simulation
    return metadata.get(namespace, topic)?.id !== id || metadata.isPending(namespace, topic)
  }
}
