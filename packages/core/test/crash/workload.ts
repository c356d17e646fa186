/**
 * A short life that meets everything once: topics of three kinds, appends that are small, large
 * (direct) and many at once, rolls, checkpoints, recycled journal files, an altered and a deleted
 * topic. It can be cut off anywhere; what it was told until then must hold ever after.
 */
import { isBrokerError, type BrokerError } from '@millrace/codec'
import type { SimulatedWorld } from '@millrace/testing'
import { openBroker } from '../../src/engine/open-broker.ts'
import type { Broker, BrokerOptions, TopicHandle } from '../../src/engine/operations.ts'
import {
  DIRECTORY,
  batchOf,
  caller,
  openNode,
  smallStorage,
  type TestNode,
  type WholeLog,
} from '../support/node.ts'

interface Told {
  readonly offset: number
  readonly value: string
}

const sessionOptions = {
  principal: caller.principal,
  namespace: '/',
  inFlightCountMax: 1_000,
  inFlightBytesMax: 16 * 1024 * 1024,
  onWritable: () => undefined,
}

export interface WorkloadOptions {
  readonly storage?: BrokerOptions['storage']
  /** Appends per round; there are four rounds. */
  readonly rounds?: number
  /** The broker is not closed at the end, so that the journal is still needed. */
  readonly isLeftOpen?: boolean
}

export class Workload {
  readonly world: SimulatedWorld
  readonly #options: WorkloadOptions
  /** By topic, in the order in which they were submitted. */
  readonly submitted = new Map<string, string[]>()
  readonly told = new Map<string, Told[]>()
  readonly created = new Set<string>()
  readonly deleted = new Set<string>()
  readonly refusals: BrokerError[] = []
  readonly fatal: BrokerError[] = []
  /** Acknowledged after `onFatal`. */
  toldAfterFatal = 0
  isDone = false
  error: unknown
  broker: Broker | undefined
  #sequence = 0
  #values = 0

  constructor(world: SimulatedWorld, options: WorkloadOptions = {}) {
    this.world = world
    this.#options = options
  }

  /** Begins the life; the world has to be run for anything to happen. */
  start(): void {
    const environment = this.world.boot()
    this.#live(environment)
      .catch((error: unknown) => {
        this.error = error
      })
      .finally(() => {
        this.isDone = true
      })
  }

  async #live(environment: ReturnType<SimulatedWorld['boot']>): Promise<void> {
    const broker = await openBroker(
      {
        directory: DIRECTORY,
        autoCreateTopics: false,
        poisonFreedBuffers: true,
        storage: { ...smallStorage, ...this.#options.storage },
        onFatal: (error) => void this.fatal.push(error),
      },
      environment,
    )
    this.broker = broker
    await this.#tolerant(() => this.#create('small', 4_096))
    await this.#tolerant(() => this.#create('large', 262_144))
    await this.#tolerant(() => this.#create('memory', 65_536, 'memory'))
    await this.#tolerant(() => this.#create('doomed', 65_536))
    for (let round = 0; round < (this.#options.rounds ?? 4); round++) {
      await Promise.all([
        this.#many('small', 6, 600),
        this.#many('large', 3, 9_000),
        this.#many('memory', 4, 500),
        this.#many('doomed', 1, 100),
      ])
      if (round === 1) await this.#tolerant(() => this.#delete('doomed'))
    }
    if (this.#options.isLeftOpen !== true) await broker.close()
  }

  /** A refusal by name is an answer; anything else ends the life. */
  async #tolerant(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!isBrokerError(error)) throw error
      this.refusals.push(error)
    }
  }

  async #create(topic: string, segmentBytes: number, durability?: 'memory'): Promise<void> {
    const settings = durability === undefined ? { segmentBytes } : { segmentBytes, durability }
    await this.broker?.createTopic(caller, { topic, settings })
    this.created.add(topic)
  }

  async #delete(topic: string): Promise<void> {
    if (!this.created.has(topic)) return
    await this.broker?.deleteTopic(caller, { topic })
    this.deleted.add(topic)
  }

  async #many(topic: string, count: number, bytes: number): Promise<void> {
    if (!this.created.has(topic) || this.deleted.has(topic)) return
    const broker = this.broker as Broker
    const handle = await broker.openTopic(caller, topic, { create: false })
    const waiting = Array.from({ length: count }, () => this.#append(broker, handle, topic, bytes))
    await Promise.all(waiting)
  }

  #append(broker: Broker, handle: TopicHandle, topic: string, bytes: number): Promise<void> {
    const value = `${topic}-${this.#values++}-`.padEnd(bytes, 'x')
    listOf(this.submitted, topic).push(value)
    return new Promise((resolve) => {
      const session = broker.openSession({
        ...sessionOptions,
        onCompletions: ([completion]) => {
          session.close()
          if (completion === undefined) return
          if (completion.error !== undefined) this.refusals.push(completion.error)
          else {
            if (this.fatal.length > 0) this.toldAfterFatal++
            listOf(this.told, topic).push({ offset: completion.baseOffset, value })
          }
          resolve()
        },
      })
      const operation = { handle, partition: 0, isOwned: false, durability: 'topic' as const }
      session.append({ ...operation, sequence: this.#sequence++, bytes: batchOf([value]) })
    })
  }
}

