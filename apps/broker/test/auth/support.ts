import { randomBytes } from 'node:crypto'
import {
  type AuthenticationContext,
  type AuthenticationExchange,
  type AuthenticationStep,
  type Clock,
  Identity,
  systemPrincipal,
  volatileIdentityStorage,
} from '@millrace/core'
import { LoginDesk } from '../../src/auth/login-desk.ts'
import { LoginThrottle } from '../../src/auth/login-throttle.ts'
import { Passwords } from '../../src/auth/passwords.ts'
import { ScryptQueue } from '../../src/auth/scrypt-queue.ts'
import { VerifiedLogins } from '../../src/auth/verified-logins.ts'

export const system = { principal: systemPrincipal, namespace: '/' }

export class ManualClock implements Clock {
  nowMs = 1_700_000_000_000
  now(): number {
    return this.nowMs
  }
  monotonic(): number {
    return this.nowMs
  }
}

export const contextOf = (changes: Partial<AuthenticationContext> = {}): AuthenticationContext => ({
  remoteAddress: '192.0.2.1:5000',
  isTls: true,
  tlsPeer: undefined,
  namespace: '/',
  ...changes,
})

export interface LogEntry {
  readonly event: string
  readonly fields: Record<string, unknown>
}

/** What all mechanisms work with; scrypt is cheap here, and counted. */
export const createRealm = async () => {
  const clock = new ManualClock()
  const lines: LogEntry[] = []
  const note = (event: string, fields: Record<string, unknown> = {}) =>
    void lines.push({ event, fields })
  const log = { info: note, warn: note, error: note }
  const storage = volatileIdentityStorage()
  const identity = new Identity({ storage, clock, isEnforced: () => true })
  const throttle = new LoginThrottle(clock)
  const desk = new LoginDesk({ identity, throttle, log })
  const queue = new ScryptQueue(2, 64)
  const passwords = new Passwords({
    queue,
    randomBytes,
    scramIterations: 4_096,
    scryptLog2Cost: 4,
  })
  const verified = new VerifiedLogins(clock, randomBytes(32))
  const addUser = async (user: string, password: string): Promise<void> => {
    const credentials = await passwords.derive(password)
    await identity.putUser(system, { user, create: true, credentials, isAdministrator: true })
  }
  const setPassword = async (user: string, password: string): Promise<void> => {
    const credentials = await passwords.derive(password)
    await identity.putUser(system, { user, create: false, credentials })
  }
  return {
    clock,
    lines,
    identity,
    throttle,
    desk,
    queue,
    passwords,
    verified,
    addUser,
    setPassword,
  }
}

export type Realm = Awaited<ReturnType<typeof createRealm>>

export const say = (exchange: AuthenticationExchange, text: string): Promise<AuthenticationStep> =>
  exchange.step(Buffer.from(text, 'utf8'))

export const textOf = (step: AuthenticationStep): string => {
  const bytes =
    step.kind === 'challenge' ? step.bytes : step.kind === 'principal' && step.finalBytes
  return Buffer.from(bytes || new Uint8Array(0)).toString()
}

export const nameOf = (step: AuthenticationStep): string | undefined =>
  step.kind === 'principal' ? step.principal.name : undefined
