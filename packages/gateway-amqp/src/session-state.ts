/**
 * What a peer may say on channel 0, and when:
 *
 * ```
 *   header ──> start ──> [ secure … ] ──> tune ──> open ──> running ──> closing ──> closed
 *   (AMQP 0 0 9 1)  start-ok   secure-ok   tune-ok   open     channels
 * ```
 * A peer may close at any time. While it is closing nothing is listened to but the end of it.
 */
import type { MethodName } from './codec/method-table.ts'

export type SessionState =
  'header' | 'start' | 'secure' | 'tune' | 'open' | 'running' | 'closing' | 'closed'

export type ConnectionMethod =
  | 'connection.start-ok'
  | 'connection.secure-ok'
  | 'connection.tune-ok'
  | 'connection.open'
  | 'connection.close'
  | 'connection.close-ok'
  | 'connection.update-secret'

const legal: Readonly<Record<SessionState, readonly ConnectionMethod[]>> = {
  header: [],
  start: ['connection.start-ok', 'connection.close'],
  secure: ['connection.secure-ok', 'connection.close'],
  tune: ['connection.tune-ok', 'connection.close'],
  open: ['connection.open', 'connection.close'],
  running: ['connection.update-secret', 'connection.close'],
  closing: ['connection.close-ok', 'connection.close'],
  closed: [],
}

export const isLegal = (state: SessionState, name: MethodName): name is ConnectionMethod =>
  (legal[state] as readonly MethodName[]).includes(name)

/** Nobody knows yet who speaks: such a peer is told nothing but that its login failed. */
export const isStranger = (state: SessionState): boolean =>
  state === 'header' || state === 'start' || state === 'secure'
