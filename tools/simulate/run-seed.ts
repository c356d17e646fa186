/**
 * One seed from an empty disk to its end: several processes one after the other, each ended by a
 * power loss, a kill or in peace, with a full check after every start.
 */
import { type ErrorCode, isBrokerError } from '@millrace/codec'
import { Administrator } from './actors/administrator.ts'
import { IdempotentProducer } from './actors/idempotent-producer.ts'
import { Producer } from './actors/producer.ts'
import { Reader } from './actors/reader.ts'
import { Subscriber } from './actors/subscriber.ts'
import {
  damageLog,
  freeDisk,
  jumpClock,
  makeTrouble,
  pickTroubles,
  planFault,
} from './actors/troublemaker.ts'
import type { TroubleKind } from './actors/troublemaker.ts'
import { Life } from './life.ts'
import type { SeededRandom } from '@millrace/testing'
import { NAMESPACES, STUCK_AFTER_MS } from './names.ts'
import { QueueActors } from './queues/queue-actors.ts'
import { Simulation } from './simulation.ts'
import { Verification } from './verification.ts'

/** Numbers of producers that only probe start here. */
const PROBE_PRODUCER = 1000
/** Simulated time after which a broker must have noticed that the disk has room again. */
const ROOM_SEEN_MS = 3000
/** Simulated time within which a process must come to its end. */
const LIFE_MS_MAX = 600_000

/** A seed has some thousand events; more by far means that something goes round in circles. */
const EVENTS_MAX = 2_000_000

type Ending = 'power loss' | 'kill' | 'close'

export class SeedRun {
  readonly simulation: Simulation

  constructor(seed: number) {
    this.simulation = new Simulation(seed)
  }

  async run(): Promise<void> {
    const { simulation } = this
    try {
      for (let number = 1; number <= simulation.scenario.lifeCount; number++) {
        await this.#live(this.#newLife(number))
        if (simulation.failure !== undefined) return
        this.#damageWhileDown()
      }
      await this.#liveInPeace()
    } catch (error) {
      simulation.fail(error)
    } finally {
      simulation.addDisk()
    }
  }

