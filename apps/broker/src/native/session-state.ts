/**
 * The states of a native session and the steps between them. Anything not in the table is a bug of
 * ours, never of the peer: what a peer may send in which state stands in `request-table.ts`.
 *
 * ```
 *   handshake ──→ authenticating ──→ open ──→ draining (GO_AWAY sent)
 *       │               │             │           │
 *       └───────────────┴─────────────┴───────────┴──→ closing (CLOSE received) ──→ closed
 * ```
 */
import assert from 'node:assert'

export type SessionState =
  'handshake' | 'authenticating' | 'open' | 'draining' | 'closing' | 'closed'

const transitions: Readonly<Record<SessionState, readonly SessionState[]>> = {
  handshake: ['authenticating', 'open', 'closed'],
  authenticating: ['open', 'closing', 'closed'],
  open: ['draining', 'closing', 'closed'],
  draining: ['closing', 'closed'],
  closing: ['closed'],
  closed: [],
}

export const checkTransition = (from: SessionState, to: SessionState): SessionState => {
  assert(transitions[from].includes(to), `a session does not go from ${from} to ${to}`)
  return to
}
