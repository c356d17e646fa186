/** A broker that AMQP loads are run against, and what can be told of any broker's process. */
import type { CpuTimes } from './process-stat.ts'

/** Counted since the broker started. */
export interface BrokerCounters {
  readonly syncs: number
  readonly groups: number
  readonly directAppends: number
  readonly bytesAppended: number
  readonly segmentsCompacted: number
  readonly segmentsRemoved: number
  readonly recoverySeconds: number
}

/** Of a broker that does not say. */
export const noCounters: BrokerCounters = {
  syncs: Number.NaN,
  groups: Number.NaN,
  directAppends: Number.NaN,
  bytesAppended: Number.NaN,
  segmentsCompacted: Number.NaN,
  segmentsRemoved: Number.NaN,
  recoverySeconds: Number.NaN,
}

export interface Measured {
  /** Of all its processes and threads. */
  cpuTimes(): Promise<CpuTimes>
  counters(): Promise<BrokerCounters>
}

export interface Contender extends Measured {
  readonly name: string
  readonly amqpPort: number
  readonly startedInMs: number
  residentBytes(): Promise<number>
}
