/** All who use exchanges and queues in one process of the broker, and the looks at what they left. */
import type { Life } from '../life.ts'
import { callerOf } from '../names.ts'
import { DelayedActor } from './delayed-actor.ts'
import { QueueAdministrator } from './queue-administrator.ts'
import { QueueCheck } from './queue-check.ts'
import { QueueConsumer } from './queue-consumer.ts'
import { QueuePublisher } from './queue-publisher.ts'

/** Everything that expires or goes to the dead letters has done so. */
const QUIET_MS = 200
/** A queue that is asked for messages gives them within this. */
const DRAIN_MS_MAX = 20_000

export class QueueActors {
  readonly #life: Life
  #administrator: QueueAdministrator | undefined
  #publishers: QueuePublisher[] = []
  #consumers: QueueConsumer[] = []
  #delayed: DelayedActor | undefined

  constructor(life: Life) {
    this.#life = life
    life.simulation.queues.begin()
    life.simulation.delayed.begin()
  }

  get #isUsed(): boolean {
    const { scenario, queues } = this.#life.simulation
    return scenario.queuePublisherCount > 0 && !queues.isForgiven
  }

  async check(isFirst: boolean): Promise<void> {
    if (this.#isUsed && this.#life.fatal === undefined)
      await new QueueCheck(this.#life, isFirst).run()
  }

  async prepare(): Promise<void> {
    if (!this.#isUsed) return
    this.#administrator = new QueueAdministrator(this.#life)
    await this.#administrator.prepare()
    await DelayedActor.prepare(this.#life)
  }

  start(): void {
    const administrator = this.#administrator
    if (!this.#isUsed || administrator === undefined) return
    const { queuePublisherCount, queueConsumerCount } = this.#life.simulation.scenario
    this.#life.start(() => administrator.run())
    const delayed = (this.#delayed = new DelayedActor(this.#life))
    this.#life.start(() => delayed.run())
    for (let number = 0; number < queuePublisherCount; number++) {
      const publisher = new QueuePublisher(this.#life, number)
      this.#publishers.push(publisher)
      this.#life.start(() => publisher.run())
    }
    for (let number = 0; number < queueConsumerCount; number++) {
      const consumer = new QueueConsumer(this.#life, number, number % 2 === 1)
      this.#consumers.push(consumer)
      this.#life.start(() => consumer.run())
    }
  }

  /** What they hold goes back. */
  stop(): void {
    for (const each of [...this.#publishers, ...this.#consumers]) each.close()
    this.#delayed?.close()
    this.#publishers = []
    this.#consumers = []
  }

  async checkQuiet(): Promise<void> {
    await this.#life.pause(QUIET_MS * 1000)
    await this.check(false)
  }

  /** Takes and settles everything: then nothing is left, and everything that must be there has come. */
  async drain(): Promise<void> {
    if (!this.#isUsed) return
    const { queues, world } = this.#life.simulation
    const consumer = new QueueConsumer(this.#life, 100, false)
    const stops = queues.queues().map((queue) => consumer.drain(queue.name))
    const until = world.clock.monotonic() + DRAIN_MS_MAX
    while (this.#readyCount() > 0 && world.clock.monotonic() < until) await this.#life.pause(10_000)
    for (const stop of stops) stop()
    await this.#life.call('flush settlements', consumer.flush())
    await this.check(false)
    const left = this.#readyCount()
    if (left > 0) this.#life.simulation.violate('I11', `${left} messages of queues do not come`)
    consumer.close()
    await new DelayedActor(this.#life).drain()
  }

  #readyCount(): number {
    const { messaging } = this.#life.broker
    return messaging
      .listQueues(callerOf('/'))
      .reduce((sum, { readyCount, delayedCount }) => sum + readyCount + delayedCount, 0)
  }
}
