/**
 * Logins that were verified a moment ago, so that ten thousand clients that reconnect do not cost
 * eleven minutes of hashing. Nothing here is worth stealing: a login is known by an HMAC under a key
 * that this process made and nobody else has.
 *
 * A login counts for one user at one revision: a changed password, a user made anew, anything that
 * changes the user, and it is verified again.
 */
import { createHmac } from 'node:crypto'
import type { Clock, User } from '@millrace/core'
import { VERIFIED_LOGIN_MS, VERIFIED_LOGINS_COUNT_MAX } from './limits.ts'

interface VerifiedLogin {
  readonly userId: number
  readonly revision: number
  readonly untilMs: number
}

export class VerifiedLogins {
  readonly #clock: Clock
  readonly #key: Uint8Array
  readonly #countMax: number
  readonly #logins = new Map<string, VerifiedLogin>()

  constructor(clock: Clock, key: Uint8Array, countMax: number = VERIFIED_LOGINS_COUNT_MAX) {
    this.#clock = clock
    this.#key = key
    this.#countMax = countMax
  }

  get count(): number {
    return this.#logins.size
  }

  /** What a user and password are known by. */
  markOf(user: string, password: string): string {
    return createHmac('sha256', this.#key)
      .update(user)
      .update('\u0000')
      .update(password)
      .digest('base64')
  }

  has(mark: string, user: User): boolean {
    const login = this.#logins.get(mark)
    if (login === undefined) return false
    const { userId, revision, untilMs } = login
    const isGood = userId === user.id && revision === user.revision
    if (isGood && this.#clock.monotonic() < untilMs) {
      // The one used last goes last.
      this.#logins.delete(mark)
      this.#logins.set(mark, login)
      return true
    }
    this.#logins.delete(mark)
    return false
  }

  add(mark: string, user: User): void {
    if (this.#logins.size >= this.#countMax) {
      const [oldest] = this.#logins.keys()
      if (oldest !== undefined) this.#logins.delete(oldest)
    }
    const untilMs = this.#clock.monotonic() + VERIFIED_LOGIN_MS
    this.#logins.set(mark, { userId: user.id, revision: user.revision, untilMs })
  }
}
