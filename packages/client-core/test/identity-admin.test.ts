import * as protocol from '@millrace/protocol'
import { PermissionAdmin, UserAdmin } from '../src/identity-admin.ts'
import type { BrokerSession } from '../src/session/broker-session.ts'
import { codeOf } from './support/open-fake.ts'

const { Opcode } = protocol

interface Sent {
  readonly opcode: number
  readonly body: Uint8Array
}

/** A session that answers by opcode, and keeps what was asked. */
const createFake = (answers: Readonly<Record<number, readonly Uint8Array[]>>) => {
  const sent: Sent[] = []
  const counts = new Map<number, number>()
  const call = (opcode: number, body: Uint8Array, decode: (answer: Uint8Array) => unknown) => {
    sent.push({ opcode, body })
    const count = counts.get(opcode) ?? 0
    counts.set(opcode, count + 1)
    return Promise.resolve(decode(answers[opcode]?.[count] as Uint8Array))
  }
  const session = () => ({ call }) as unknown as BrokerSession
  return { sent, users: new UserAdmin(session), permissions: new PermissionAdmin(session) }
}

const userOf = (user: string): protocol.UserDescription => ({
  user,
  revision: 1,
  createdAt: 1,
  changedAt: 1,
  administrator: false,
  disabled: false,
  certificateNames: [],
  hasPassword: true,
})

const permission = {
  user: 'ann',
  effect: 'allow',
  actions: ['read'],
  namespace: '/',
  kind: 'topic',
  pattern: 'a*',
}

it('creates and changes users, and sends nothing that was left out', async () => {
  const stored = protocol.encodeUserDescription(userOf('ann'))
  const { users, sent } = createFake({ [Opcode.USER_PUT]: [stored, stored] })
  const created = await users.create('ann', { password: 'a password', administrator: true })
  expect(created).toMatchObject({ user: 'ann', hasPassword: true })
  await users.change('ann', { disabled: true, revision: 1 })
  const [first, second] = sent.map(({ body }) => protocol.decodeControl(body))
  expect(first).toEqual({
    user: 'ann',
    create: true,
    password: 'a password',
    administrator: true,
  })
  expect(second).toEqual({ user: 'ann', create: false, disabled: true, revision: 1 })
})

it('deletes a user at a revision', async () => {
  const { users, sent } = createFake({ [Opcode.USER_DELETE]: [protocol.encodeUserDeleted()] })
  await users.delete('ann', { revision: 3 })
  expect(protocol.decodeUserDelete((sent[0] as Sent).body)).toEqual({ user: 'ann', revision: 3 })
})

it('lists more users than fit one answer, and stops at a broker that gives none', async () => {
  const page = (names: string[], more: boolean) =>
    protocol.encodeUserListed({ users: names.map(userOf), more })
  const pages = [page(['a', 'b'], true), page(['c'], true), page([], true)]
  const { users, sent } = createFake({ [Opcode.USER_LIST]: pages })
  expect((await users.list()).map(({ user }) => user)).toEqual(['a', 'b', 'c'])
  const asked = sent.map(({ body }) => protocol.decodeUserList(body).after)
  expect(asked).toEqual([undefined, 'b', 'c'])
})

it('grants, revokes and lists permissions', async () => {
  const { permissions, sent } = createFake({
    [Opcode.PERMISSION_GRANT]: [protocol.encodePermission(permission)],
    [Opcode.PERMISSION_REVOKE]: [
      protocol.encodePermissionRevoked({ changed: true, actions: ['write'] }),
    ],
    [Opcode.PERMISSION_LIST]: [
      protocol.encodePermissionListed({ permissions: [permission, permission], more: true }),
      protocol.encodePermissionListed({ permissions: [permission], more: false }),
    ],
  })
  const request = { user: 'ann', actions: ['read'], kind: 'topic', pattern: 'a*' } as const
  expect(await permissions.grant(request)).toEqual(permission)
  expect(await permissions.revoke(request)).toEqual({ changed: true, actions: ['write'] })
  expect(await permissions.list({ user: 'ann' })).toHaveLength(3)
  expect(protocol.decodePermission((sent[0] as Sent).body)).toEqual(permission)
  expect(protocol.decodePermissionList((sent[3] as Sent).body)).toEqual({ user: 'ann', skip: 2 })
})

it('asks why', async () => {
  const answer = { allowed: true, reason: 'permission', permission }
  const encoded = protocol.encodeAccessExplained(answer)
  const { permissions, sent } = createFake({ [Opcode.ACCESS_EXPLAIN]: [encoded] })
  const question = { user: 'ann', action: 'read', kind: 'topic', name: 'abc' } as const
  expect(await permissions.explain(question)).toEqual(answer)
  expect(protocol.decodeAccessExplain((sent[0] as Sent).body)).toEqual({
    ...question,
    namespace: '/',
  })
})

it('refuses a user that is no name before anything is sent', async () => {
  const { users, permissions, sent } = createFake({})
  expect(await codeOf(users.create(''))).toBe('ERR_INVALID_ARGUMENT')
  expect(await codeOf(users.delete(7 as never))).toBe('ERR_INVALID_ARGUMENT')
  const request = { user: '', actions: ['read'], kind: 'topic', pattern: 'a' } as const
  expect(await codeOf(permissions.grant(request))).toBe('ERR_INVALID_ARGUMENT')
  expect(sent).toEqual([])
})
