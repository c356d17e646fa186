/**
 * What one session may do with exchanges and queues, remembered until the authorizer's revision
 * moves: one look at a map for each message. So a right that is taken away counts from the next call
 * on, also for a session that is open.
 */
import type { Principal } from '../engine/operations.ts'
import type { Action, Resource } from '../gateway/contracts.ts'
import type { MessagingAccess } from '../queue/messaging-session.ts'
import type { Exchange } from '../routing/exchange.ts'
import { notAuthorized } from './identity.ts'
import { SESSION_DECISIONS_COUNT_MAX } from './limits.ts'
import type { PermissionAuthorizer } from './permission-authorizer.ts'

/** The default exchange has no name, and permissions need one. */
export const exchangeResourceName = (name: string): string => (name === '' ? 'amq.default' : name)

export class MessagingRights implements MessagingAccess {
  readonly #authorizer: PermissionAuthorizer
  readonly #namespace: string
  #principal: Principal
  readonly #writable = new Set<string>()
  #revision = -1

  constructor(authorizer: PermissionAuthorizer, principal: Principal, namespace: string) {
    this.#authorizer = authorizer
    this.#principal = principal
    this.#namespace = namespace
  }

  checkWrite({ name }: Exchange): void {
    const { revision } = this.#authorizer
    if (revision !== this.#revision) {
      this.#writable.clear()
      this.#revision = revision
    }
    if (this.#writable.has(name)) return
    this.#check('write', 'exchange', exchangeResourceName(name))
    if (this.#writable.size >= SESSION_DECISIONS_COUNT_MAX) this.#writable.clear()
    this.#writable.add(name)
  }

  checkRead(queue: string): void {
    this.#check('read', 'queue', queue)
  }

  renew(principal: Principal): void {
    this.#principal = principal
    this.#revision = -1
  }

  #check(action: Action, kind: Resource['kind'], name: string): void {
    const resource: Resource = { kind, namespace: this.#namespace, name }
    if (!this.#authorizer.check(this.#principal, action, resource))
      throw notAuthorized(this.#principal, action, resource)
  }
}
