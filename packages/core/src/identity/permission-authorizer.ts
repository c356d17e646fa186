/**
 * Who may do what, from users and permissions. Whatever nothing allows is denied; a denial that
 * covers the call wins over everything that allows it; an administrator may do all.
 *
 * Decisions are remembered, up to a bound, until the identity's revision moves.
 */
import type { Action, Authorizer, Resource } from '../gateway/contracts.ts'
import type { Principal } from '../engine/operations.ts'
import { NAME_BYTES_MAX } from '../names.ts'
import type { IdentityStore } from './identity-store.ts'
import { DECISIONS_COUNT_MAX } from './limits.ts'
import { EVERY_USER, GrantMatcher, type Grant, type Permission } from './permission.ts'

export type DecisionReason =
  | 'not-enforced'
  | 'administrator'
  | 'permission'
  | 'scope'
  | 'no-permission'
  | 'disabled'
  | 'not-a-user'

export interface Decision {
  readonly isAllowed: boolean
  readonly reason: DecisionReason
  /** What decided, with the reason `permission` or `scope`. */
  readonly permission?: Permission
}

const deny = (reason: DecisionReason): Decision => ({ isAllowed: false, reason })
const allow = (reason: DecisionReason): Decision => ({ isAllowed: true, reason })

/** The broker itself: what it does at start and by itself. Known by identity, not by its name. */
export const systemPrincipal: Principal = { name: 'system', isAnonymous: false }

export class PermissionAuthorizer implements Authorizer {
  readonly #store: IdentityStore
  readonly #isEnforced: () => boolean
  readonly #decisions = new Map<string, boolean>()
  readonly #scopes = new WeakMap<readonly Grant[], readonly GrantMatcher[]>()
  #decisionsRevision = 0
  #wasEnforced: boolean
  #switches = 0

  constructor(store: IdentityStore, isEnforced: () => boolean) {
    this.#store = store
    this.#isEnforced = isEnforced
    this.#wasEnforced = isEnforced()
  }

  /** Two sources of change in one number: identity, and whether permissions count at all. */
  get revision(): number {
    const isEnforced = this.#isEnforced()
    if (isEnforced !== this.#wasEnforced) {
      this.#wasEnforced = isEnforced
      this.#switches += 1
    }
    return this.#store.revision + this.#switches
  }

  check(principal: Principal, action: Action, resource: Resource): boolean {
    if (principal === systemPrincipal || !this.#isEnforced()) return true
    // A token's scopes are its own, and what is no name is not worth remembering.
    const isLong = resource.name.length > NAME_BYTES_MAX
    if (principal.scopes !== undefined || isLong)
      return this.decide(principal, action, resource).isAllowed
    if (this.#decisionsRevision !== this.revision || this.#decisions.size >= DECISIONS_COUNT_MAX) {
      this.#decisions.clear()
      this.#decisionsRevision = this.revision
    }
    const { kind, namespace, name } = resource
    const who = `${principal.isAnonymous ? '!' : (principal.userId ?? '')}\u0000${principal.name}`
    const key = `${who}\u0000${action}\u0000${kind}\u0000${namespace}\u0000${name}`
    const known = this.#decisions.get(key)
    if (known !== undefined) return known
    const { isAllowed } = this.decide(principal, action, resource)
    this.#decisions.set(key, isAllowed)
    return isAllowed
  }

  /** The whole answer, never remembered. */
  decide(principal: Principal, action: Action, resource: Resource): Decision {
    if (principal === systemPrincipal) return allow('administrator')
    if (!this.#isEnforced()) return allow('not-enforced')
    if (principal.isAnonymous) return deny('not-a-user')
    const user = this.#store.findUser(principal.name)
    const { userId, scopes } = principal
    if (userId !== undefined && user?.id !== userId) return deny('not-a-user')
    if (user?.isDisabled === true) return deny('disabled')
    if (scopes !== undefined) return this.#decideByScopes(principal.name, scopes, action, resource)
    if (user?.isAdministrator === true) return allow('administrator')
    const denied = this.#find(principal.name, 'deny', action, resource)
    const found = denied ?? this.#find(principal.name, 'allow', action, resource)
    if (found === undefined) return deny('no-permission')
    return { isAllowed: denied === undefined, reason: 'permission', permission: found }
  }

  #decideByScopes(
    name: string,
    scopes: readonly Grant[],
    action: Action,
    resource: Resource,
  ): Decision {
    const denied = this.#find(name, 'deny', action, resource)
    if (denied !== undefined) return { ...deny('permission'), permission: denied }
    const found = this.#matchersOf(scopes).find((scope) => scope.covers(action, resource))
    if (found === undefined) return deny('no-permission')
    return { ...allow('scope'), permission: { user: name, ...found.grant } }
  }

  #matchersOf(scopes: readonly Grant[]): readonly GrantMatcher[] {
    const known = this.#scopes.get(scopes)
    if (known !== undefined) return known
    const made = scopes.map((scope) => new GrantMatcher(scope))
    this.#scopes.set(scopes, made)
    return made
  }

  #find(
    name: string,
    effect: Grant['effect'],
    action: Action,
    resource: Resource,
  ): Permission | undefined {
    for (const holder of [name, EVERY_USER]) {
      for (const matcher of this.#store.grantsOf(holder)) {
        const { grant } = matcher
        if (grant.effect === effect && matcher.covers(action, resource))
          return { user: holder, ...grant }
      }
    }
    return undefined
  }
}
