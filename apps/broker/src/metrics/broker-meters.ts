/**
 * What protocols count, as plain numbers. Asked for once per session or per gateway, added to on the
 * hot path, read by the pages of metrics.
 */
import type { ErrorCode } from '@millrace/codec'
import { type Meters, TrafficCounters } from '@millrace/core'

export class BrokerMeters implements Meters {
  readonly #traffic = new Map<string, TrafficCounters>()
  /** Codes are a table of ours, so this does not grow. */
  readonly #errors = new Map<ErrorCode, number>()
  #failedLogins = 0

  traffic(protocol: string): TrafficCounters {
    const known = this.#traffic.get(protocol)
    if (known !== undefined) return known
    const traffic = new TrafficCounters()
    this.#traffic.set(protocol, traffic)
    return traffic
  }

  countError(code: ErrorCode): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1)
  }

  loginFailed(): void {
    this.#failedLogins += 1
  }

  get trafficByProtocol(): ReadonlyMap<string, TrafficCounters> {
    return this.#traffic
  }

  get errorsByCode(): ReadonlyMap<ErrorCode, number> {
    return this.#errors
  }

  get failedLogins(): number {
    return this.#failedLogins
  }
}
