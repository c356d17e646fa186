/** Users and permissions as an administrator's program manages them. Every call is one request. */
import {
  type AccessExplained,
  Opcode,
  type Permission,
  type PermissionRevoked,
  type UserDescription,
  type UserQuotas,
  decodeAccessExplained,
  decodePermission,
  decodePermissionListed,
  decodePermissionRevoked,
  decodeUserDeleted,
  decodeUserDescription,
  decodeUserListed,
  encodeAccessExplain,
  encodePermission,
  encodePermissionList,
  encodeUserDelete,
  encodeUserList,
  encodeUserPut,
} from '@millrace/protocol'
import { invalidArgument } from './errors.ts'
import type { BrokerSession } from './session/broker-session.ts'

/** Ends the wait with ERR_ABORTED; the broker may still do what was asked. */
interface Abortable {
  readonly signal?: AbortSignal
}

export interface UserOptions extends Abortable {
  /** Sent as it is: only over TLS, or to this machine. At least 8 characters. */
  readonly password?: string
  /** May do everything. */
  readonly administrator?: boolean
  /** May not log in, and may do nothing while logged in. */
  readonly disabled?: boolean
  /** Names of client certificates that stand for this user. */
  readonly certificateNames?: readonly string[]
  /** Instead of the quotas of the broker's configuration: all of them at once, `{}` for none. */
  readonly quotas?: UserQuotas
}

export interface UserChangeOptions extends UserOptions {
  /** Only if the user still has this revision, else ERR_REVISION_CONFLICT. */
  readonly revision?: number
}

export interface UserDeleteOptions extends Abortable {
  readonly revision?: number
}

export type ActionName = 'configure' | 'write' | 'read' | 'administer'
export type ResourceKind = 'topic' | 'exchange' | 'queue' | 'group' | 'broker'

export interface PermissionRequest {
  /** A user's name, or `*` for everybody who has logged in. */
  readonly user: string
  /** Default: allow. A denial wins over everything that allows. */
  readonly effect?: 'allow' | 'deny'
  readonly actions: readonly ActionName[]
  readonly kind: ResourceKind | '*'
  /** `*` stands for any run of characters; everything else is itself. */
  readonly pattern: string
  /** A pattern as well. Default: `/`. */
  readonly namespace?: string
}

export interface AccessQuestion {
  readonly user: string
  readonly action: ActionName
  readonly kind: ResourceKind
  readonly name: string
  /** Default: `/`. */
  readonly namespace?: string
}

export interface PermissionListOptions extends Abortable {
  /** Only those of this user, or of `*`. */
  readonly user?: string
}

const checkName = (name: unknown): string => {
  if (typeof name === 'string' && name.length > 0) return name
  throw invalidArgument('user', 'it must be a text that is not empty')
}

export class UserAdmin {
  readonly #session: () => BrokerSession

  /** @internal */
  constructor(session: () => BrokerSession) {
    this.#session = session
  }

  /** ERR_USER_EXISTS, ERR_INVALID_NAME, ERR_INVALID_ARGUMENT. The first one must be an administrator. */
  async create(user: string, options: UserOptions = {}): Promise<UserDescription> {
    return this.#put(user, true, options)
  }

  /** What is left out stays as it is. ERR_USER_NOT_FOUND, ERR_REVISION_CONFLICT. */
  async change(user: string, options: UserChangeOptions): Promise<UserDescription> {
    return this.#put(user, false, options)
  }

  /** With its permissions. ERR_USER_NOT_FOUND, ERR_REVISION_CONFLICT. */
  async delete(user: string, options: UserDeleteOptions = {}): Promise<void> {
    const { revision, signal } = options
    const body = encodeUserDelete({ user: checkName(user), revision })
    await this.#session().call(Opcode.USER_DELETE, body, decodeUserDeleted, { signal })
  }

  async list(options: Abortable = {}): Promise<readonly UserDescription[]> {
    const users: UserDescription[] = []
    for (let after: string | undefined; ; after = users.at(-1)?.user) {
      const body = encodeUserList({ after })
      const page = await this.#session().call(Opcode.USER_LIST, body, decodeUserListed, options)
      users.push(...page.users)
      // A broker that says "more" and sends nothing would be asked for ever.
      if (page.more !== true || page.users.length === 0) return users
    }
  }

  async #put(user: string, create: boolean, options: UserChangeOptions): Promise<UserDescription> {
    const { password, administrator, disabled, certificateNames, quotas, revision, signal } =
      options
    const body = encodeUserPut({
      user: checkName(user),
      create,
      password,
      administrator,
      disabled,
      certificateNames,
      quotas,
      revision,
    })
    return this.#session().call(Opcode.USER_PUT, body, decodeUserDescription, { signal })
  }
}

export class PermissionAdmin {
  readonly #session: () => BrokerSession

  /** @internal */
  constructor(session: () => BrokerSession) {
    this.#session = session
  }

  /** Adds to what an equal permission has. ERR_USER_NOT_FOUND, ERR_INVALID_ARGUMENT. */
  async grant(request: PermissionRequest, options: Abortable = {}): Promise<Permission> {
    const body = encodePermission(permissionOf(request))
    return this.#session().call(Opcode.PERMISSION_GRANT, body, decodePermission, options)
  }

  /** Answers whether anything changed, and which actions are left. ERR_INVALID_ARGUMENT. */
  async revoke(request: PermissionRequest, options: Abortable = {}): Promise<PermissionRevoked> {
    const body = encodePermission(permissionOf(request))
    return this.#session().call(Opcode.PERMISSION_REVOKE, body, decodePermissionRevoked, options)
  }

  async list(options: PermissionListOptions = {}): Promise<readonly Permission[]> {
    const { user, signal } = options
    const all: Permission[] = []
    for (;;) {
      const body = encodePermissionList({ user, skip: all.length })
      const session = this.#session()
      const call = { signal }
      const page = await session.call(Opcode.PERMISSION_LIST, body, decodePermissionListed, call)
      all.push(...page.permissions)
      if (page.more !== true || page.permissions.length === 0) return all
    }
  }

  /** What a user could do, and why. Everybody may ask about themselves. ERR_USER_NOT_FOUND. */
  async explain(question: AccessQuestion, options: Abortable = {}): Promise<AccessExplained> {
    const { user, action, kind, name, namespace = '/' } = question
    const body = encodeAccessExplain({ user: checkName(user), action, kind, name, namespace })
    return this.#session().call(Opcode.ACCESS_EXPLAIN, body, decodeAccessExplained, options)
  }
}

const permissionOf = (request: PermissionRequest): Permission => {
  const { user, effect = 'allow', actions, kind, pattern, namespace = '/' } = request
  return { user: checkName(user), effect, actions, kind, pattern, namespace }
}
