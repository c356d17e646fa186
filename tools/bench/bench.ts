/**
 * What a question works with: sizes, fresh brokers and workers, and the costs of a stretch of work.
 * Everything handed out is ended by `close`, also when a question failed.
 */
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BrokerUnderTest } from './broker-under-test.ts'
import type { BrokerCounters, Measured } from './contender.ts'
import { cpuMsOf } from './process-stat.ts'
import { RabbitMqUnderTest } from './rabbitmq-under-test.ts'
import { type Latencies, sum } from './statistics.ts'
import { Worker } from './worker.ts'

const GB = 1_000_000_000
/** Left on the disk beside what is written. */
const SPARE_BYTES = 2 * GB
const REPEATS = 5
const PROBE_MS = 1_500
const QUICK_PROBE_MS = 50
const QUICK_RUN_MS = 150

export interface BenchOptions {
  readonly isQuick: boolean
  readonly repeats: number | undefined
  readonly directory: string
  readonly profileDirectory: string | undefined
}

export interface BrokerOptions {
  readonly syncDelayMs?: number
  readonly dataDir?: string
  /** Of the configuration, by their names in the environment. */
  readonly settings?: Readonly<Record<string, string>>
}

/** What a stretch of work has cost, and what came out of it. */
export interface Costs<T> {
  readonly result: T
  readonly brokerCpuMs: number
  /** The part of it that was spent in the kernel. */
  readonly brokerSystemMs: number
  readonly generatorCpuMs: number
  readonly counters: BrokerCounters
}

export class Bench {
  readonly isQuick: boolean
  readonly repeats: number
  /** Made for this run, removed at its end. */
  readonly directory: string
  readonly #environment: NodeJS.ProcessEnv
  readonly #workers = new Set<Worker>()
  /** With those that are still starting: whoever ends the bench does not wait for its questions. */
  readonly #brokers = new Set<Promise<{ close(): Promise<void> }>>()
  #lastName = 0
  #isClosed = false

  private constructor(options: BenchOptions, directory: string) {
    this.isQuick = options.isQuick
    this.repeats = options.repeats ?? (options.isQuick ? 1 : REPEATS)
    this.directory = directory
    this.#environment = environmentOf(options.profileDirectory)
  }

  static async open(options: BenchOptions): Promise<Bench> {
    return new Bench(options, await mkdtemp(join(options.directory, 'millrace-bench-')))
  }

  /** A name that was not used before, for a topic, a file or a directory. */
  name(prefix: string): string {
    return `${prefix}-${++this.#lastName}`
  }

  path(prefix: string): string {
    return join(this.directory, this.name(prefix))
  }

  /** How long a run of a contender lasts. */
  runMs(fullMs: number): number {
    return this.isQuick ? QUICK_RUN_MS : fullMs
  }

  /** A count, or a small one that only shows that it works. */
  size(full: number, quick: number): number {
    return this.isQuick ? quick : full
  }

  /** Throws when so much does not fit on the disk. */
  async checkRoom(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.directory)
    if (bavail * bsize > bytes + SPARE_BYTES) return
    const needed = Math.ceil((bytes + SPARE_BYTES) / GB)
    throw new Error(`${this.directory} needs ${needed} GB of room: choose another with --directory`)
  }

  worker(role: string): Worker {
    this.#checkOpen()
    const worker = new Worker(role, this.#environment)
    this.#workers.add(worker)
    return worker
  }

  broker(options: BrokerOptions = {}): Promise<BrokerUnderTest> {
    this.#checkOpen()
    const starting = BrokerUnderTest.start({
      dataDir: options.dataDir ?? this.path('data'),
      syncDelayMs: options.syncDelayMs ?? 0,
      environment: { ...this.#environment, ...options.settings },
    })
    this.#brokers.add(starting)
    return starting
  }

  /** What AMQP is compared with. */
  rabbitMq(): Promise<RabbitMqUnderTest> {
    this.#checkOpen()
    const starting = RabbitMqUnderTest.start(this.path('rabbitmq'))
    this.#brokers.add(starting)
    return starting
  }

  /** The bare sync loop on the directory of the bench. */
  async probeSync(syncDelayMs = 0, fullMs = PROBE_MS): Promise<Latencies> {
    const worker = this.worker('sync-loop')
    const durationMs = this.isQuick ? QUICK_PROBE_MS : fullMs
    const latencies = await worker.run('syncLoop', {
      path: this.path('sync'),
      durationMs,
      syncDelayMs,
    })
    await this.#closeWorker(worker)
    return latencies
  }

  /** CPU of the broker and of its generators, and the broker's counters, while `work` runs. */
  async costsOf<T>(
    broker: Measured,
    generators: Worker | readonly Worker[],
    work: () => Promise<T>,
  ): Promise<Costs<T>> {
    const workers = generators instanceof Worker ? [generators] : generators
    const before = await broker.counters()
    const brokerBefore = await broker.cpuTimes()
    const generatorMs = await cpuMsOfAll(workers)
    const result = await work()
    const brokerAfter = await broker.cpuTimes()
    const generatorCpuMs = (await cpuMsOfAll(workers)) - generatorMs
    const after = await broker.counters()
    const brokerSystemMs = brokerAfter.systemMs - brokerBefore.systemMs
    const brokerCpuMs = brokerAfter.userMs - brokerBefore.userMs + brokerSystemMs
    const counters = difference(after, before)
    return { result, brokerCpuMs, brokerSystemMs, generatorCpuMs, counters }
  }

  /** Ends what one question has left. */
  async closeAll(): Promise<void> {
    for (const worker of [...this.#workers]) await this.#closeWorker(worker)
    for (const starting of [...this.#brokers]) {
      this.#brokers.delete(starting)
      const broker = await starting.catch(() => undefined)
      await broker?.close()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.closeAll()
    await rm(this.directory, { recursive: true, force: true })
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new Error('the bench ends')
  }

  async #closeWorker(worker: Worker): Promise<void> {
    this.#workers.delete(worker)
    await worker.close()
  }
}

const cpuMsOfAll = async (workers: readonly Worker[]): Promise<number> =>
  sum(await Promise.all(workers.map(({ pid }) => cpuMsOf(pid))))

const difference = (after: BrokerCounters, before: BrokerCounters): BrokerCounters => ({
  syncs: after.syncs - before.syncs,
  groups: after.groups - before.groups,
  directAppends: after.directAppends - before.directAppends,
  bytesAppended: after.bytesAppended - before.bytesAppended,
  segmentsCompacted: after.segmentsCompacted - before.segmentsCompacted,
  segmentsRemoved: after.segmentsRemoved - before.segmentsRemoved,
  recoverySeconds: after.recoverySeconds,
})

const environmentOf = (profileDirectory: string | undefined): NodeJS.ProcessEnv => {
  if (profileDirectory === undefined) return process.env
  const hook = pathToFileURL(join(import.meta.dirname, 'profile-hook.js')).href
  return {
    ...process.env,
    BENCH_PROFILE_DIR: profileDirectory,
    NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import ${hook}`.trim(),
  }
}
