/** Failures planned for calls of a simulated disk. */
import type { DiskCallKind } from './disk-counters.ts'

export interface DiskFault {
  readonly kind: DiskCallKind
  /** The operating system's code: EIO, ENOSPC, EMFILE, … */
  readonly code: string
  /** Which call from now on fails, counted from 1 among those that match. */
  readonly nth: number
  /** How many calls fail from then on; 1 when not given. */
  readonly times?: number
  readonly matches?: (path: string) => boolean
}

export interface PlannedFault {
  readonly firedCount: number
  cancel(): void
}

/** An error as the operating system's calls give it. */
export const diskError = (code: string, kind: string, path: string): Error & { code: string } =>
  Object.assign(new Error(`${code}: ${kind} '${path}'`), { code })

class ActiveFault implements PlannedFault {
  readonly fault: DiskFault
  firedCount = 0
  #seenCount = 0
  #isCancelled = false

  constructor(fault: DiskFault) {
    this.fault = fault
  }

  /** The code when this call is to fail. */
  meet(kind: DiskCallKind, path: string): string | undefined {
    if (kind !== this.fault.kind || this.isSpent) return undefined
    if (this.fault.matches !== undefined && !this.fault.matches(path)) return undefined
    this.#seenCount++
    if (this.#seenCount < this.fault.nth) return undefined
    this.firedCount++
    return this.fault.code
  }

  get isSpent(): boolean {
    return this.#isCancelled || this.firedCount >= (this.fault.times ?? 1)
  }

  cancel(): void {
    this.#isCancelled = true
  }
}

export class FaultPlan {
  #faults: ActiveFault[] = []

  add(fault: DiskFault): PlannedFault {
    const active = new ActiveFault(fault)
    this.#faults.push(active)
    return active
  }

  clear(): void {
    this.#faults = []
  }

  meet(kind: DiskCallKind, path: string): string | undefined {
    if (this.#faults.length === 0) return undefined
    let code: string | undefined
    for (const fault of this.#faults) code ??= fault.meet(kind, path)
    if (code !== undefined) this.#faults = this.#faults.filter((fault) => !fault.isSpent)
    return code
  }
}
