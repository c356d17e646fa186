/**
 * Permissions, and what comes of them.
 *
 * ```
 * PERMISSION_GRANT   { user: str, effect?: str, actions: [str], namespace?: str, kind: str, pattern: str }
 * PERMISSION_GRANTED the same, with all actions that the permission has now
 * PERMISSION_REVOKE  as PERMISSION_GRANT
 * PERMISSION_REVOKED { changed: bool, actions: [str] }      what is left of it
 * PERMISSION_LIST    { user?: str, skip?: int }
 * PERMISSION_LISTED  { permissions: [as PERMISSION_GRANT], more?: bool }
 * ACCESS_EXPLAIN     { user: str, action: str, namespace?: str, kind: str, name: str }
 * ACCESS_EXPLAINED   { allowed: bool, reason: str, permission?: as PERMISSION_GRANT }
 * ```
 */
import {
  asMap,
  asString,
  optionalBoolean,
  optionalInteger,
  optionalMap,
  optionalString,
  requireBoolean,
  requireList,
  requireString,
} from '../fields.ts'
import { CONTROL_LIST_BYTES_MAX } from '../limits.ts'
import { type ControlMap, decodeControl, encodeControl } from '../msgpack.ts'

/** Texts as they were sent: the broker checks actions, kind and patterns. */
export interface Permission {
  /** A user's name, or `*` for everybody who has logged in. */
  readonly user: string
  readonly effect: string
  readonly actions: readonly string[]
  readonly namespace: string
  readonly kind: string
  readonly pattern: string
}

export interface PermissionRevoked {
  readonly changed: boolean
  readonly actions: readonly string[]
}

export interface PermissionList {
  readonly user?: string | undefined
  /** Pass over so many: where the page before ended. */
  readonly skip: number
}

export interface PermissionListed {
  readonly permissions: readonly Permission[]
  readonly more?: boolean | undefined
}

export interface AccessExplain {
  readonly user: string
  readonly action: string
  readonly namespace: string
  readonly kind: string
  readonly name: string
}

export interface AccessExplained {
  readonly allowed: boolean
  readonly reason: string
  readonly permission?: Permission | undefined
}

const readPermission = (map: ControlMap): Permission => ({
  user: requireString(map, 'user'),
  effect: optionalString(map, 'effect', 'allow'),
  actions: requireList(map, 'actions', asString),
  namespace: optionalString(map, 'namespace', '/'),
  kind: requireString(map, 'kind'),
  pattern: requireString(map, 'pattern'),
})

export const encodePermission = (permission: Permission): Uint8Array => encodeControl(permission)

export const decodePermission = (body: Uint8Array): Permission =>
  readPermission(decodeControl(body))

export const encodePermissionRevoked = (revoked: PermissionRevoked): Uint8Array =>
  encodeControl(revoked)

export const decodePermissionRevoked = (body: Uint8Array): PermissionRevoked => {
  const map = decodeControl(body)
  return {
    changed: requireBoolean(map, 'changed'),
    actions: requireList(map, 'actions', asString),
  }
}

export const encodePermissionList = (list: PermissionList): Uint8Array => encodeControl(list)

export const decodePermissionList = (body: Uint8Array): PermissionList => {
  const map = decodeControl(body)
  return {
    user: optionalString(map, 'user', undefined),
    skip: optionalInteger(map, 'skip', 0, Number.MAX_SAFE_INTEGER, 0),
  }
}

export const encodePermissionListed = (listed: PermissionListed): Uint8Array =>
  encodeControl(listed, CONTROL_LIST_BYTES_MAX)

export const decodePermissionListed = (body: Uint8Array): PermissionListed => {
  const map = decodeControl(body, CONTROL_LIST_BYTES_MAX)
  return {
    permissions: requireList(map, 'permissions', (value, name) =>
      readPermission(asMap(value, name)),
    ),
    more: optionalBoolean(map, 'more', false),
  }
}

export const encodeAccessExplain = (explain: AccessExplain): Uint8Array => encodeControl(explain)

export const decodeAccessExplain = (body: Uint8Array): AccessExplain => {
  const map = decodeControl(body)
  return {
    user: requireString(map, 'user'),
    action: requireString(map, 'action'),
    namespace: optionalString(map, 'namespace', '/'),
    kind: requireString(map, 'kind'),
    name: requireString(map, 'name'),
  }
}

export const encodeAccessExplained = (explained: AccessExplained): Uint8Array =>
  encodeControl(explained)

export const decodeAccessExplained = (body: Uint8Array): AccessExplained => {
  const map = decodeControl(body)
  const permission = optionalMap(map, 'permission')
  return {
    allowed: requireBoolean(map, 'allowed'),
    reason: requireString(map, 'reason'),
    permission: permission === undefined ? undefined : readPermission(permission),
  }
}
