/** Random operations against a model in memory, with restarts of every kind in between. */
import { SeededRandom } from '@millrace/testing'
import {
  caller,
  newWorld,
  openNode,
  recordsOf,
  type Outcome,
  type TestNode,
} from './support/node.ts'
import { batchOf } from './support/node.ts'

const STEPS = 70
const names = ['one', 'two', 'three'] as const

class Model {
  readonly topics = new Map<string, { offset: number; value: string }[]>()
  readonly random: SeededRandom
  node: TestNode
  #count = 0

  constructor(node: TestNode, seed: number) {
    this.node = node
    this.random = new SeededRandom(seed)
  }

  async step(): Promise<void> {
    const name = this.random.pick(names)
    const records = this.topics.get(name)
    const choice = this.random.below(20)
    if (records === undefined) return this.#create(name)
    if (choice < 8) return this.#append(name, records)
    if (choice < 14) return this.#read(name, records)
    if (choice < 15) return this.#find(name, records)
    if (choice < 16) return this.#alter(name)
    if (choice < 17) return this.#delete(name)
    if (choice < 18) return this.#reopen('close')
    return this.#reopen(this.random.chance(0.5) ? 'kill' : 'power')
  }

  async check(): Promise<void> {
    const listed = this.node.broker.listTopics(caller).map((one) => one.topic)
    expect(listed).toEqual([...this.topics.keys()].sort())
    for (const [name, records] of this.topics) {
      const found = await this.node.readAll(await this.node.open(name))
      expect(found).toEqual({ records, damaged: [] })
    }
  }

  async #create(name: string): Promise<void> {
    await this.node.create(name, { segmentBytes: this.random.pick([4_096, 16_384, 1 << 20]) })
    this.topics.set(name, [])
  }

  async #append(name: string, records: { offset: number; value: string }[]): Promise<void> {
    const handle = await this.node.open(name)
    const { segmentBytes } = this.node.broker.describeTopic(caller, name).settings
    // Large ones, where a segment takes them, are gathered into direct appends.
    const size = this.random.pick(segmentBytes < 65_536 ? [1, 10, 300, 900] : [10, 300, 9_000])
    const batches = Array.from({ length: this.random.between(1, 12) }, () =>
      Array.from({ length: this.random.between(1, 3) }, () =>
        `${this.#count++}`.padEnd(Math.floor(size / 3) + 1, '.'),
      ),
    )
    const waiting = batches.map((values) => this.node.submit(handle, batchOf(values)))
    const outcomes = await this.node.run(Promise.all(waiting as Promise<Outcome>[]))
    outcomes.forEach((outcome, index) => {
      expect(outcome.error).toBeUndefined()
      expect(outcome.baseOffset).toBe(records.length)
      for (const value of batches[index] ?? []) records.push({ offset: records.length, value })
    })
  }

  async #read(name: string, records: readonly { offset: number; value: string }[]): Promise<void> {
    const offset = this.random.below(records.length + 1)
    const result = await this.node.fetch(await this.node.open(name), offset)
    const found = recordsOf(result.lease?.parts ?? [], offset)
    result.lease?.release()
    expect(result.error).toBeUndefined()
    expect(found).toEqual(records.slice(offset, offset + found.length))
    expect(found.length > 0 || offset === records.length).toBe(true)
  }

  async #find(name: string, records: readonly unknown[]): Promise<void> {
    const at = { timestamp: this.random.pick([1, 1_000, 1_001]) }
    const [answer] = await this.node.run(this.node.broker.listOffsets(caller, { topic: name, at }))
    const isThere = at.timestamp <= 1_000 && records.length > 0
    expect(answer?.offset).toBe(isThere ? 0 : records.length)
  }

  async #alter(name: string): Promise<void> {
    const settings = { segmentBytes: this.random.pick([4_096, 65_536]) }
    await this.node.run(this.node.broker.alterTopic(caller, { topic: name, settings }))
  }

  async #delete(name: string): Promise<void> {
    await this.node.run(this.node.broker.deleteTopic(caller, { topic: name }))
    this.topics.delete(name)
  }

  async #reopen(how: 'close' | 'kill' | 'power'): Promise<void> {
    const { world } = this.node
    if (how === 'close') await this.node.close()
    if (how === 'kill') world.kill()
    if (how === 'power') world.losePower()
    this.node = await openNode(world)
    await this.check()
  }
}

it.each(Array.from({ length: 16 }, (_, index) => index + 1))(
  'does what the model does (seed %d)',
  async (seed) => {
    const model = new Model(await openNode(newWorld(seed)), seed)
    for (let step = 0; step < STEPS; step++) await model.step()
    await model.check()
    expect(model.node.fatal).toEqual([])
  },
  30_000,
)
