/**
 * Drives an idempotent producer through one process of the broker: sends, loses its connection,
 * sends again, and now and then breaks the rules on purpose to see that it is told so.
 *
 * A batch is there once however often it was sent; an answer to any attempt of it names the same
 * offsets, and is given when they are durable; what skips a sequence, has an old epoch or an id that
 * nobody was given is refused.
 */
import type { AppendCompletion, EngineSession, TopicHandle } from '@millrace/core'
import type { ErrorCode } from '@millrace/codec'
import type { HistoryAppend } from '@millrace/testing'
import {
  type IdempotentClient,
  type ProducerStream,
  type SentBatch,
  UNANSWERED_MAX,
  loseAnswers,
  mayBeForgotten,
  noteAnswered,
} from '../idempotence.ts'
import type { Life } from '../life.ts'
import type { TopicState } from '../metadata-model.ts'
import { callerOf, logName } from '../names.ts'
import { type BatchStamp, type PlannedBatch, buildBatch, isKeyed, timeOf } from '../payload.ts'
import { codeOf } from '../read-check.ts'
import { type Destination, visitTopics } from './handles.ts'

/** An attempt of a batch, or a batch that must be refused with one of these codes. */
interface Attempt {
  readonly stream: ProducerStream
  readonly sent: SentBatch | undefined
  readonly forbidden: HistoryAppend | undefined
  readonly refusals: readonly ErrorCode[]
  readonly sentAtMs: number
  readonly done: () => void
}

const RECORDS_MAX = 4
const VALUE_BYTES_MAX = 400
/** An id that no broker has given out in a simulated life. */
const STRANGER_ID = 1_000_000_000

const TOPIC_IS_GONE: readonly ErrorCode[] = [
  'ERR_STALE_HANDLE',
  'ERR_TOPIC_DELETED',
  'ERR_TOPIC_NOT_FOUND',
  'ERR_PARTITION_NOT_FOUND',
]

/** The attempt left nothing behind. */
const LEFT_NOTHING: readonly ErrorCode[] = [
  ...TOPIC_IS_GONE,
  'ERR_STORAGE_FULL',
  'ERR_OUT_OF_SEQUENCE',
  'ERR_UNKNOWN_PRODUCER',
  'ERR_BUSY',
]

export class IdempotentProducer {
  readonly #life: Life
  readonly #client: IdempotentClient
  readonly #namespace: string
  #session: EngineSession
  readonly #attempts = new Map<number, Attempt>()
  #submitted = 0
  #wake: (() => void) | undefined

  constructor(life: Life, client: IdempotentClient, namespace: string) {
    this.#life = life
    this.#client = client
    this.#namespace = namespace
    this.#session = this.#openSession()
    client.onNewProcess()
  }

