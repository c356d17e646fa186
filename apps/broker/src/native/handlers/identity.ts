/** Users and permissions: requests for administrators, and the one that explains a decision. */
import { BrokerError } from '@millrace/codec'
import {
  type Action,
  actions,
  brokerResource,
  type Decision,
  type Permission,
  type Resource,
  resourceKinds,
  type UserDescription,
} from '@millrace/core'
import * as wire from '@millrace/protocol'
import { compareUtf8 } from '../compare-utf8.ts'
import { controlHandler } from '../control-request.ts'
import type { NativeSession } from '../native-session.ts'

const { Opcode } = wire

const describeUser = (user: UserDescription): wire.UserDescription => ({
  user: user.user,
  revision: user.revision,
  createdAt: user.createdAtMs,
  changedAt: user.changedAtMs,
  administrator: user.isAdministrator,
  disabled: user.isDisabled,
  certificateNames: user.certificateNames,
  quotas: user.quotas,
  hasPassword: user.hasPassword,
})

/** Who changed whose rights: for the log, after it is done. */
const note = (session: NativeSession, what: string, fields: Record<string, unknown>): void =>
  session.services.environment.log.info(`identity.${what}`, {
    by: session.open.caller.principal.name,
    peer: session.connection.remoteAddress,
    ...fields,
  })

/** Who may not set it must not make us hash it. */
const credentialsOf = async (
  session: NativeSession,
  password: string | undefined,
): Promise<Readonly<Record<string, string>> | undefined> => {
  const { broker, passwords } = session.services
  broker.identity.check(session.open.caller, 'administer', brokerResource('identity'))
  if (password === undefined) return undefined
  if (passwords === undefined) throw new BrokerError('ERR_UNSUPPORTED_FEATURE', ['a password'])
  return await passwords.derive(password)
}

export const handleUserPut = controlHandler({
  decode: wire.decodeUserPut,
  answerOpcode: Opcode.USER_STORED,
  encode: wire.encodeUserDescription,
  run: async (session, put) => {
    const credentials = await credentialsOf(session, put.password)
    const { user, create, revision, administrator, disabled, certificateNames, quotas } = put
    const stored = await session.services.broker.identity.putUser(session.open.caller, {
      user,
      create,
      revision,
      certificateNames,
      quotas,
      credentials,
      isAdministrator: administrator,
      isDisabled: disabled,
    })
    note(session, 'user-stored', { user, created: create, password: credentials !== undefined })
    return describeUser(stored)
  },
})

export const handleUserDelete = controlHandler({
  decode: wire.decodeUserDelete,
  answerOpcode: Opcode.USER_DELETED,
  encode: wire.encodeUserDeleted,
  run: async (session, request) => {
    await session.services.broker.identity.deleteUser(session.open.caller, request)
    note(session, 'user-deleted', { user: request.user })
    return {}
  },
})

export const handleUserList = controlHandler({
  decode: wire.decodeUserList,
  answerOpcode: Opcode.USER_LISTED,
  encode: wire.encodeUserListed,
  run: (session, { after }) => {
    const users = session.services.broker.identity
      .listUsers(session.open.caller)
      .filter(({ user }) => after === undefined || compareUtf8(user, after) > 0)
      .sort((left, right) => compareUtf8(left.user, right.user))
    const page = users.slice(0, wire.USER_LIST_COUNT_MAX).map(describeUser)
    return { users: page, more: users.length > page.length }
  },
})

/** The engine checks every part; here they are still what the peer sent. */
const asPermission = (permission: wire.Permission): Permission =>
  permission as unknown as Permission

export const handlePermissionGrant = controlHandler({
  decode: wire.decodePermission,
  answerOpcode: Opcode.PERMISSION_GRANTED,
  encode: wire.encodePermission,
  run: async (session, permission) => {
    const { identity } = session.services.broker
    const granted = await identity.grant(session.open.caller, asPermission(permission))
    note(session, 'permission-granted', { ...granted })
    return granted
  },
})

export const handlePermissionRevoke = controlHandler({
  decode: wire.decodePermission,
  answerOpcode: Opcode.PERMISSION_REVOKED,
  encode: wire.encodePermissionRevoked,
  run: async (session, permission) => {
    const { identity } = session.services.broker
    const left = await identity.revoke(session.open.caller, asPermission(permission))
    if (left !== undefined) note(session, 'permission-revoked', { ...permission })
    return { changed: left !== undefined, actions: left?.actions ?? [] }
  },
})

export const handlePermissionList = controlHandler({
  decode: wire.decodePermissionList,
  answerOpcode: Opcode.PERMISSION_LISTED,
  encode: wire.encodePermissionListed,
  run: (session, { user, skip }) => {
    const all = session.services.broker.identity.listPermissions(session.open.caller, user)
    const permissions = all.slice(skip, skip + wire.PERMISSION_LIST_COUNT_MAX)
    return { permissions, more: all.length > skip + permissions.length }
  },
})

const explanationOf = ({ isAllowed, reason, permission }: Decision): wire.AccessExplained => ({
  allowed: isAllowed,
  reason,
  ...(permission === undefined ? {} : { permission }),
})

export const handleAccessExplain = controlHandler({
  decode: wire.decodeAccessExplain,
  answerOpcode: Opcode.ACCESS_EXPLAINED,
  encode: wire.encodeAccessExplained,
  run: (session, { user, action, namespace, kind, name }) => {
    const resource: Resource = { kind: kindOf(kind), namespace, name }
    const { identity } = session.services.broker
    return explanationOf(identity.explain(session.open.caller, user, actionOf(action), resource))
  },
})

const actionOf = (text: string): Action => {
  const action = actions.find((candidate) => candidate === text)
  if (action !== undefined) return action
  throw new BrokerError('ERR_INVALID_ARGUMENT', ['action', `one of ${actions.join(', ')}`])
}

const kindOf = (text: string): Resource['kind'] => {
  const kind = resourceKinds.find((candidate) => candidate === text)
  if (kind !== undefined) return kind
  throw new BrokerError('ERR_INVALID_ARGUMENT', ['kind', `one of ${resourceKinds.join(', ')}`])
}
