/** A broker of the bench: the real command in a process of its own, its counters and its costs. */
import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type BrokerProcess, startBroker } from '@millrace/testing'
import type { BrokerCounters, Contender } from './contender.ts'
import { type CpuTimes, cpuTimesOf, residentBytesOf } from './process-stat.ts'

export interface BrokerSetup {
  readonly dataDir: string
  /** Added to every sync of the broker; 0 for the disk as it is. */
  readonly syncDelayMs: number
  readonly environment: NodeJS.ProcessEnv
}

const slowBrokerFile = fileURLToPath(new URL('./slow-broker.js', import.meta.url))

/** Deleted data goes at once: the bench writes more than it may leave behind. */
const settings = { MILLRACE_STORAGE__DELETE_GRACE: '0ms', MILLRACE_LOG__LEVEL: 'warn' }

const parseMetrics = (text: string): ReadonlyMap<string, number> => {
  const metrics = new Map<string, number>()
  for (const line of text.split('\n')) {
    const match = /^([a-z0-9_]+) (\S+)$/.exec(line)
    if (match !== null) metrics.set(match[1] ?? '', Number(match[2]))
  }
  return metrics
}

export class BrokerUnderTest implements Contender {
  readonly name = 'Millrace'
  readonly startedInMs: number
  readonly #process: BrokerProcess
  readonly #dataDir: string

  private constructor(process: BrokerProcess, dataDir: string, startedInMs: number) {
    this.#process = process
    this.#dataDir = dataDir
    this.startedInMs = startedInMs
  }

  static async start(setup: BrokerSetup): Promise<BrokerUnderTest> {
    const { dataDir, syncDelayMs } = setup
    const delay = { BENCH_SYNC_DELAY_MS: String(syncDelayMs), BENCH_ROLE: 'broker' }
    const beganAt = performance.now()
    const process = await startBroker({
      dataDir,
      env: { ...setup.environment, ...settings, ...delay },
      ...(syncDelayMs > 0 ? { command: slowBrokerFile } : {}),
    })
    return new BrokerUnderTest(process, dataDir, performance.now() - beganAt)
  }

  get url(): string {
    return this.#process.url
  }

  /** Where a Kafka client connects. */
  get kafka(): string {
    return `127.0.0.1:${this.#process.ports['kafka']}`
  }

  /** Where an AMQP client connects, on loopback. */
  get amqpPort(): number {
    const port = this.#process.ports['amqp']
    if (port === undefined) throw new Error('the broker has no listener for AMQP')
    return port
  }

  get pid(): number {
    return this.#process.pid
  }

  get dataDir(): string {
    return this.#dataDir
  }

  cpuTimes(): Promise<CpuTimes> {
    return cpuTimesOf(this.pid)
  }

  residentBytes(): Promise<number> {
    return residentBytesOf(this.pid)
  }

  async counters(): Promise<BrokerCounters> {
    const response = await fetch(`http://127.0.0.1:${this.#process.ports['http']}/metrics`)
    const metrics = parseMetrics(await response.text())
    const read = (name: string): number => metrics.get(`millrace_${name}`) ?? Number.NaN
    return {
      syncs: read('syncs_total'),
      groups: read('journal_groups_total'),
      directAppends: read('direct_appends_total'),
      bytesAppended: read('bytes_appended_total'),
      segmentsCompacted: read('segments_compacted_total'),
      segmentsRemoved: read('segments_removed_total'),
      recoverySeconds: read('recovery_seconds'),
    }
  }

  /** `kill -9`; the data stays. */
  async kill(): Promise<void> {
    await this.#process.kill()
  }

  /** Ends it and removes its data. */
  async close(): Promise<void> {
    await this.#process.stop()
    await rm(this.#dataDir, { recursive: true, force: true })
  }
}