  #newLife(number: number): Life {
    const life = new Life(this.simulation, this.simulation.random.fork(`life ${number}`))
    const { world, fullJournal } = this.simulation
    life.wasFull = world.disk.capacityBytes !== Number.MAX_SAFE_INTEGER || fullJournal !== undefined
    return life
  }

  async #live(life: Life): Promise<void> {
    const troubles = pickTroubles(life)
    const isOpen = await this.#open(life, troubles)
    if (!isOpen) return
    const queues = new QueueActors(life)
    const isWell = await this.#during(life, async () => {
      await new Verification(life).run()
      await queues.check(true)
    })
    if (isWell) await this.#work(life, troubles, queues)
    await this.#end(life, life.random.pick<Ending>(['power loss', 'power loss', 'kill', 'close']))
  }

  /** False when the process did not live to serve. */
  async #open(life: Life, troubles: readonly TroubleKind[]): Promise<boolean> {
    const { random, simulation } = life
    const isFaultEarly = random.chance(0.3)
    for (const kind of troubles) {
      if (isFaultEarly && (kind === 'failed sync' || kind === 'failed call')) planFault(life, kind)
    }
    const crashAfterMs = random.chance(0.25)
      ? random.fraction() * random.pick([1, 5, 20])
      : Infinity
    const opening = life.open()
    if (crashAfterMs !== Infinity && (await this.#isUnsettledAfter(opening, crashAfterMs))) {
      simulation.coverage.add('crash in recovery')
      this.#crash(life, random.chance(0.7))
      return false
    }
    try {
      await simulation.world.scheduler.runUntil(opening, STUCK_AFTER_MS)
      return true
    } catch (error) {
      this.#onOpenFailed(life, error)
      return false
    }
  }

  async #isUnsettledAfter(opening: Promise<void>, ms: number): Promise<boolean> {
    let isSettled = false
    const settle = (): void => void (isSettled = true)
    opening.then(settle, settle)
    const { scheduler } = this.simulation.world
    const until = scheduler.nowUs + ms * 1000
    scheduler.at(until, () => {})
    await scheduler.runUntil(() => isSettled || scheduler.nowUs >= until)
    return !isSettled
  }

  /** A broker may refuse to start when a call has failed under it, and for nothing else. */
  #onOpenFailed(life: Life, error: unknown): void {
    this.simulation.note(`open failed: ${String(error)} ${String((error as Error).cause ?? '')}`)
    const code = isBrokerError(error) ? error.code : undefined
    const isFull = life.wasFull && code === 'ERR_STORAGE_FULL'
    const isRefused = this.#isRefusedForIdentity(code)
    if (!life.hasFaulted && !isFull && !isRefused) {
      this.simulation.fail(
        new Error(`the broker does not start: ${String(error)}`, { cause: error }),
      )
    }
    freeDisk(life)
    this.#crash(life, life.random.chance(0.5))
  }

  /** The format cannot be read: refused by name, and nothing is touched until it is mended. */
  #isRefusedForIdentity(code: ErrorCode | undefined): boolean {
    const { coverage, damage } = this.simulation
    if (code !== 'ERR_DATA_FORMAT' || !damage.definitions.isIdentityDamaged) return false
    damage.definitions.mendIdentity()
    coverage.add('directory refused')
    return true
  }

  /** Runs one activity of the harness; false when the broker has stopped meanwhile. */
  async #during(life: Life, activity: () => Promise<void>): Promise<boolean> {
    let isDone = false
    life.start(async () => {
      try {
        await activity()
      } finally {
        isDone = true
      }
    })
    await this.#until(life, () => isDone)
    return life.fatal === undefined && this.simulation.failure === undefined
  }

  async #until(life: Life, goal: () => boolean): Promise<void> {
    const { simulation } = this
    const { scheduler } = simulation.world
    const isDone = (): boolean => {
      if (scheduler.eventCount > EVENTS_MAX) throw new Error('the world does not come to rest')
      return goal() || life.fatal !== undefined || simulation.failure !== undefined
    }
    try {
      await scheduler.runUntil(isDone, LIFE_MS_MAX)
    } catch (error) {
      const stuck = [...life.waiting.values()].map(({ what }) => what).join(', ')
      throw new Error(`${(error as Error).message}; waiting: ${stuck}`, { cause: error })
    }
  }

  async #work(life: Life, troubles: readonly TroubleKind[], queues: QueueActors): Promise<void> {
    const { scenario } = this.simulation
    const administrator = new Administrator(life)
    freeDisk(life)
    const isPrepared = await this.#during(life, async () => {
      await administrator.prepare()
      await queues.prepare()
    })
    if (!isPrepared) return
    life.start(() => administrator.run())
    this.#startActors(life)
    queues.start()
    for (const kind of troubles) life.start(() => makeTrouble(life, kind))
    await this.#until(life, () => life.operationCount >= scenario.operationsPerLife && !life.isHeld)
    if (life.fatal === undefined && life.random.chance(0.4)) await this.#quiesce(life, queues)
  }

  #startActors(life: Life): void {
    const { scenario } = this.simulation
    const namespaceOf = (number: number): string =>
      life.broker.hasNamespace(NAMESPACES[1]) ? NAMESPACES[(number % 2) as 0 | 1] : NAMESPACES[0]
    for (let number = 0; number < scenario.producerCount; number++) {
      const producer = new Producer(life, number, namespaceOf(number))
      life.start(() => producer.run())
    }
    for (let number = 0; number < scenario.idempotentCount; number++) {
      const client = this.simulation.idempotence.at(number)
      const producer = new IdempotentProducer(life, client, namespaceOf(number))
      life.start(() => producer.run())
    }
    for (let number = 0; number < scenario.readerCount; number++) {
      const reader = new Reader(life, namespaceOf(number))
      life.start(() => reader.run())
    }
    for (let number = 0; number < scenario.subscriberCount; number++) {
      const subscriber = new Subscriber(life, namespaceOf(number))
      life.start(() => subscriber.run())
    }
  }

  /** Lets all that is under way finish; then everything must be there, and the broker well. */
  async #quiesce(life: Life, queues: QueueActors): Promise<void> {
    life.isEnding = true
    freeDisk(life)
    await this.#settle(life)
    queues.stop()
    // A broker that found the disk full looks again after a while.
    if (life.wasFull) await this.simulation.world.scheduler.runFor(ROOM_SEEN_MS)
    if (life.fatal !== undefined || this.simulation.failure !== undefined) return
    await this.#during(life, async () => {
      if (!life.hasFaulted) await this.#probe(life)
      await new Verification(life).run()
      await queues.checkQuiet()
    })
  }

  /** Every call of the broker returns. */
  async #settle(life: Life): Promise<void> {
    const { clock, scheduler } = this.simulation.world
    const deadline = clock.monotonic() + STUCK_AFTER_MS
    scheduler.at(deadline * 1000, () => {})
    await this.#until(life, () => life.waiting.size === 0 || clock.monotonic() >= deadline)
    const [stuck] = life.waiting.values()
    if (stuck !== undefined && life.fatal === undefined && this.simulation.failure === undefined) {
      this.simulation.violate('I11', `${stuck.what} has not returned in ${STUCK_AFTER_MS} ms`)
    }
  }

  async #probe(life: Life): Promise<void> {
    for (const topic of this.simulation.metadata.topics()) {
      const producer = new Producer(life, PROBE_PRODUCER, topic.namespace)
      await producer.probe(topic, topic.partitionCount - 1)
    }
  }

  async #end(life: Life, ending: Ending): Promise<void> {
    const { simulation } = this
    if (simulation.failure !== undefined) return
    if (life.fatal !== undefined) {
      await simulation.world.scheduler.runFor(life.random.fraction() * 20)
      return this.#crash(life, life.random.chance(0.5))
    }
    if (ending === 'close') return this.#close(life)
    await simulation.world.scheduler.runFor(life.random.fraction() * life.random.pick([0.1, 3, 60]))
    this.#crash(life, ending === 'power loss')
  }

  async #close(life: Life): Promise<void> {
    const { random, simulation } = life
    life.isEnding = true
    life.takeCounters()
    simulation.queues.isClosing = true
    const closing = life.broker.close()
    if (random.chance(0.3)) {
      const isCut = await this.#isUnsettledAfter(closing, random.fraction() * 10)
      if (isCut) return this.#crash(life, random.chance(0.7), true)
    }
    try {
      await simulation.world.scheduler.runUntil(closing, STUCK_AFTER_MS)
      simulation.coverage.add('clean restart')
      simulation.queues.isClosed = !life.hasFaulted && !life.wasFull && life.fatal === undefined
    } catch (error) {
      const isExcused = life.hasFaulted || life.wasFull || life.fatal !== undefined
      if (!isExcused) simulation.fail(new Error(`close failed: ${String(error)}`, { cause: error }))
    }
    this.#crash(life, random.chance(0.5), true)
  }

  /** The process is gone. */
  #crash(life: Life, isPowerLoss: boolean, isCounted = false): void {
    const { simulation } = this
    if (!isCounted && life.fatal === undefined) life.takeCounters()
    life.isOver = true
    if (isPowerLoss) simulation.world.losePower()
    else simulation.world.kill()
    simulation.crashCount++
    simulation.history.crash()
    simulation.queues.crash()
    simulation.delayed.crash()
    if (simulation.metadata.topics().some(({ settings }) => settings.durability === 'memory')) {
      simulation.coverage.add('memory log restart')
    }
    if (life.random.chance(0.7)) freeDisk(life)
    if (simulation.world.disk.counters.syncsAfterFailure > 0) {
      simulation.violate('S4', 'a file was synced again after a sync of it had failed')
    }
  }

  #damageWhileDown(): void {
    const random = this.simulation.random.fork(`down ${this.simulation.crashCount}`)
    const life = new Life(this.simulation, random)
    if (random.chance(0.08)) damageLog(life)
    if (random.chance(0.04)) this.simulation.damage.damageJournal(random)
    if (random.chance(0.08)) this.#damageDefinitions(random)
    if (random.chance(0.1)) jumpClock(life)
  }

  #damageDefinitions(random: SeededRandom): void {
    const { coverage, damage } = this.simulation
    const { definitions } = damage
    const kind = random.pick(['identity', 'snapshot', 'log', 'producers'] as const)
    if (kind === 'identity' && definitions.damageIdentity(random)) coverage.add('damaged meta.json')
    if (kind === 'snapshot' && definitions.damageSnapshot(random)) coverage.add('damaged snapshot')
    if (kind === 'log' && definitions.damageLog(random)) coverage.add('damaged definitions')
    if (kind === 'producers' && definitions.damageProducers(random))
      coverage.add('damaged states of producers')
    if ((kind === 'snapshot' || kind === 'log') && !damage.mayDefinitionsBeLost)
      coverage.add('definitions with one copy left')
  }

  /** The last processes: no fault, no crash; everything works and stays. */
  async #liveInPeace(): Promise<void> {
    this.simulation.damage.definitions.mendIdentity()
    for (const number of [1, 2]) {
      const life = this.#newLife(-number)
      freeDisk(life)
      await this.simulation.world.scheduler.runUntil(life.open(), STUCK_AFTER_MS)
      const queues = new QueueActors(life)
      const isWell = await this.#during(life, async () => {
        await new Verification(life).run()
        await queues.check(true)
        await this.#probe(life)
        await new Verification(life).run()
        await queues.drain()
      })
      if (!isWell) return
      await this.#settle(life)
      life.isEnding = true
      life.takeCounters()
      await this.simulation.world.scheduler.runUntil(life.broker.close(), STUCK_AFTER_MS)
      life.isOver = true
      this.simulation.history.crash()
      this.simulation.queues.isClosed = true
      this.simulation.queues.crash()
      this.simulation.delayed.crash()
    }
  }
}