  run(): Promise<void> {
    return visitTopics(
      this.#life,
      this.#namespace,
      async (topic, handle, partition) => {
        if (this.#life.isEnding) return
        if (this.#client.producerId === undefined && !(await this.#introduce())) return
        await this.#act(topic, handle, partition)
      },
      () => this.#unfinished(),
    )
  }

  /** What was refused or never answered is seldom left for later: a broker must remember it rightly. */
  #unfinished(): Destination | undefined {
    const { random, simulation, isFull } = this.#life
    if (random.chance(isFull ? 0.9 : 0.3)) return undefined
    for (const { topic, partition, isBroken } of this.#client.streams.values()) {
      const current = simulation.metadata.get(topic.namespace, topic.topic)
      if (isBroken && current?.id === topic.id && topic.namespace === this.#namespace)
        return { topic: current, partition }
    }
    return undefined
  }

  /** Asks for a producer id. */
  async #introduce(): Promise<boolean> {
    const { broker, simulation } = this.#life
    try {
      const asking = broker.initProducer(callerOf(this.#namespace))
      const { producerId, epoch } = await this.#life.call('init producer', asking)
      simulation.idempotence.noteId(producerId)
      simulation.coverage.add('producer id given')
      this.#client.producerId = producerId
      this.#client.epoch = epoch
      simulation.note(`producer ${this.#client.number} has id ${producerId} epoch ${epoch}`)
      return true
    } catch (error) {
      const code = codeOf(error)
      if (code === undefined) throw error
      this.#demandCause('init producer', code)
      return false
    }
  }

  async #act(topic: TopicState, handle: TopicHandle, partition: number): Promise<void> {
    const { random } = this.#life
    const log = logName(topic.id, partition)
    const known = this.#client.streams.get(log)
    if (known !== undefined && mayBeForgotten(this.#life, known)) {
      // Something new may be tried, nothing may be repeated.
      if (known.unanswered.length === 0 && random.chance(0.3)) return this.#send(known, handle)
      return this.#abandon()
    }
    const stream = this.#client.streamOf(topic, log, partition)
    if (stream.isBroken) return this.#sendAgain(stream, handle)
    if (random.chance(0.08)) return this.#reconnect()
    if (random.chance(0.25)) return this.#misbehave(stream, handle)
    const burst = random.chance(0.3) ? random.between(2, UNANSWERED_MAX) : 1
    for (let index = 0; index < burst; index++) {
      if (stream.isBroken || stream.unanswered.length >= UNANSWERED_MAX) return
      await this.#send(stream, handle)
    }
  }

  #abandon(): void {
    const { simulation } = this.#life
    for (const { unanswered } of this.#client.streams.values())
      for (const { append } of unanswered) simulation.history.lose(append)
    simulation.note(`producer ${this.#client.number} begins anew`)
    this.#client.abandon(simulation.idempotence.nextNumber())
  }

  /** The connection breaks: what is in flight may be stored, and is not answered any more. */
  #reconnect(): void {
    this.#session.close()
    for (const { done } of this.#attempts.values()) done()
    this.#attempts.clear()
    for (const stream of this.#client.streams.values()) loseAnswers(stream)
    this.#session = this.#openSession()
  }

  #openSession(): EngineSession {
    const { random, broker } = this.#life
    const session: EngineSession = broker.openSession({
      ...callerOf(this.#namespace),
      inFlightCountMax: random.pick([2, 8, 64]),
      inFlightBytesMax: 1024 * 1024,
      onCompletions: (completions, count) => {
        if (session === this.#session) this.#onCompletions(completions, count)
      },
      onWritable: () => this.#onWritable(),
    })
    return session
  }

  async #send(stream: ProducerStream, handle: TopicHandle): Promise<void> {
    const { history } = this.#life.simulation
    const baseSequence = stream.nextSequence
    const { batch, append, recordCount } = this.#create(stream, { baseSequence })
    stream.nextSequence += recordCount
    const { epoch } = this.#client
    const { bytes } = batch
    const sent: SentBatch = {
      append,
      bytes,
      epoch,
      baseSequence,
      attempts: 0,
      inFlight: 0,
      mayBeThere: false,
    }
    stream.unanswered.push(sent)
    history.resend(append)
    await this.#submit(stream, handle, sent)
  }

  /** What has no answer, in order, once nothing of it is in flight. */
  async #sendAgain(stream: ProducerStream, handle: TopicHandle): Promise<void> {
    if (stream.unanswered.some(({ inFlight }) => inFlight > 0)) return
    stream.isBroken = false
    for (const sent of [...stream.unanswered]) {
      if (stream.isBroken) return
      if (sent.attempts > 0) this.#life.simulation.coverage.add('batch sent again')
      this.#life.simulation.history.resend(sent.append)
      await this.#submit(stream, handle, sent)
    }
  }

  async #misbehave(stream: ProducerStream, handle: TopicHandle): Promise<void> {
    const { random } = this.#life
    const choice = random.fraction()
    if (choice < 0.45) return this.#repeat(stream, handle)
    if (choice < 0.7) return this.#skip(stream, handle)
    if (choice < 0.85) return this.#useOldEpoch(stream, handle)
    if (choice < 0.93) return this.#comeFromNowhere(stream, handle)
    if (this.#client.isQuiet) this.#client.beginEpoch()
  }

  /** A batch once more that was sent already: of the last five, whether answered or not, or older. */
  async #repeat(stream: ProducerStream, handle: TopicHandle): Promise<void> {
    const sent = [...stream.answered, ...stream.unanswered]
    if (sent.length === 0) return
    await this.#submit(stream, handle, this.#life.random.pick(sent))
  }

  /** A batch with one missing before it. */
  async #skip(stream: ProducerStream, handle: TopicHandle): Promise<void> {
    // A log that is not synced takes what it is given from a producer that it does not know.
    if (stream.answerCount === 0) return
    const baseSequence = stream.nextSequence + this.#life.random.between(1, 3)
    const refusals: ErrorCode[] = ['ERR_OUT_OF_SEQUENCE', 'ERR_UNKNOWN_PRODUCER']
    await this.#submitForbidden(stream, handle, { baseSequence }, refusals)
  }

  async #useOldEpoch(stream: ProducerStream, handle: TopicHandle): Promise<void> {
    const { epoch } = this.#client
    if (epoch === 0 || stream.answerCount === 0 || stream.answered.length === 0) return
    const baseSequence = this.#life.random.pick([0, stream.nextSequence])
    const stamp = { producerEpoch: epoch - 1, baseSequence }
    await this.#submitForbidden(stream, handle, stamp, ['ERR_PRODUCER_FENCED'])
  }

