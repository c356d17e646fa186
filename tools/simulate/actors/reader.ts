/**
 * Fetches at random offsets, with and without long polling, and holds leases for a while, those that
 * stayed in their files too.
 */
import type {
  EngineSession,
  FileRange,
  FetchOperation,
  ReadLease,
  ReadResult,
  TopicHandle,
} from '@millrace/core'
import { crc32c } from '@millrace/codec'
import type { Life } from '../life.ts'
import type { TopicState } from '../metadata-model.ts'
import { callerOf, logName } from '../names.ts'
import { joinParts } from '../payload.ts'
import { checkRead, codeOf } from '../read-check.ts'
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
    const { random, simulation } = this.#life
    if (random.chance(0.3)) await this.#makeSidecars(topic)
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
    // What stays in its file is not verified again: damage may be in it.
    const isDamaged = simulation.damage.isDamaged(topic.id, partition)
    const mayStayInFile = random.chance(0.7) && !isDamaged
    const waitMsMax = random.below(20)
    const operation = { handle, partition, offset, bytesMax, bytesMin, waitMsMax, mayStayInFile }
    this.#life.count()
    if (isTail && bytesMin > 0) simulation.coverage.add('long poll')
    const result = await this.#readable(logName(topic.id, partition), await this.#fetch(operation))
    if (result !== undefined) this.#check(topic, operation, result)
  }

  /** A check makes those that are missing, so that full segments can be sent as they are. */
  async #makeSidecars(topic: TopicState): Promise<void> {
    const { broker } = this.#life
    try {
      await this.#life.call('check', broker.checkStorage(callerOf(this.#namespace), topic))
    } catch (error) {
      if (this.#isExcused || codeOf(error) !== undefined) return
      throw error
    }
  }

  /** With its bytes in memory, wherever they are; `undefined` when a planned fault struck. */
  async #readable(log: string, result: ReadResult): Promise<ReadResult | undefined> {
    const { lease } = result
    if (lease?.range === undefined) return result
    this.#life.simulation.coverage.add('file range')
    const bytes = await this.#readRange(log, lease.range)
    if (bytes !== undefined) return { ...result, lease: { ...lease, parts: [bytes] } }
    lease.release()
    return undefined
  }

  async #readRange(log: string, range: FileRange): Promise<Uint8Array | undefined> {
    const { simulation, random } = this.#life
    const bytes = new Uint8Array(range.byteLength)
    const pieceBytes = random.pick([700, 8_000, bytes.length])
    try {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const piece = bytes.subarray(at, at + pieceBytes)
        const count = await range.read(piece, at)
        if (count !== piece.length)
          simulation.violate(
            'P20',
            `${log}: a range of ${bytes.length} bytes ends at ${at + count}`,
          )
      }
      return bytes
    } catch (error) {
      if (this.#isExcused) return undefined
      throw error
    }
  }

  get #isExcused(): boolean {
    const { hasFaulted, fatal, isEnding } = this.#life
    return hasFaulted || fatal !== undefined || isEnding
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
    const isLate = result.lease?.range !== undefined
    const context = { log, durability, offset, isDamaged, isLate }
    const batches = checkRead(simulation, context, result)
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
    if (result.lease !== undefined)
      this.#hold(log, result.lease, () => simulation.damage.isDamaged(topic.id, partition))
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

  /** What a lease holds does not change until it is given back, unless it is a file that is damaged. */
  #hold(log: string, lease: ReadLease, isDamaged: () => boolean): void {
    const { simulation, random } = this.#life
    // A file is replaced or removed less often than memory is used again.
    const isRange = lease.range !== undefined
    if (!isRange && random.chance(0.5)) return lease.release()
    const before = crc32c(joinParts(lease.parts))
    this.#life.start(async () => {
      await this.#life.pause(random.below(isRange ? 300_000 : random.pick([5000, 5000, 100_000])))
      const bytes =
        lease.range === undefined ? joinParts(lease.parts) : await this.#readRange(log, lease.range)
      const isExcused = isRange && isDamaged()
      if (bytes !== undefined && !isExcused && crc32c(bytes) !== before) {
        simulation.violate(
          'P20',
          `${log}: the bytes of a lease have changed before it was released`,
        )
      }
      lease.release()
    })
  }
}
