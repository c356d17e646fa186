/**
 * Failed logins slow down whoever makes them: by user and address, so that one who guesses at a user
 * does not keep others out, and by address, so that one who tries many users is slowed too. Each
 * failure beyond the free ones doubles the wait. Both tables are bounded; the failure that is longest
 * ago is forgotten first.
 */
import { BrokerError } from '@millrace/codec'
import type { Clock } from '@millrace/core'
import {
  ADDRESS_FAILURES_FREE_COUNT,
  FAILURES_FORGOTTEN_MS,
  FAILURES_KEPT_COUNT_MAX,
  LOGIN_DELAY_MS_MAX,
  LOGIN_DELAY_MS_MIN,
  USER_FAILURES_FREE_COUNT,
} from './limits.ts'

/** A token or a certificate that was refused says nothing of whose it is: only its address counts. */
const NOBODY = ''

interface Failures {
  readonly count: number
  readonly lastMs: number
  readonly blockedUntilMs: number
}

class FailureTable {
  readonly #clock: Clock
  readonly #freeCount: number
  readonly #countMax: number
  readonly #failures = new Map<string, Failures>()

  constructor(clock: Clock, freeCount: number, countMax: number) {
    this.#clock = clock
    this.#freeCount = freeCount
    this.#countMax = countMax
  }

  waitMs(key: string): number {
    const failures = this.#failures.get(key)
    return failures === undefined ? 0 : failures.blockedUntilMs - this.#clock.monotonic()
  }

  add(key: string): void {
    const now = this.#clock.monotonic()
    const before = this.#failures.get(key)
    const isRecent = before !== undefined && now - before.lastMs < FAILURES_FORGOTTEN_MS
    const count = isRecent ? before.count + 1 : 1
    const doublings = Math.min(count - this.#freeCount, 16)
    const delayMs = doublings <= 0 ? 0 : LOGIN_DELAY_MS_MIN * 2 ** (doublings - 1)
    const blockedUntilMs = now + Math.min(delayMs, LOGIN_DELAY_MS_MAX)
    this.#failures.delete(key)
    this.#failures.set(key, { count, lastMs: now, blockedUntilMs })
    if (this.#failures.size <= this.#countMax) return
    const [oldest] = this.#failures.keys()
    if (oldest !== undefined) this.#failures.delete(oldest)
  }

  forget(key: string): void {
    this.#failures.delete(key)
  }
}

/** `192.0.2.1:50000` and `[2001:db8::1]:50000` without the port; the /64 of IPv6 is one household. */
export const hostOf = (remoteAddress: string): string => {
  const host = remoteAddress.slice(0, remoteAddress.lastIndexOf(':')).replace(/^\[|\]$/g, '')
  const mapped = host.replace(/^::ffff:(?=\d+\.)/i, '')
  if (!mapped.includes(':')) return mapped
  const [head = '', tail] = mapped.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':')
    const missing = Math.max(0, 8 - groups.length - rest.length)
    groups.push(...Array.from({ length: missing }, () => '0'), ...rest)
  }
  return groups.slice(0, 4).join(':')
}

export class LoginThrottle {
  readonly #users: FailureTable
  readonly #addresses: FailureTable

  constructor(clock: Clock, countMax: number = FAILURES_KEPT_COUNT_MAX) {
    this.#users = new FailureTable(clock, USER_FAILURES_FREE_COUNT, countMax)
    this.#addresses = new FailureTable(clock, ADDRESS_FAILURES_FREE_COUNT, countMax)
  }

  /** ERR_LOGIN_DELAYED when they have to wait. */
  refusal(user: string, remoteAddress: string): BrokerError | undefined {
    const host = hostOf(remoteAddress)
    const userWaitMs = user === NOBODY ? 0 : this.#users.waitMs(pairOf(user, host))
    const waitMs = Math.ceil(Math.max(userWaitMs, this.#addresses.waitMs(host)))
    return waitMs > 0 ? new BrokerError('ERR_LOGIN_DELAYED', [waitMs]) : undefined
  }

  failed(user: string, remoteAddress: string): void {
    const host = hostOf(remoteAddress)
    if (user !== NOBODY) this.#users.add(pairOf(user, host))
    this.#addresses.add(host)
  }

  /** What an address has failed with other users still counts. */
  succeeded(user: string, remoteAddress: string): void {
    this.#users.forget(pairOf(user, hostOf(remoteAddress)))
  }
}

/** Somebody may send a name of any length: what is kept is not longer than a good one. */
const pairOf = (user: string, host: string): string => `${host}\u0000${user.slice(0, 255)}`
