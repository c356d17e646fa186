/** What one seed has, across all processes that live in its world. */
import type { BrokerStatus } from '@millrace/core'
import {
  type PlannedFault,
  type SeededRandom,
  History,
  InvariantViolation,
  SimulatedWorld,
} from '@millrace/testing'
import { Coverage } from './coverage.ts'
import { DamageRecord } from './damage.ts'
import { IdempotentClients } from './idempotence.ts'
import { MetadataModel } from './metadata-model.ts'
import { DelayedWorld } from './queues/delayed-world.ts'
import { QueueWorld } from './queues/queue-world.ts'
import { RetentionModel } from './retention-model.ts'
import { type Scenario, createScenario } from './scenario.ts'

export class Simulation {
  readonly seed: number
  readonly world: SimulatedWorld
  readonly random: SeededRandom
  readonly scenario: Scenario
  readonly history = new History()
  readonly metadata = new MetadataModel()
  readonly damage: DamageRecord
  readonly retention = new RetentionModel(this.history)
  readonly coverage = new Coverage()
  readonly idempotence = new IdempotentClients(this)
  readonly queues = new QueueWorld(this)
  readonly delayed = new DelayedWorld(this)
  operationCount = 0
  crashCount = 0
  /** Raised while the disk has no room for another journal file. */
  fullJournal: PlannedFault | undefined
  /** The first rule that was broken. */
  failure: unknown
  readonly #sequences = new Map<string, number>()

  constructor(seed: number) {
    this.seed = seed
    this.world = new SimulatedWorld({ seed })
    this.random = this.world.random.fork('simulation')
    this.scenario = createScenario(this.random.fork('scenario'))
    this.damage = new DamageRecord(this.world.disk, this.history)
  }

  note(text: string): void {
    this.world.note(text)
  }

  fail(error: unknown): void {
    if (this.failure !== undefined) return
    this.failure = error
    this.note(`FAILURE ${String(error)}`)
  }

  violate(invariant: string, text: string): never {
    throw new InvariantViolation(invariant, text)
  }

  /** The next sequence of a producer in a log, from 0. */
  nextSequence(log: string, producer: number): number {
    const key = `${log} ${producer}`
    const sequence = this.#sequences.get(key) ?? 0
    this.#sequences.set(key, sequence + 1)
    return sequence
  }

  /** Adds what an engine has counted in its life. */
  addStatus({ storage }: BrokerStatus): void {
    const { coverage } = this
    coverage.add('segment roll', storage.segmentRolls)
    coverage.add('journal recycle', storage.journalFilesRecycled)
    coverage.add('direct append', storage.directAppends)
    coverage.add('checkpoint', storage.checkpoints)
    coverage.add('tail read', storage.tailReads)
    coverage.add('segment read', storage.segmentReads)
    coverage.add('torn tail', storage.recovery.tornGroups)
    coverage.add('index rebuilt', storage.indexesRebuilt)
    coverage.add(
      'quarantine',
      storage.recovery.quarantinedRanges + Math.sign(storage.offsetsQuarantined),
    )
  }

  /** Adds what the disk has counted, at the end of the seed. */
  addDisk(): void {
    const { counters } = this.world.disk
    const { coverage } = this
    const { sync, ...others } = counters.failures
    const { eventCounts } = this.world
    coverage.add(
      'states of producers rebuilt',
      eventCounts.get('states of producers are rebuilt from the segments') ?? 0,
    )
    coverage.add('damaged batch header', this.damage.prefixCount)
    coverage.add('torn write', counters.writesTorn)
    coverage.add(
      'lost directory entry',
      counters.createsLost + counters.renamesLost + counters.removesLost,
    )
    coverage.add('full disk', counters.fullWrites)
    coverage.add('failed sync', sync)
    coverage.add(
      'other failed call',
      Object.values(others).reduce((sum, count) => sum + count, 0),
    )
    coverage.add('flipped bit', counters.bitsFlipped + counters.pagesZeroed)
    coverage.add('process kill', counters.kills)
    coverage.add('power loss', counters.powerLosses)
  }
}
