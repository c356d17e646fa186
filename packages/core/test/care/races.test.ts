/**
 * Checks, the scrubber and backups beside appends, rolls, retention, compaction, deletions of topics and
 * deaths: what is good is never called damaged, and every backup is a state that was there.
 */
import { RecordBatchBuilder, utf8Encode } from '@millrace/codec'
import { SeededRandom } from '@millrace/testing'
import { verifyBackup } from '../../src/care/backup-verify.ts'
import { examine } from '../../src/care/doctor.ts'
import { restoreBackup } from '../../src/care/restore.ts'
import type { BrokerOptions, TopicHandle } from '../../src/engine/operations.ts'
import { caller, newWorld, openNode, type TestNode } from '../support/node.ts'

const options: Partial<BrokerOptions> = {
  storage: {
    checkpointBytes: 24 * 1024,
    retentionCheckMs: 300,
    scrubIntervalMs: 60_000,
    scrubBytesPerSecond: 1 << 20,
    deleteGraceMs: 50,
  },
}

const topics = {
  whole: { segmentBytes: 8_192, retentionMs: -1 },
  short: { segmentBytes: 8_192, retentionMs: -1, retentionBytes: 20_000 },
  keyed: { segmentBytes: 8_192, retentionMs: -1, cleanupPolicy: 'compact' as const },
  passing: { segmentBytes: 8_192, retentionMs: -1 },
}
type TopicName = keyof typeof topics

/** What one life of the broker has begun must not go on in the next. */
interface Life {
  isOn: boolean
}

class Race {
  readonly random: SeededRandom
  node: TestNode
  /** Records of `whole` that were acknowledged. */
  acknowledged = 0
  readonly backups: { name: string; before: number }[] = []
  readonly #handles = new Map<TopicName, TopicHandle>()
  #life = { isOn: false }
  #work: Promise<unknown>[] = []

  constructor(node: TestNode, random: SeededRandom) {
    this.node = node
    this.random = random
  }

  async open(node: TestNode): Promise<void> {
    this.node = node
    const there = new Set(node.broker.listTopics(caller).map(({ topic }) => topic))
    for (const name of Object.keys(topics) as TopicName[])
      this.#handles.set(
        name,
        there.has(name) ? await node.open(name) : await node.create(name, topics[name]),
      )
  }

  start(): void {
    const life = { isOn: true }
    this.#life = life
    this.#work = [
      this.#append(life, 'whole'),
      this.#append(life, 'short'),
      this.#append(life, 'keyed'),
      this.#append(life, 'passing'),
      this.#check(life),
      this.#backUp(life),
    ]
  }

  /** For a life that goes on: everything under way comes to its end. */
  async stop(): Promise<void> {
    this.#life.isOn = false
    await this.node.run(Promise.all(this.#work))
  }

  abandon(): void {
    this.#life.isOn = false
    for (const work of this.#work) work.catch(() => undefined)
  }

  async #append(life: Life, name: TopicName): Promise<void> {
    const { node, random } = this
    const handle = this.#handles.get(name) as TopicHandle
    while (life.isOn) {
      const builder = new RecordBatchBuilder()
      const count = random.between(1, 3)
      for (let index = 0; index < count; index++)
        builder.appendFields(
          node.world.clock.now(),
          utf8Encode(`k${random.below(4)}`),
          utf8Encode('.'.repeat(random.chance(0.02) ? 1_800 : random.between(20, 400))),
          [],
        )
      const outcome = await node.submit(handle, builder.build())
      if (name === 'whole' && outcome?.error === undefined) this.acknowledged += count
      await this.#pause(random.chance(0.05) ? random.between(50, 300) : random.between(2, 30))
    }
  }

  async #check(life: Life): Promise<void> {
    while (life.isOn) {
      await this.#pause(this.random.between(5, 400))
      if (!life.isOn) return
      const report = await this.node.broker.checkStorage(caller, {})
      if (life.isOn) expect(report).toMatchObject({ ranges: [], files: [] })
    }
  }

  async #backUp(life: Life): Promise<void> {
    while (life.isOn) {
      await this.#pause(this.random.between(50, 600))
      if (!life.isOn) return
      const before = this.acknowledged
      const name = `b${this.backups.length}-${this.random.below(1_000_000)}`
      await this.node.broker.backUp(caller, { name })
      this.backups.push({ name, before })
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.node.world.scheduler.after(ms * 1_000, resolve)
    })
  }
}

const wholeOf = async (node: TestNode): Promise<number> => {
  const { records, damaged } = await node.readAll(await node.open('whole'))
  expect(damaged).toEqual([])
  return records.length
}

const expectGood = async (node: TestNode): Promise<void> => {
  const report = await node.run(node.broker.checkStorage(caller, {}))
  expect(report).toMatchObject({ ranges: [], files: [], damagedRanges: 0 })
}

describe('beside everything else', () => {
  it.each(Array.from({ length: 4 }, (_, index) => index + 1))(
    'nothing good is called damaged, and every backup is whole (seed %d)',
    async (seed) => {
      const world = newWorld(seed)
      const random = new SeededRandom(seed * 31)
      const race = new Race(await openNode(world, options), random)
      await race.open(race.node)
      for (let life = 0; life < 4; life++) {
        race.start()
        await world.scheduler.runFor(random.between(200, 1_500))
        if (random.chance(0.4)) {
          await race.stop()
          if (random.chance(0.5)) await world.scheduler.runFor(61_000)
          if (random.chance(0.5))
            await race.node.run(race.node.broker.deleteTopic(caller, { topic: 'passing' }))
          await race.node.close()
        } else {
          race.abandon()
          if (random.chance(0.5)) world.kill()
          else world.losePower()
        }
        expect(race.node.fatal).toEqual([])
        const { problems, isHealthy } = await world.scheduler.runUntil(
          examine(world.boot(), '/data'),
        )
        expect([problems, isHealthy]).toEqual([[], true])
        const node = await openNode(world, options)
        await expectGood(node)
        expect(await wholeOf(node)).toBeGreaterThanOrEqual(race.acknowledged)
        race.acknowledged = await wholeOf(node)
        await race.open(node)
      }
      await race.node.close()
      for (const { name, before } of race.backups.slice(-3)) {
        const from = `/data/backups/${name}`
        const environment = world.boot()
        const run = <T>(work: Promise<T>): Promise<T> => world.scheduler.runUntil(work)
        expect((await run(verifyBackup(environment.disk, from))).problems).toEqual([])
        const directory = `/restored-${name}`
        await run(restoreBackup(environment, from, directory))
        const node = await openNode(world, { ...options, directory })
        await expectGood(node)
        expect(await wholeOf(node)).toBeGreaterThanOrEqual(before)
        await node.close()
      }
    },
    60_000,
  )
})
