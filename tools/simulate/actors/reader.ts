/** Fetches at random offsets, with and without long polling, and holds leases for a while. */
import type {
  EngineSession,
  FetchOperation,
  ReadLease,
  ReadResult,
  TopicHandle,
} from '@millrace/core'
import { crc32c } from '@millrace/codec'
import type { Life } from '../life.ts'
import type { TopicState } from '../metadata-model.ts'
import { logName } from '../names.ts'
import { joinParts } from '../payload.ts'
import { checkRead } from '../read-check.ts'
import { openReadSession, visitTopics } from './handles.ts'

/** Simulated time that a read may take beside its own waiting. */
const SLACK_MS = 30_000

export class Reader {
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
      this.#readOnce(topic, handle, partition),
    )
  }

  async #readOnce(topic: TopicState, handle: TopicHandle, partition: number): Promise<void> {
    const { random } = this.#life
    const bounds = await this.#fetch({
      handle,
      partition,
      offset: 0,
      bytesMax: 1,
      bytesMin: 0,
      waitMsMax: 0,
    })
    bounds.lease?.release()
    const { earliestOffset, highWatermark } = bounds
    const isTail = random.chance(0.3)
    const offset = isTail
      ? highWatermark
      : random.between(Math.max(0, earliestOffset - 1), highWatermark + 1)
    const bytesMax = random.pick([1, 500, 4000, 65_536])
    const bytesMin = random.pick([0, 1, 1, bytesMax])
    const operation = { handle, partition, offset, bytesMax, bytesMin, waitMsMax: random.below(20) }
    this.#life.count()
    if (isTail && bytesMin > 0) this.#life.simulation.coverage.add('long poll')
    this.#check(topic, operation, await this.#fetch(operation))
  }

  async #fetch(operation: FetchOperation): Promise<ReadResult> {
    const { simulation } = this.#life
    const beganAt = simulation.world.clock.monotonic()
    const result = await this.#life.call(
      `fetch ${operation.handle.topicId}/${operation.partition} from ${operation.offset}`,
      new Promise<ReadResult>((resolve) => void this.#session.fetch(operation, resolve)),
    )
    const tookMs = simulation.world.clock.monotonic() - beganAt
    if (tookMs > operation.waitMsMax + SLACK_MS) {
      simulation.violate('I11', `a fetch with ${operation.waitMsMax} ms to wait took ${tookMs} ms`)
    }
    return result
  }

  #check(topic: TopicState, operation: FetchOperation, result: ReadResult): void {
    const { simulation } = this.#life
    const { offset, partition } = operation
    const log = logName(topic.id, partition)
    simulation.note(
      `read ${log} from ${offset}: ${result.error?.code ?? `to ${result.nextOffset}`}`,
    )
    if (result.error !== undefined) return this.#checkError(topic, operation, result)
    const isDamaged = simulation.damage.isDamaged(topic.id, partition)
    const { durability } = topic.settings
    const batches = checkRead(simulation, { log, durability, offset, isDamaged }, result)
    const isDue = operation.bytesMin === 0 && offset < result.highWatermark && !isDamaged
    if (isDue && batches.length === 0) {
      simulation.violate(
        'I6',
        `${log}: a read from ${offset} is empty below the high watermark ${result.highWatermark}`,
      )
    }
    if (batches.length > 1 && (result.lease?.byteLength ?? 0) > operation.bytesMax) {
      simulation.violate(
        'I15',
        `${log}: a read of ${operation.bytesMax} bytes gave ${result.lease?.byteLength}`,
      )
    }
    if (result.lease !== undefined) this.#hold(log, result.lease)
  }

  #checkError(topic: TopicState, operation: FetchOperation, result: ReadResult): void {
    const { simulation, hasFaulted, fatal, isEnding } = this.#life
    const { offset, partition } = operation
    const code = result.error?.code
    const { earliestOffset, highWatermark } = result
    const isOutside = offset < earliestOffset || offset > highWatermark
    if (code === 'ERR_OFFSET_OUT_OF_RANGE' && isOutside) {
      if (offset < earliestOffset) simulation.coverage.add('read below the earliest')
      return
    }
    if (hasFaulted || fatal !== undefined || isEnding) return
    if (code === 'ERR_DATA_CORRUPT' && simulation.damage.isDamaged(topic.id, partition)) return
    const current = simulation.metadata.get(topic.namespace, topic.topic)
    if (current?.id !== topic.id || simulation.metadata.isPending(topic.namespace, topic.topic))
      return
    simulation.violate(
      'I11',
      `${logName(topic.id, partition)}: a read from ${offset} failed with ${code} (${earliestOffset} to ${highWatermark})`,
    )
  }

  /** What a lease holds does not change until it is given back. */
  #hold(log: string, lease: ReadLease): void {
    const { simulation, random } = this.#life
    if (random.chance(0.5)) return lease.release()
    const before = crc32c(joinParts(lease.parts))
    this.#life.start(async () => {
      await this.#life.pause(random.below(random.pick([5000, 5000, 100_000])))
      if (crc32c(joinParts(lease.parts)) !== before) {
        simulation.violate(
          'P20',
          `${log}: the bytes of a lease have changed before it was released`,
        )
      }
      lease.release()
    })
  }
}