const listOf = <T>(lists: Map<string, T[]>, key: string): T[] => {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  return list
}

export interface VerifyOptions {
  readonly storage?: BrokerOptions['storage']
  /** Damage was done: ranges may be lost, if they are named. */
  readonly isDamaged?: boolean
}

/** Opens the directory and holds what is there against what was told. Leaves the node open. */
export const verify = async (
  workload: Workload,
  options: VerifyOptions = {},
): Promise<TestNode> => {
  const node = await openNode(workload.world, { storage: { ...options.storage } })
  for (const topic of ['small', 'large']) await verifyTopic(node, workload, topic, options)
  await verifyMemory(node, workload)
  const topics = node.broker.listTopics(caller).map((one) => one.topic)
  for (const topic of workload.deleted)
    if (topics.includes(topic)) throw new Error(`deleted topic ${topic} is back`)
  return node
}

const verifyTopic = async (
  node: TestNode,
  workload: Workload,
  topic: string,
  options: VerifyOptions,
): Promise<void> => {
  const isThere = node.broker.listTopics(caller).some((one) => one.topic === topic)
  const told = workload.told.get(topic) ?? []
  if (!isThere && !workload.created.has(topic)) return
  if (!isThere) throw new Error(`topic ${topic} is lost`)
  const handle = await node.open(topic)
  const found = await node.readAll(handle)
  if (found.damaged.length > 0 && options.isDamaged !== true)
    throw new Error(`${topic} is damaged: ${JSON.stringify(found.damaged)}`)
  checkTold(topic, told, found)
  checkRecords(topic, found, workload.submitted.get(topic) ?? [])
}

/** Everything acknowledged is where it was said to be, or in a range that is named as damaged. */
const checkTold = (topic: string, told: readonly Told[], found: WholeLog): void => {
  const byOffset = new Map(found.records.map((record) => [record.offset, record.value]))
  for (const { offset, value } of told) {
    if (byOffset.get(offset) === value) continue
    if (found.damaged.some((range) => range.from <= offset && offset < range.to)) continue
    const there = byOffset.get(offset)?.slice(0, 16)
    throw new Error(`${topic}/${offset} is ${there}, not ${value.slice(0, 16)}`)
  }
}

/** Nothing that was never sent, nothing twice, nothing out of order. */
const checkRecords = (topic: string, found: WholeLog, order: readonly string[]): void => {
  let last = -1
  for (const { offset, value } of found.records) {
    const position = order.indexOf(value)
    if (position < 0) throw new Error(`${topic}/${offset} was never sent`)
    if (position <= last) throw new Error(`${topic}/${offset} is there twice or out of order`)
    last = position
  }
}

/** Nothing survives, nothing is garbage, and no offset is given out again. */
const verifyMemory = async (node: TestNode, workload: Workload): Promise<void> => {
  if (!node.broker.listTopics(caller).some((one) => one.topic === 'memory')) return
  const handle = await node.open('memory')
  const { records } = await node.readAll(handle)
  if (records.length > 0) throw new Error('an unsynced topic has records after a restart')
  const outcome = await node.append(handle, ['again'])
  if (outcome.error !== undefined) throw outcome.error
  for (const { offset } of workload.told.get('memory') ?? [])
    if (offset >= outcome.baseOffset) throw new Error(`offset ${offset} names two records`)
}

/** Appends to a topic that is there, and finds it again in another life. */
export const verifyGoesOn = async (
  node: TestNode,
  options: VerifyOptions = {},
): Promise<TestNode> => {
  const topics = node.broker.listTopics(caller).filter((one) => one.durability === 'persisted')
  for (const { topic } of topics) {
    const outcome = await node.append(await node.open(topic), [`after in ${topic}`])
    if (outcome.error !== undefined) throw outcome.error
  }
  node.world.losePower()
  const next = await openNode(node.world, { storage: { ...options.storage } })
  for (const { topic } of topics) {
    const values = await next.values(await next.open(topic))
    if (values.at(-1) !== `after in ${topic}`) throw new Error(`${topic} lost what came after`)
  }
  return next
}

export const callCount = (world: SimulatedWorld): number =>
  Object.values(world.disk.counters.calls).reduce((sum, count) => sum + count, 0)
