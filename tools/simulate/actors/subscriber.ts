/** Follows partitions with credit: nothing skipped, nothing twice, nothing beyond the credit. */
import type { EngineSession, PartitionSubscription, ReadResult, TopicHandle } from '@millrace/core'
import type { BrokerError } from '@millrace/codec'
import type { Life } from '../life.ts'
import type { TopicState } from '../metadata-model.ts'
import { callerOf, logName } from '../names.ts'
import { checkRead } from '../read-check.ts'
import { openReadSession, visitTopics } from './handles.ts'

const BYTES_PER_DELIVERY_MAX = 8192

interface Following {
  readonly topic: TopicState
  readonly partition: number
  cursor: number
  credit: number
  isEnded: boolean
}

export class Subscriber {
  readonly #life: Life
  readonly #namespace: string
  readonly #session: EngineSession

  constructor(life: Life, namespace: string) {
    this.#life = life
    this.#namespace = namespace
    this.#session = openReadSession(life, namespace)
  }

  run(): Promise<void> {
    return visitTopics(this.#life, this.#namespace, (topic, handle, partition) =>
      this.#follow(topic, handle, partition),
    )
  }

  async #follow(topic: TopicState, handle: TopicHandle, partition: number): Promise<void> {
    const { random } = this.#life
    if (this.#life.isEnding) return
    const offset = this.#startOf(topic, partition)
    if (offset === undefined) return
    const following: Following = {
      topic,
      partition,
      cursor: offset,
      credit: random.below(20_000),
      isEnded: false,
    }
    const operation = {
      handle,
      partition,
      offset,
      bytesPerDeliveryMax: BYTES_PER_DELIVERY_MAX,
      creditBytes: following.credit,
    }
    const subscription = this.#session.subscribe(operation, {
      deliver: (_, result) => this.#guard(() => this.#onDelivery(following, result)),
      end: (_, error) => this.#guard(() => this.#onEnd(following, error)),
    })
    for (let round = random.between(1, 10); round > 0 && !this.#life.isEnding; round--) {
      await this.#life.pause(random.below(8000))
      if (!following.isEnded) this.#addCredit(following, subscription)
    }
    subscription.cancel()
    following.isEnded = true
  }

  /** Where to begin: the start, the end, or anywhere between. */
  #startOf(topic: TopicState, partition: number): number | undefined {
    const { random, broker } = this.#life
    const { metadata } = this.#life.simulation
    if (metadata.get(topic.namespace, topic.topic)?.id !== topic.id) return undefined
    if (metadata.isPending(topic.namespace, topic.topic)) return undefined
    const description = broker.describeTopic(callerOf(topic.namespace), topic.topic)
    const bounds = description.partitions[partition]
    if (bounds === undefined) return undefined
    return random.between(bounds.earliest, bounds.highWatermark)
  }

  #addCredit(following: Following, subscription: PartitionSubscription): void {
    const bytes = this.#life.random.below(20_000)
    following.credit += bytes
    subscription.addCredit(bytes)
  }

  #guard(callback: () => void): void {
    if (this.#life.isOver) return
    try {
      callback()
    } catch (error) {
      this.#life.simulation.fail(error)
    }
  }

  #onDelivery(following: Following, result: ReadResult): void {
    const { simulation } = this.#life
    const { topic, partition, cursor } = following
    const log = logName(topic.id, partition)
    simulation.note(`delivery ${log} from ${cursor} to ${result.nextOffset}`)
    this.#life.count()
    simulation.coverage.add('subscription delivery')
    if (following.isEnded)
      simulation.violate('I6', `${log}: a delivery after the end of its subscription`)
    if (following.credit <= 0) simulation.violate('I15', `${log}: a delivery without credit`)
    const isDamaged = simulation.damage.isDamaged(topic.id, partition)
    const { durability } = topic.settings
    const batches = checkRead(simulation, { log, durability, offset: cursor, isDamaged }, result)
    if (batches.length === 0 && !isDamaged)
      simulation.violate('I6', `${log}: a delivery of nothing`)
    following.credit -= result.lease?.byteLength ?? 0
    following.cursor = result.nextOffset
    result.lease?.release()
  }

  /** What it was about to read was removed. */
  #isOvertaken({ topic, partition, cursor }: Following, { code }: BrokerError): boolean {
    if (code !== 'ERR_OFFSET_OUT_OF_RANGE') return false
    const { broker, simulation } = this.#life
    const description = broker.describeTopic(callerOf(topic.namespace), topic.topic)
    const isBelow = cursor < (description.partitions[partition]?.earliest ?? 0)
    if (isBelow) simulation.coverage.add('subscription overtaken')
    return isBelow
  }

  #onEnd(following: Following, error: BrokerError): void {
    const { simulation, hasFaulted, fatal, isEnding } = this.#life
    const { topic, partition } = following
    simulation.note(`subscription of ${logName(topic.id, partition)} ends: ${error.code}`)
    following.isEnded = true
    const current = simulation.metadata.get(topic.namespace, topic.topic)
    const isGone =
      current?.id !== topic.id || simulation.metadata.isPending(topic.namespace, topic.topic)
    const isDamaged = simulation.damage.isDamaged(topic.id, partition)
    if (!isGone && this.#isOvertaken(following, error)) return
    if (isGone || isDamaged || hasFaulted || fatal !== undefined || isEnding) return
    simulation.violate(
      'I11',
      `${logName(topic.id, partition)}: a subscription ended without a cause: ${error.code}`,
    )
  }
}
