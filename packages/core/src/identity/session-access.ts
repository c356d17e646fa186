/**
 * What one session may do with topics, remembered until the authorizer's revision moves: one look at
 * a map for each append and read. So a permission taken away counts from the next call on, also for
 * a session that is open.
 */
import type { Principal } from '../engine/operations.ts'
import type { Action, Resource } from '../gateway/contracts.ts'
import { notAuthorized } from './identity.ts'
import { SESSION_DECISIONS_COUNT_MAX } from './limits.ts'
import type { PermissionAuthorizer } from './permission-authorizer.ts'
import type { BrokerError } from '@millrace/codec'

/** A topic as a decision needs it; the id, because a name may come to mean another topic. */
export interface AccessedTopic {
  readonly id: number
  readonly namespace: string
  readonly name: string
}

const resourceOf = ({ namespace, name }: AccessedTopic): Resource => ({
  kind: 'topic',
  namespace,
  name,
})

class ActionAccess {
  readonly #action: Action
  readonly #decisions = new Map<number, boolean>()
  #revision = -1

  constructor(action: Action) {
    this.#action = action
  }

  isAllowed(authorizer: PermissionAuthorizer, principal: Principal, topic: AccessedTopic): boolean {
    const { revision } = authorizer
    if (revision !== this.#revision || this.#decisions.size >= SESSION_DECISIONS_COUNT_MAX) {
      this.#decisions.clear()
      this.#revision = revision
    }
    const known = this.#decisions.get(topic.id)
    if (known !== undefined) return known
    const isAllowed = authorizer.check(principal, this.#action, resourceOf(topic))
    this.#decisions.set(topic.id, isAllowed)
    return isAllowed
  }
}

export class SessionAccess {
  readonly #authorizer: PermissionAuthorizer
  #principal: Principal
  #write = new ActionAccess('write')
  #read = new ActionAccess('read')

  constructor(authorizer: PermissionAuthorizer, principal: Principal) {
    this.#authorizer = authorizer
    this.#principal = principal
  }

  renew(principal: Principal): void {
    this.#principal = principal
    this.#write = new ActionAccess('write')
    this.#read = new ActionAccess('read')
  }

  mayWrite(topic: AccessedTopic): boolean {
    return this.#write.isAllowed(this.#authorizer, this.#principal, topic)
  }

  mayRead(topic: AccessedTopic): boolean {
    return this.#read.isAllowed(this.#authorizer, this.#principal, topic)
  }

  refusal(action: 'write' | 'read', topic: AccessedTopic): BrokerError {
    return notAuthorized(this.#principal, action, resourceOf(topic))
  }
}
