/**
 * What keeps one peer from using up what belongs to all: quotas of principals, alarms of the process,
 * the number of peers that nobody knows yet. Implemented by the application, asked by the native
 * protocol and by every gateway.
 */
import type { Principal } from '../engine/operations.ts'

/** One connection's part of what its principal may use. */
export interface QuotaUse {
  /** Counts bytes received. Answers how long not to read for, 0 to go on. */
  takeIn(bytes: number): number
  /** Counts bytes sent. Answers how long to send no records for, 0 to go on. */
  takeOut(bytes: number): number
  /** The connection is gone. Calling it again does nothing. */
  release(): void
}

export interface Quotas {
  /** Throws ERR_QUOTA_EXCEEDED when the principal has as many connections as it may. */
  open(principal: Principal): QuotaUse
}

export type AlarmKind = 'memory' | 'disk'

/** Too little of something that all share. While one throttles, peers that publish are not read. */
export interface Alarms {
  isRaised(kind: AlarmKind): boolean
  readonly isThrottling: boolean
  /** Runs `listener` when `isThrottling` has changed, until it is cancelled. */
  onChange(listener: (isThrottling: boolean) => void): { readonly cancel: () => void }
}

/** One connection whose peer has not shown who it is. */
export interface StrangerPass {
  /** Bytes it made us hold by now; throws ERR_LIMIT_EXCEEDED when all strangers hold too much. */
  hold(bytes: number): void
  /** It is known now, or gone. Calling it again does nothing. */
  release(): void
}

export interface Strangers {
  /** Throws ERR_CONNECTION_LIMIT when there are enough from this address. */
  enter(remoteAddress: string): StrangerPass
}
