/**
 * Users and permissions for the engine's callers: who calls is checked first, then the store does it.
 * Looking up a user for a login is not a call of anybody's and is not checked.
 */
import { BrokerError } from '@millrace/codec'
import type { Clock } from '../environment/environment.ts'
import type { Caller, Principal } from '../engine/operations.ts'
import type { Action, Authorizer, Resource } from '../gateway/contracts.ts'
import { DEFAULT_NAMESPACE, shownName } from '../names.ts'
import { type IdentityStorage, IdentityStore } from './identity-store.ts'
import { EVERY_USER, type Permission, formatResource } from './permission.ts'
import { type Decision, PermissionAuthorizer } from './permission-authorizer.ts'
import { type User, type UserChange, type UserDescription, describeUser } from './user.ts'

/** What an operator may be allowed to administer: users and permissions, namespaces, the storage. */
export type BrokerArea = 'identity' | 'namespaces' | 'storage'

/** Resources of the broker as a whole. They are in no namespace but the default one. */
export const brokerResource = (area: BrokerArea): Resource => ({
  kind: 'broker',
  namespace: DEFAULT_NAMESPACE,
  name: area,
})

/** Throws ERR_NOT_AUTHORIZED, which names who, what and with what; never whether it exists. */
export const checkAuthorized = (
  authorizer: Authorizer,
  principal: Principal,
  action: Action,
  resource: Resource,
): void => {
  if (!authorizer.check(principal, action, resource))
    throw notAuthorized(principal, action, resource)
}

export const notAuthorized = (
  principal: Principal,
  action: string,
  resource: Resource,
): BrokerError => {
  const shown = formatResource({ ...resource, name: shownName(resource.name) })
  return new BrokerError('ERR_NOT_AUTHORIZED', [principal.name, action, shown])
}

export interface IdentityOptions {
  readonly storage: IdentityStorage
  readonly clock: Clock
  /** Whether permissions count. Without it they do not: everybody may do everything. */
  readonly isEnforced?: (identity: { readonly userCount: number }) => boolean
}

export class Identity {
  readonly authorizer: PermissionAuthorizer
  readonly #store: IdentityStore

  constructor({ storage, clock, isEnforced }: IdentityOptions) {
    const store = new IdentityStore(storage, clock)
    this.#store = store
    this.authorizer = new PermissionAuthorizer(store, () => isEnforced?.(store) ?? false)
  }

  get userCount(): number {
    return this.#store.userCount
  }

  /** Rises with every change of users and permissions. */
  get revision(): number {
    return this.#store.revision
  }

  /** For authenticators. */
  findUser(name: string): User | undefined {
    return this.#store.findUser(name)
  }

  /** For authenticators: the user that a certificate with one of these names stands for. */
  findUserOfCertificate(names: readonly string[]): User | undefined {
    return this.#store.findUserOfCertificate(names)
  }

  /** For authenticators: the text kept with the users and shown to nobody, or the one offered. */
  secret(offered: string): string {
    return this.#store.secret(offered)
  }

  /** Throws ERR_NOT_AUTHORIZED. For what callers of the engine want to do beside its calls. */
  check(caller: Caller, action: Action, resource: Resource): void {
    checkAuthorized(this.authorizer, caller.principal, action, resource)
  }

  /** ERR_USER_EXISTS, ERR_USER_NOT_FOUND, ERR_REVISION_CONFLICT, ERR_INVALID_NAME. */
  async putUser(caller: Caller, change: UserChange): Promise<UserDescription> {
    this.#checkAdministrator(caller)
    return describeUser(await this.#store.putUser(change))
  }

  /** Its permissions go too, and its sessions may do nothing from then on. ERR_USER_NOT_FOUND. */
  async deleteUser(
    caller: Caller,
    request: { user: string; revision?: number | undefined },
  ): Promise<void> {
    this.#checkAdministrator(caller)
    await this.#store.deleteUser(request)
  }

  listUsers(caller: Caller): readonly UserDescription[] {
    this.#checkAdministrator(caller)
    return this.#store.users().map(describeUser)
  }

  /** Answers the permission with all its actions. ERR_USER_NOT_FOUND, ERR_INVALID_ARGUMENT. */
  async grant(caller: Caller, permission: Permission): Promise<Permission> {
    this.#checkAdministrator(caller)
    return await this.#store.grant(permission)
  }

  /** Answers what is left of the permission; undefined when there was nothing to take away. */
  async revoke(caller: Caller, permission: Permission): Promise<Permission | undefined> {
    this.#checkAdministrator(caller)
    return await this.#store.revoke(permission)
  }

  listPermissions(caller: Caller, user?: string): readonly Permission[] {
    this.#checkAdministrator(caller)
    return this.#store.permissions(user)
  }

  /** What a user could do, and why. Everybody may ask about themselves. ERR_USER_NOT_FOUND. */
  explain(caller: Caller, user: string, action: Action, resource: Resource): Decision {
    const isSelf = caller.principal.name === user && !caller.principal.isAnonymous
    if (!isSelf) this.#checkAdministrator(caller)
    const found = this.#store.findUser(user)
    const isAskable = found !== undefined || isSelf || user === EVERY_USER
    if (!isAskable) throw new BrokerError('ERR_USER_NOT_FOUND', [shownName(user)])
    const asked = isSelf ? caller.principal : { name: user, isAnonymous: false }
    return this.authorizer.decide(asked, action, resource)
  }

  #checkAdministrator(caller: Caller): void {
    this.check(caller, 'administer', brokerResource('identity'))
  }
}
