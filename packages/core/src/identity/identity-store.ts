/**
 * Users and permissions as keyed values of the metadata, with what a decision needs of them in memory.
 *
 * Invariants: a change is in memory when it is durable, never before; every change raises `revision`,
 * so that whoever remembers a decision knows when to ask again; a user goes together with its
 * permissions, in one change; there is always an administrator once there are users.
 *
 * Not here: who may make these changes (`identity.ts`), and what a password is (`credentials` are
 * opaque text).
 */
import { BrokerError } from '@millrace/codec'
import type { Clock } from '../environment/environment.ts'
import type { MetadataChanges } from '../meta/metadata-store.ts'
import { shownName } from '../names.ts'
import { PERMISSIONS_PER_USER_MAX, USERS_COUNT_MAX } from './limits.ts'
import { EVERY_USER, GrantMatcher, type Permission, sortActions } from './permission.ts'
import { type User, type UserChange, checkUserChange, checkUserName, mergeUser } from './user.ts'

const USER = 'user/'
const PERMISSION = 'permission/'
const IDS = 'identity-ids'
const SECRET = 'identity-secret'

/** What this needs of the metadata. */
export interface IdentityStorage {
  entries(prefix: string): Iterable<[string, object]>
  get(key: string): object | undefined
  change<T>(work: (commit: (changes: MetadataChanges) => Promise<void>) => Promise<T>): Promise<T>
}

/** Equal permissions but for their actions have equal keys; JSON, because names hold anything. */
const keyOf = ({ user, effect, namespace, kind, pattern }: Permission): string =>
  PERMISSION + JSON.stringify([user, effect, namespace, kind, pattern])

const permissionOf = (user: string, { grant }: GrantMatcher): Permission => ({ user, ...grant })

const invalid = (argument: string, reason: string): BrokerError =>
  new BrokerError('ERR_INVALID_ARGUMENT', [argument, reason])

export class IdentityStore {
  readonly #storage: IdentityStorage
  readonly #clock: Clock
  readonly #users = new Map<string, User>()
  readonly #usersByCertificateName = new Map<string, string>()
  /** By user, then by key. */
  readonly #permissions = new Map<string, Map<string, GrantMatcher>>()
  #revision = 1
  #offeredSecret: string | undefined

  /** Throws when the metadata holds what this version does not understand: better closed than open. */
  constructor(storage: IdentityStorage, clock: Clock) {
    this.#storage = storage
    this.#clock = clock
    for (const [, value] of storage.entries(USER)) this.#applyUser(value as User)
    for (const [, value] of storage.entries(PERMISSION)) this.#applyPermission(value as Permission)
  }

  /** Rises with every change of users and permissions. */
  get revision(): number {
    return this.#revision
  }

  get userCount(): number {
    return this.#users.size
  }

  findUser(name: string): User | undefined {
    return this.#users.get(name)
  }

  /** The user that a client certificate with one of these names stands for. */
  findUserOfCertificate(names: readonly string[]): User | undefined {
    for (const name of names) {
      const user = this.#usersByCertificateName.get(name)
      if (user !== undefined) return this.#users.get(user)
    }
    return undefined
  }

  users(): User[] {
    return [...this.#users.values()].sort((a, b) => (a.user < b.user ? -1 : 1))
  }

  grantsOf(user: string): Iterable<GrantMatcher> {
    return this.#permissions.get(user)?.values() ?? []
  }

  permissions(user?: string): Permission[] {
    const names = user === undefined ? [...this.#permissions.keys()].sort() : [user]
    return names.flatMap((name) =>
      [...(this.#permissions.get(name) ?? [])]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, matcher]) => permissionOf(name, matcher)),
    )
  }

  putUser(change: UserChange): Promise<User> {
    checkUserChange(change)
    return this.#storage.change(async (commit) => {
      const before = this.#users.get(change.user)
      this.#checkChange(change, before)
      const { id, changes } = this.#identify(before)
      const user = mergeUser(id, change, before, this.#clock.now())
      this.#checkAdministrators(user, before)
      changes.set(USER + user.user, user)
      await commit(changes)
      this.#applyUser(user)
      return user
    })
  }

  deleteUser({ user, revision }: { user: string; revision?: number | undefined }): Promise<void> {
    return this.#storage.change(async (commit) => {
      const before = this.#users.get(user)
      if (before === undefined) throw new BrokerError('ERR_USER_NOT_FOUND', [shownName(user)])
      checkRevision(before, revision)
      this.#keepAnAdministrator(before)
      const changes = new Map<string, object | null>([[USER + user, null]])
      for (const key of this.#permissions.get(user)?.keys() ?? []) changes.set(key, null)
      await commit(changes)
      for (const name of before.certificateNames) this.#usersByCertificateName.delete(name)
      this.#permissions.delete(user)
      this.#users.delete(user)
      this.#revision += 1
    })
  }

  /** Adds to what the same permission allows or denies already. */
  grant(permission: Permission): Promise<Permission> {
    // Checks everything; also what is never stored.
    const added = new GrantMatcher(permission).grant.actions
    if (permission.user !== EVERY_USER) checkUserName(permission.user)
    return this.#storage.change(async (commit) => {
      const { user } = permission
      this.#checkHolder(user)
      const key = keyOf(permission)
      const before = this.#permissions.get(user)?.get(key)
      if (before === undefined) this.#checkRoom(user)
      const all = sortActions([...(before?.grant.actions ?? []), ...added])
      const after = plainPermission({ ...permission, actions: all })
      await commit(new Map([[key, after]]))
      this.#applyPermission(after)
      return after
    })
  }

