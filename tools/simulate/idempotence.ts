/**
 * What an idempotent producer knows, on a machine of its own: it outlives every process of the
 * broker. It sends again, in order, whatever it has no answer for.
 */
import type { HistoryAppend } from '@millrace/testing'
import type { Life } from './life.ts'
import type { TopicState } from './metadata-model.ts'
import type { Simulation } from './simulation.ts'

/** As many as a client has in flight in one partition, and as a broker recognises. */
export const UNANSWERED_MAX = 5
const ANSWERED_KEPT = 12

export interface SentBatch {
  readonly append: HistoryAppend
  readonly bytes: Uint8Array
  readonly epoch: number
  readonly baseSequence: number
  /** How often it was sent. */
  attempts: number
  /** Attempts that wait for their answer. */
  inFlight: number
  /** An attempt was never answered: the batch may be there. */
  mayBeThere: boolean
}

/** One partition that the producer writes to. */
export interface ProducerStream {
  readonly log: string
  readonly topic: TopicState
  readonly partition: number
  nextSequence: number
  /** In the order sent. */
  unanswered: SentBatch[]
  /** The last ones of this epoch, oldest first. */
  answered: SentBatch[]
  /** Answers of this process of the broker. */
  answerCount: number
  /** Something was refused or never answered: send again before anything new. */
  isBroken: boolean
  usedAtMs: number
}

export class IdempotentClient {
  /** Its number as a producer of the history; another one with every new identity. */
  number: number
  producerId: number | undefined
  epoch = 0
  readonly streams = new Map<string, ProducerStream>()

  constructor(number: number) {
    this.number = number
  }

  /** The broker has forgotten it, or may have: it begins anew, and sends nothing again. */
  abandon(number: number): void {
    this.number = number
    this.producerId = undefined
    this.epoch = 0
    this.streams.clear()
  }

  streamOf(topic: TopicState, log: string, partition: number): ProducerStream {
    let stream = this.streams.get(log)
    if (stream === undefined) {
      stream = {
        log,
        topic,
        partition,
        nextSequence: 0,
        unanswered: [],
        answered: [],
        answerCount: 0,
        isBroken: false,
        usedAtMs: Infinity,
      }
      this.streams.set(log, stream)
    }
    return stream
  }

  /** The broker is another process now: nothing that was sent to the last one will be answered. */
  onNewProcess(): void {
    for (const [log, stream] of this.streams) {
      loseAnswers(stream)
      stream.answerCount = 0
      if (stream.topic.settings.durability !== 'memory') continue
      // Its records are gone, and the broker's memory of them too.
      stream.unanswered = []
      stream.answered = []
      stream.isBroken = false
      if (stream.nextSequence === 0) this.streams.delete(log)
    }
  }

  /** All that was sent is answered: a new epoch may begin. */
  get isQuiet(): boolean {
    return [...this.streams.values()].every(({ unanswered }) => unanswered.length === 0)
  }

  beginEpoch(): void {
    this.epoch++
    for (const stream of this.streams.values()) {
      stream.nextSequence = 0
      stream.answered = []
    }
  }
}

/** The connection is gone, and with it the answers to what is in flight. */
export const loseAnswers = (stream: ProducerStream): void => {
  for (const sent of stream.unanswered) {
    if (sent.attempts > 0) sent.mayBeThere = true
    sent.inFlight = 0
  }
  if (stream.unanswered.length > 0) stream.isBroken = true
}

/** It is there, and stays among those that may be sent again on purpose. */
export const noteAnswered = (stream: ProducerStream, sent: SentBatch): void => {
  stream.unanswered = stream.unanswered.filter((other) => other !== sent)
  stream.answered.push(sent)
  if (stream.answered.length > ANSWERED_KEPT) stream.answered.shift()
}

/** A broker may have forgotten the producer in this partition, and may be right to. */
export const mayBeForgotten = (life: Life, stream: ProducerStream): boolean => {
  const { damage, retention, scenario, world } = life.simulation
  if (damage.mayDefinitionsBeLost || damage.isDamaged(stream.topic.id, stream.partition))
    return true
  // Without their snapshot producers are known by the batches that are left.
  if (damage.definitions.wereProducersDamaged && retention.isTouched(stream.log)) return true
  const { producerExpiryMs, producersMax } = scenario.storage
  if (producersMax !== undefined && producersMax < PRODUCERS_ALIVE_MAX) return true
  const idleMs = world.clock.monotonic() - stream.usedAtMs
  // Well before it is: what is decided now is sent a little later.
  return idleMs >= (producerExpiryMs ?? Infinity) / 2
}

/** More than a seed ever has, counting each partition that each of them writes to. */
const PRODUCERS_ALIVE_MAX = 1000

/** Numbers of idempotent producers in the history start here. */
const FIRST_NUMBER = 10_000

/** The producers of a seed, and the ids that the broker has given them. */
export class IdempotentClients {
  readonly #simulation: Simulation
  readonly #clients: IdempotentClient[] = []
  readonly #usedIds = new Set<number>()
  #numberCount = 0

  constructor(simulation: Simulation) {
    this.#simulation = simulation
  }

  at(index: number): IdempotentClient {
    this.#clients[index] ??= new IdempotentClient(this.nextNumber())
    return this.#clients[index]
  }

  nextNumber(): number {
    return FIRST_NUMBER + this.#numberCount++
  }

  /** An id is given to one producer only, across all crashes. */
  noteId(producerId: number): void {
    if (this.#usedIds.has(producerId) && !this.#simulation.damage.mayDefinitionsBeLost)
      this.#simulation.violate('I5', `producer id ${producerId} is given out twice`)
    this.#usedIds.add(producerId)
  }
}
