/**
 * Users of the broker.
 *
 * ```
 * USER_PUT    { user: str, create?: bool, password?: str, administrator?: bool, disabled?: bool,
 *               certificateNames?: [str], quotas?: QUOTAS, revision?: int }
 * USER_STORED { user: str, revision: int, createdAt: int, changedAt: int, administrator: bool,
 *               disabled: bool, certificateNames: [str], quotas?: QUOTAS, hasPassword: bool }
 * QUOTAS      { bytesInPerSecond?: int, bytesOutPerSecond?: int, connections?: int, topics?: int }
 * USER_DELETE { user: str, revision?: int }          USER_DELETED { }
 * USER_LIST   { after?: str }                        USER_LISTED  { users: [as USER_STORED], more?: bool }
 * ```
 * The password travels as it is: the broker makes of it what it keeps, and never sends it back.
 */
import {
  asMap,
  asString,
  optionalBoolean,
  optionalInteger,
  optionalList,
  optionalMap,
  optionalString,
  requireBoolean,
  requireInteger,
  requireList,
  requireString,
} from '../fields.ts'
import { CONTROL_LIST_BYTES_MAX } from '../limits.ts'
import { type ControlMap, decodeControl, encodeControl } from '../msgpack.ts'

/** What a user has instead of the quotas of the configuration. 0 is no limit. */
export interface UserQuotas {
  readonly bytesInPerSecond?: number
  readonly bytesOutPerSecond?: number
  readonly connections?: number
  readonly topics?: number
}

export interface UserPut {
  readonly user: string
  /** True: only when it is not there. False: only when it is. */
  readonly create: boolean
  readonly password?: string | undefined
  readonly administrator?: boolean | undefined
  readonly disabled?: boolean | undefined
  readonly certificateNames?: readonly string[] | undefined
  /** Replaces all of them; an empty map goes back to the configuration. */
  readonly quotas?: UserQuotas | undefined
  readonly revision?: number | undefined
}

export interface UserDescription {
  readonly user: string
  readonly revision: number
  readonly createdAt: number
  readonly changedAt: number
  readonly administrator: boolean
  readonly disabled: boolean
  readonly certificateNames: readonly string[]
  readonly quotas?: UserQuotas | undefined
  readonly hasPassword: boolean
}

export interface UserDelete {
  readonly user: string
  readonly revision?: number | undefined
}

export type UserDeleted = Readonly<Record<string, never>>

export interface UserList {
  /** Only names that sort after this one. */
  readonly after?: string | undefined
}

export interface UserListed {
  readonly users: readonly UserDescription[]
  readonly more?: boolean | undefined
}

const revisionOf = (map: ControlMap): number | undefined =>
  optionalInteger(map, 'revision', 0, Number.MAX_SAFE_INTEGER, undefined)

const quotaNames = ['bytesInPerSecond', 'bytesOutPerSecond', 'connections', 'topics'] as const

const readQuotas = (map: ControlMap): UserQuotas | undefined => {
  const quotas = optionalMap(map, 'quotas')
  if (quotas === undefined) return undefined
  const read: { -readonly [Name in keyof UserQuotas]: number } = {}
  for (const name of quotaNames) {
    const value = optionalInteger(quotas, name, 0, Number.MAX_SAFE_INTEGER, undefined)
    if (value !== undefined) read[name] = value
  }
  return read
}

const readUser = (map: ControlMap): UserDescription => ({
  user: requireString(map, 'user'),
  revision: requireInteger(map, 'revision', 0, Number.MAX_SAFE_INTEGER),
  createdAt: requireInteger(map, 'createdAt', 0, Number.MAX_SAFE_INTEGER),
  changedAt: requireInteger(map, 'changedAt', 0, Number.MAX_SAFE_INTEGER),
  administrator: requireBoolean(map, 'administrator'),
  disabled: requireBoolean(map, 'disabled'),
  certificateNames: optionalList(map, 'certificateNames', asString, []),
  quotas: readQuotas(map),
  hasPassword: requireBoolean(map, 'hasPassword'),
})

export const encodeUserPut = (put: UserPut): Uint8Array => encodeControl(put)

export const decodeUserPut = (body: Uint8Array): UserPut => {
  const map = decodeControl(body)
  return {
    user: requireString(map, 'user'),
    create: optionalBoolean(map, 'create', false),
    password: optionalString(map, 'password', undefined),
    administrator: optionalBoolean(map, 'administrator', undefined),
    disabled: optionalBoolean(map, 'disabled', undefined),
    certificateNames: optionalList(map, 'certificateNames', asString, undefined),
    quotas: readQuotas(map),
    revision: revisionOf(map),
  }
}

export const encodeUserDescription = (user: UserDescription): Uint8Array => encodeControl(user)

export const decodeUserDescription = (body: Uint8Array): UserDescription =>
  readUser(decodeControl(body))

export const encodeUserDelete = (request: UserDelete): Uint8Array => encodeControl(request)

export const decodeUserDelete = (body: Uint8Array): UserDelete => {
  const map = decodeControl(body)
  return { user: requireString(map, 'user'), revision: revisionOf(map) }
}

export const encodeUserDeleted = (_deleted: UserDeleted = {}): Uint8Array => encodeControl({})

export const decodeUserDeleted = (body: Uint8Array): UserDeleted => {
  decodeControl(body)
  return {}
}

export const encodeUserList = (list: UserList): Uint8Array => encodeControl(list)

export const decodeUserList = (body: Uint8Array): UserList => ({
  after: optionalString(decodeControl(body), 'after', undefined),
})

export const encodeUserListed = (listed: UserListed): Uint8Array =>
  encodeControl(listed, CONTROL_LIST_BYTES_MAX)

export const decodeUserListed = (body: Uint8Array): UserListed => {
  const map = decodeControl(body, CONTROL_LIST_BYTES_MAX)
  return {
    users: requireList(map, 'users', (value, name) => readUser(asMap(value, name))),
    more: optionalBoolean(map, 'more', false),
  }
}
