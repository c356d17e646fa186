export { SeededRandom, hashText } from './seeded-random.ts'
export { Trace } from './trace.ts'
export { Scheduler } from './scheduler.ts'
export type { ScheduledEvent } from './scheduler.ts'
export { SimulatedClock, SimulatedTimers } from './simulated-clock.ts'
export { SimulatedDisk } from './simulated-disk.ts'
export type { SimulatedDiskOptions } from './simulated-disk.ts'
export type { DiskLatency, MountedDisk } from './mounted-disk.ts'
export type { DiskCallKind, DiskCounters } from './disk-counters.ts'
export type { DiskFault, PlannedFault } from './disk-faults.ts'
export { SimulatedWorld } from './simulated-environment.ts'
export type { LogLine, SimulatedWorldOptions } from './simulated-environment.ts'
export { History, InvariantViolation } from './history.ts'
export type {
  AppendInput,
  AppendState,
  HistoryAppend,
  KeyedRecord,
  LogContent,
  ObservedBatch,
  ObservedRecord,
  OffsetRange,
} from './history.ts'
export { startBroker } from './broker-process.ts'
export type { BrokerProcess, BrokerProcessOptions, ProcessExit } from './broker-process.ts'
export { temporaryDirectory } from './temporary-directory.ts'
export type { TemporaryDirectory } from './temporary-directory.ts'