  /** An id that nobody was given. */
  async #comeFromNowhere(stream: ProducerStream, handle: TopicHandle): Promise<void> {
    const stamp = { producerId: STRANGER_ID, baseSequence: this.#life.random.pick([0, 7]) }
    await this.#submitForbidden(stream, handle, stamp, ['ERR_UNKNOWN_PRODUCER'])
  }

  #create(
    stream: ProducerStream,
    changed: Partial<BatchStamp>,
  ): { batch: PlannedBatch; append: HistoryAppend; recordCount: number } {
    const { random, simulation } = this.#life
    const { log, topic, partition } = stream
    const { number, producerId = STRANGER_ID, epoch } = this.#client
    const recordCount = random.between(1, RECORDS_MAX)
    const sequence = simulation.nextSequence(log, number)
    const timestamp = simulation.world.clock.now()
    const batch = buildBatch({
      topicId: topic.id,
      partition,
      producer: number,
      sequence,
      recordCount,
      valueBytes: random.below(VALUE_BYTES_MAX),
      timestamp,
      isKeyed: isKeyed(topic),
      stamp: { producerId, producerEpoch: epoch, baseSequence: 0, ...changed },
    })
    const input = {
      log,
      producer: number,
      sequence,
      recordCount,
      hash: batch.hash,
      durability: topic.settings.durability,
      byteLength: batch.bytes.length,
      ...timeOf(topic, { timestamp, recordCount }),
      ...(batch.records === undefined ? {} : { records: batch.records }),
    }
    return { batch, append: simulation.history.invoke(input), recordCount }
  }

  async #submit(stream: ProducerStream, handle: TopicHandle, sent: SentBatch): Promise<void> {
    sent.attempts++
    sent.inFlight++
    const attempt = { stream, sent, forbidden: undefined, refusals: [] }
    await this.#append(handle, attempt, sent.bytes)
  }

  async #submitForbidden(
    stream: ProducerStream,
    handle: TopicHandle,
    changed: Partial<BatchStamp>,
    refusals: readonly ErrorCode[],
  ): Promise<void> {
    const { batch, append } = this.#create(stream, changed)
    await this.#append(
      handle,
      { stream, sent: undefined, forbidden: append, refusals },
      batch.bytes,
    )
  }

  async #append(
    handle: TopicHandle,
    attempt: Omit<Attempt, 'sentAtMs' | 'done'>,
    bytes: Uint8Array,
  ): Promise<void> {
    const { stream } = attempt
    const sequence = this.#submitted++
    const { producer } = (attempt.sent?.append ?? attempt.forbidden) as HistoryAppend
    const done = this.#life.beginWait(`append ${sequence} of producer ${producer} to ${stream.log}`)
    const sentAtMs = this.#life.simulation.world.clock.monotonic()
    this.#attempts.set(sequence, { ...attempt, sentAtMs, done })
    // The broker's patience may begin here, whether it answers or not.
    stream.usedAtMs = Math.min(stream.usedAtMs, sentAtMs)
    this.#life.count()
    const { partition } = stream
    const operation = {
      sequence,
      handle,
      partition,
      // A duplicate may come while the original still waits: the bytes stay ours.
      bytes,
      isOwned: false,
      durability: 'topic',
    } as const
    while (!this.#session.append(operation)) await this.#writable()
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
      for (let index = 0; index < count; index++)
        this.#onCompletion(completions[index] as AppendCompletion)
    } catch (error) {
      this.#life.simulation.fail(error)
    }
  }

  #onCompletion(completion: AppendCompletion): void {
    const attempt = this.#attempts.get(completion.sequence)
    if (attempt === undefined) throw new Error(`append ${completion.sequence} was never sent`)
    this.#attempts.delete(completion.sequence)
    attempt.done()
    this.#note(attempt, completion)
    if (attempt.sent === undefined) return this.#onForbidden(attempt, completion)
    attempt.sent.inFlight--
    if (completion.error === undefined) this.#onStored(attempt, attempt.sent, completion)
    else this.#onRefused(attempt, attempt.sent, completion.error.code)
  }

  #note({ stream, sent, forbidden }: Attempt, completion: AppendCompletion): void {
    const { producer, sequence } = (sent?.append ?? forbidden) as HistoryAppend
    const offsets = `${completion.baseOffset} to ${completion.nextOffset}`
    const kind = completion.isDuplicate ? ' again' : ''
    const outcome = completion.error?.code ?? `${offsets}${kind}`
    const what = sent === undefined ? 'forbidden' : `attempt ${sent.attempts}`
    this.#life.simulation.note(
      `append ${stream.log} producer ${producer} sequence ${sequence} ${what}: ${outcome}`,
    )
  }

  #onStored(
    { stream, sentAtMs }: Attempt,
    sent: SentBatch,
    { isDuplicate, baseOffset, nextOffset }: AppendCompletion,
  ): void {
    const { simulation, fatal } = this.#life
    const { history, coverage } = simulation
    const { append } = sent
    const text = `${stream.log}: append ${append.sequence} of producer ${append.producer}`
    if (fatal !== undefined)
      simulation.violate('I14', `${text} was acknowledged after the broker had failed`)
    if (isDuplicate && sent.attempts === 1)
      simulation.violate('I5', `${text} is called a duplicate, and was sent once`)
    if (!isDuplicate && append.state === 'acknowledged')
      simulation.violate('I5', `${text} was stored once more, at ${baseOffset}`)
    this.#demandDurable(stream, text, nextOffset)
    if (isDuplicate) coverage.add('duplicate recognised')
    stream.usedAtMs = sentAtMs
    if (append.state !== 'acknowledged') {
      history.resend(append)
      history.acknowledge(append, baseOffset, nextOffset)
      stream.answerCount++
      noteAnswered(stream, sent)
    } else if (append.baseOffset !== undefined && append.baseOffset !== baseOffset) {
      simulation.violate(
        'I5',
        `${text} is at ${append.baseOffset}, and is said to be at ${baseOffset}`,
      )
    }
  }

  /** Nobody is told of what a crash may take back, first time or second. */
  #demandDurable(stream: ProducerStream, text: string, nextOffset: number): void {
    const { simulation, broker } = this.#life
    const { topic, partition } = stream
    if (topic.settings.durability !== 'persisted') return
    if (simulation.metadata.get(topic.namespace, topic.topic)?.id !== topic.id) return
    if (simulation.metadata.isPending(topic.namespace, topic.topic)) return
    const description = broker.describeTopic(callerOf(topic.namespace), topic.topic)
    const bounds = description.partitions[partition]
    if (bounds !== undefined && bounds.highWatermark < nextOffset)
      simulation.violate('I1', `${text} was answered before it was durable`)
  }

  #onRefused({ stream }: Attempt, sent: SentBatch, code: ErrorCode): void {
    const { history } = this.#life.simulation
    const { append } = sent
    if (append.state === 'acknowledged') return this.#onRepeatRefused(stream, sent, code)
    if (!LEFT_NOTHING.includes(code)) sent.mayBeThere = true
    this.#judgeRefusal(stream, sent, code)
    stream.isBroken = true
    if (TOPIC_IS_GONE.includes(code)) this.#client.streams.delete(stream.log)
    if (sent.inFlight > 0) return
    if (sent.mayBeThere) history.lose(append)
    else history.refuse(append)
  }

  /** The front of what is unanswered is always what the broker waits for. */
  #judgeRefusal(stream: ProducerStream, sent: SentBatch, code: ErrorCode): void {
    const isFirst = stream.unanswered[0] === sent
    const what = `append of producer ${sent.append.producer} to ${stream.log}`
    if (code === 'ERR_OUT_OF_SEQUENCE' && !isFirst) return
    if (mayBeForgotten(this.#life, stream)) {
      if (code === 'ERR_UNKNOWN_PRODUCER') this.#life.simulation.coverage.add('producer forgotten')
      return
    }
    if (TOPIC_IS_GONE.includes(code) && this.#isGone(stream.topic)) return
    this.#demandCause(what, code)
  }

  /** One of the last five is recognised for sure, an older one may be. */
  #onRepeatRefused(stream: ProducerStream, sent: SentBatch, code: ErrorCode): void {
    if (mayBeForgotten(this.#life, stream)) return
    if (TOPIC_IS_GONE.includes(code) && this.#isGone(stream.topic)) return
    const isOld = !stream.answered.slice(-UNANSWERED_MAX).includes(sent)
    const isStale = sent.epoch !== this.#client.epoch
    if (code === 'ERR_DUPLICATE_SEQUENCE' && (isOld || stream.unanswered.length > 0)) {
      this.#life.simulation.coverage.add('old duplicate refused')
      return
    }
    if (code === 'ERR_PRODUCER_FENCED' && isStale) return
    this.#demandCause(`repeated append to ${stream.log}`, code)
  }

  #onForbidden({ stream, forbidden, refusals }: Attempt, { error }: AppendCompletion): void {
    const { simulation } = this.#life
    const { history, coverage } = simulation
    const append = forbidden as HistoryAppend
    if (error === undefined) {
      if (!mayBeForgotten(this.#life, stream))
        simulation.violate('I5', `${stream.log}: what must be ${refusals.join(' or ')} was stored`)
      return history.lose(append)
    }
    if (!refusals.includes(error.code)) history.lose(append)
    else history.refuse(append)
    if (error.code === 'ERR_OUT_OF_SEQUENCE') coverage.add('gap refused')
    if (error.code === 'ERR_PRODUCER_FENCED') coverage.add('old epoch refused')
    if (error.code === 'ERR_UNKNOWN_PRODUCER') coverage.add('unknown producer refused')
    const isExpected = refusals.includes(error.code) || mayBeForgotten(this.#life, stream)
    if (isExpected || (TOPIC_IS_GONE.includes(error.code) && this.#isGone(stream.topic))) return
    this.#demandCause(`forbidden append to ${stream.log}`, error.code)
  }

  #isGone({ namespace, topic, id }: TopicState): boolean {
    const { metadata } = this.#life.simulation
    return metadata.get(namespace, topic)?.id !== id || metadata.isPending(namespace, topic)
  }

  #demandCause(what: string, code: ErrorCode): void {
    const { simulation, hasFaulted, wasFull, fatal, isEnding } = this.#life
    if (fatal !== undefined) return
    const isOfSequence = code === 'ERR_OUT_OF_SEQUENCE' || code === 'ERR_DUPLICATE_SEQUENCE'
    const isOfProducer = code === 'ERR_UNKNOWN_PRODUCER' || code === 'ERR_PRODUCER_FENCED'
    if (isOfSequence || isOfProducer) simulation.violate('I5', `${what}: ${code}`)
    if (hasFaulted || (code === 'ERR_CLOSED' && isEnding)) return
    if (code === 'ERR_STORAGE_FULL' && wasFull) return
    simulation.violate('I11', `${what} failed without a cause: ${code}`)
  }
}