  /** Takes actions away from a permission; without any left it is gone. Undefined: there was none. */
  revoke(permission: Permission): Promise<Permission | undefined> {
    const removed = new GrantMatcher(permission).grant.actions
    return this.#storage.change(async (commit) => {
      const key = keyOf(permission)
      const before = this.#permissions.get(permission.user)?.get(key)
      if (before === undefined) return undefined
      const left = before.grant.actions.filter((action) => !removed.includes(action))
      if (left.length === before.grant.actions.length) return undefined
      const after = { ...permissionOf(permission.user, before), actions: left }
      await commit(new Map([[key, left.length === 0 ? null : after]]))
      if (left.length > 0) this.#applyPermission(after)
      else this.#permissions.get(permission.user)?.delete(key)
      this.#revision += 1
      return after
    })
  }

  /**
   * A text for what must look the same after a restart: the stored one, or the one offered, which is
   * then stored with the next user. Without users there is nothing that it could hide.
   */
  secret(offered: string): string {
    const known = this.#storage.get(SECRET) as { text: string } | undefined
    if (known !== undefined) return known.text
    this.#offeredSecret ??= offered
    return this.#offeredSecret
  }

  #checkChange(change: UserChange, before: User | undefined): void {
    const { user, create, revision } = change
    if (create && before !== undefined) throw new BrokerError('ERR_USER_EXISTS', [user])
    if (!create && before === undefined) throw new BrokerError('ERR_USER_NOT_FOUND', [user])
    if (before !== undefined) checkRevision(before, revision)
    else if (this.#users.size >= USERS_COUNT_MAX)
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [USERS_COUNT_MAX, 'users'])
    this.#checkCertificateNames(user, change.certificateNames ?? [])
  }

  /** A name on a certificate stands for one user. */
  #checkCertificateNames(user: string, names: readonly string[]): void {
    for (const name of names) {
      const holder = this.#usersByCertificateName.get(name)
      if (holder !== undefined && holder !== user)
        throw invalid('certificateNames', `'${shownName(name)}' stands for '${holder}'`)
    }
  }

  #checkAdministrators(after: User, before: User | undefined): void {
    if (after.isAdministrator && !after.isDisabled) return
    if (this.#users.size === 0)
      throw invalid('isAdministrator', 'the first user must be one: nobody else could make others')
    if (before !== undefined) this.#keepAnAdministrator(before)
  }

  #keepAnAdministrator(leaving: User): void {
    const isOther = (user: User): boolean =>
      user.isAdministrator && !user.isDisabled && user.user !== leaving.user
    if (!leaving.isAdministrator || this.users().some(isOther)) return
    throw invalid('user', `'${leaving.user}' is the last administrator: make another one first`)
  }

  #identify(before: User | undefined): { id: number; changes: Map<string, object | null> } {
    if (before !== undefined) return { id: before.id, changes: new Map() }
    const { nextUserId } = (this.#storage.get(IDS) as { nextUserId: number } | undefined) ?? {
      nextUserId: 1,
    }
    const highest = Math.max(0, ...this.users().map(({ id }) => id))
    const id = Math.max(nextUserId, highest + 1)
    const changes = new Map<string, object | null>([[IDS, { nextUserId: id + 1 }]])
    const text = this.#offeredSecret
    if (text !== undefined && this.#storage.get(SECRET) === undefined) changes.set(SECRET, { text })
    return { id, changes }
  }

  #checkHolder(user: string): void {
    if (user === EVERY_USER || this.#users.has(user)) return
    throw new BrokerError('ERR_USER_NOT_FOUND', [shownName(user)])
  }

  #checkRoom(user: string): void {
    if ((this.#permissions.get(user)?.size ?? 0) < PERMISSIONS_PER_USER_MAX) return
    throw new BrokerError('ERR_LIMIT_EXCEEDED', [
      PERMISSIONS_PER_USER_MAX,
      `permissions of '${user}'`,
    ])
  }

  #applyUser(user: User): void {
    for (const name of this.#users.get(user.user)?.certificateNames ?? [])
      this.#usersByCertificateName.delete(name)
    for (const name of user.certificateNames) this.#usersByCertificateName.set(name, user.user)
    this.#users.set(user.user, user)
    this.#revision += 1
  }

  #applyPermission(permission: Permission): void {
    const { user } = permission
    const ofUser = this.#permissions.get(user) ?? new Map<string, GrantMatcher>()
    const { effect, actions, namespace, kind, pattern } = permission
    const matcher = new GrantMatcher({ effect, actions, namespace, kind, pattern })
    ofUser.set(keyOf(permission), matcher)
    this.#permissions.set(user, ofUser)
    this.#revision += 1
  }
}

/** Nothing but the fields: what else a caller's object holds is not stored. */
const plainPermission = (permission: Permission): Permission => {
  const { user, effect, actions, namespace, kind, pattern } = permission
  return { user, effect, actions, namespace, kind, pattern }
}

const checkRevision = ({ user, revision: current }: User, revision: number | undefined): void => {
  if (revision !== undefined && revision !== current)
    throw new BrokerError('ERR_REVISION_CONFLICT', [revision, user, current])
}
