import type { Caller } from '../../src/engine/operations.ts'
import { Identity } from '../../src/identity/identity.ts'
import {
  CERTIFICATE_NAMES_COUNT_MAX,
  CREDENTIAL_CHARACTERS_MAX,
  PERMISSIONS_PER_USER_MAX,
} from '../../src/identity/limits.ts'
import { volatileIdentityStorage } from '../../src/identity/volatile-storage.ts'
import {
  addUser,
  codeOf,
  newIdentity,
  permission,
  system,
  topic,
  userOf,
  withAdministrator,
} from './support.ts'

const callerOf = (identity: Identity, name: string): Caller => ({
  principal: userOf(identity, name),
  namespace: '/',
})

describe('decisions', () => {
  it('deny what nothing allows', async () => {
    const identity = await withAdministrator(newIdentity())
    const ann = await addUser(identity, 'ann')
    expect(identity.authorizer.check(ann, 'read', topic('orders'))).toBe(false)
    await identity.grant(system, permission('ann', ['read'], 'orders'))
    expect(identity.authorizer.check(ann, 'read', topic('orders'))).toBe(true)
    expect(identity.authorizer.check(ann, 'write', topic('orders'))).toBe(false)
    expect(identity.authorizer.check(ann, 'read', topic('orders', 'shop'))).toBe(false)
    expect(identity.authorizer.check(ann, 'read', { ...topic('orders'), kind: 'queue' })).toBe(
      false,
    )
  })

  it('let a denial win over everything that allows, whoever it is for', async () => {
    const identity = await withAdministrator(newIdentity())
    const ann = await addUser(identity, 'ann')
    await identity.grant(system, permission('ann', ['read', 'write'], '*'))
    await identity.grant(system, permission('*', ['write'], 'audit.*', { effect: 'deny' }))
    expect(identity.authorizer.check(ann, 'write', topic('orders'))).toBe(true)
    expect(identity.authorizer.check(ann, 'write', topic('audit.log'))).toBe(false)
    expect(identity.authorizer.check(ann, 'read', topic('audit.log'))).toBe(true)
    await identity.grant(system, permission('*', ['read'], 'news'))
    await identity.grant(system, permission('ann', ['read'], 'news', { effect: 'deny' }))
    expect(identity.authorizer.check(ann, 'read', topic('news'))).toBe(false)
  })

  it('give everybody who has logged in what `*` has, and nobody else', async () => {
    const identity = await withAdministrator(newIdentity())
    const ann = await addUser(identity, 'ann')
    await identity.grant(system, permission('*', ['read'], 'news'))
    expect(identity.authorizer.check(ann, 'read', topic('news'))).toBe(true)
    const token = { name: 'from-elsewhere', isAnonymous: false }
    expect(identity.authorizer.check(token, 'read', topic('news'))).toBe(true)
    const anonymous = { name: 'anonymous', isAnonymous: true }
    expect(identity.authorizer.check(anonymous, 'read', topic('news'))).toBe(false)
  })

  it('allow an administrator everything, denials notwithstanding', async () => {
    const identity = await withAdministrator(newIdentity())
    await identity.grant(system, permission('*', ['write'], '*', { effect: 'deny' }))
    const root = userOf(identity, 'root')
    expect(identity.authorizer.check(root, 'write', topic('x'))).toBe(true)
    expect(identity.authorizer.check(root, 'administer', { ...topic('x'), kind: 'broker' })).toBe(
      true,
    )
  })

  it('count at once: granted, taken away, user disabled, deleted and created again', async () => {
    const identity = await withAdministrator(newIdentity())
    const ann = await addUser(identity, 'ann')
    const may = (): boolean => identity.authorizer.check(ann, 'read', topic('orders'))
    await identity.grant(system, permission('ann', ['read'], 'orders'))
    expect(may()).toBe(true)
    await identity.revoke(system, permission('ann', ['read'], 'orders'))
    expect(may()).toBe(false)
    await identity.grant(system, permission('ann', ['read'], 'orders'))
    await identity.putUser(system, { user: 'ann', create: false, isDisabled: true })
    expect(may()).toBe(false)
    await identity.putUser(system, { user: 'ann', create: false, isDisabled: false })
    expect(may()).toBe(true)
    await identity.deleteUser(system, { user: 'ann' })
    await addUser(identity, 'ann')
    await identity.grant(system, permission('ann', ['read'], 'orders'))
    expect(may()).toBe(false)
    expect(identity.authorizer.check(userOf(identity, 'ann'), 'read', topic('orders'))).toBe(true)
  })

  it('keep a token to its scopes, and to the denials of its name', async () => {
    const identity = await withAdministrator(newIdentity())
    await addUser(identity, 'ann')
    await identity.grant(system, permission('ann', ['write'], '*'))
    const scope = { ...permission('', ['read'], 'orders.*'), effect: 'allow' as const }
    const token = { name: 'ann', isAnonymous: false, scopes: [scope] }
    expect(identity.authorizer.check(token, 'read', topic('orders.eu'))).toBe(true)
    expect(identity.authorizer.check(token, 'write', topic('orders.eu'))).toBe(false)
    expect(identity.authorizer.check({ ...token, name: 'root' }, 'write', topic('x'))).toBe(false)
    await identity.grant(system, permission('ann', ['read'], 'orders.eu', { effect: 'deny' }))
    expect(identity.authorizer.check(token, 'read', topic('orders.eu'))).toBe(false)
    expect(identity.authorizer.check({ ...token, scopes: [] }, 'read', topic('orders.eu'))).toBe(
      false,
    )
  })

  it('are the same for a name too long to be remembered, and for many names', async () => {
    const identity = await withAdministrator(newIdentity())
    const ann = await addUser(identity, 'ann')
    await identity.grant(system, permission('ann', ['read'], 'a*'))
    expect(identity.authorizer.check(ann, 'read', topic('a'.repeat(100_000)))).toBe(true)
    for (let index = 0; index < 40_000; index++) {
      const isAllowed = identity.authorizer.check(ann, 'read', topic(`a${index}`))
      if (!isAllowed) throw new Error(`a${index}`)
    }
    expect(identity.authorizer.check(ann, 'read', topic('b1'))).toBe(false)
  })

  it('do not count until they are enforced, and do from the first user on', async () => {
    const identity = new Identity({
      storage: volatileIdentityStorage(),
      clock: { now: () => 1, monotonic: () => 1 },
      isEnforced: ({ userCount }) => userCount > 0,
    })
    const anonymous = { name: 'anonymous', isAnonymous: true }
    const caller = { principal: anonymous, namespace: '/' }
    expect(identity.authorizer.check(anonymous, 'write', topic('x'))).toBe(true)
    await identity.putUser(caller, { user: 'root', create: true, isAdministrator: true })
    expect(identity.authorizer.check(anonymous, 'write', topic('x'))).toBe(false)
    expect(await codeOf(() => identity.listUsers(caller))).toBe('ERR_NOT_AUTHORIZED')
  })
})

it('keeps a secret from the first user on', async () => {
  const storage = volatileIdentityStorage()
  const first = newIdentity(storage)
  expect(first.secret('one')).toBe('one')
  expect(first.secret('two')).toBe('one')
  expect(newIdentity(storage).secret('three')).toBe('three')
  await withAdministrator(first)
  expect(first.secret('four')).toBe('one')
  expect(newIdentity(storage).secret('five')).toBe('one')
})

describe('users and permissions', () => {
  it('are there again after a restart, ids and revisions too', async () => {
    const storage = volatileIdentityStorage()
    const identity = await withAdministrator(newIdentity(storage))
    await identity.putUser(system, {
      user: 'ann',
      create: true,
      credentials: { scheme: 'text' },
      certificateNames: ['ann.example'],
    })
    await identity.grant(system, permission('ann', ['write', 'read'], 'a*'))
    const again = newIdentity(storage)
    expect(again.listUsers(system)).toEqual(identity.listUsers(system))
    expect(again.listPermissions(system)).toEqual([permission('ann', ['write', 'read'], 'a*')])
    expect(again.findUser('ann')?.credentials).toEqual({ scheme: 'text' })
    expect(again.findUserOfCertificate(['nobody', 'ann.example'])?.user).toBe('ann')
    await again.deleteUser(system, { user: 'ann' })
    const id = identity.findUser('ann')?.id
    await addUser(again, 'ann')
    expect(again.findUser('ann')?.id).not.toBe(id)
    expect(again.listPermissions(system)).toEqual([])
    expect(again.findUserOfCertificate(['ann.example'])).toBeUndefined()
    expect(newIdentity(storage).listPermissions(system)).toEqual([])
  })

  it('never show what passwords are checked against', async () => {
    const identity = await withAdministrator(newIdentity())
    const change = { user: 'ann', create: true, credentials: { scheme: 'secret-text' } }
    const answers = [await identity.putUser(system, change), identity.listUsers(system)]
    expect(JSON.stringify(answers)).not.toContain('secret-text')
    expect(identity.listUsers(system)).toMatchObject([
      { user: 'ann', hasPassword: true },
      { user: 'root', hasPassword: false },
    ])
  })

  it('add up when granted twice and go action by action', async () => {
    const identity = await withAdministrator(newIdentity())
    await addUser(identity, 'ann')
    await identity.grant(system, permission('ann', ['read'], 'a'))
    const both = await identity.grant(system, permission('ann', ['configure', 'read'], 'a'))
    expect(both.actions).toEqual(['configure', 'read'])
    const left = await identity.revoke(system, permission('ann', ['read'], 'a'))
    expect(left?.actions).toEqual(['configure'])
    expect(await identity.revoke(system, permission('ann', ['read'], 'a'))).toBeUndefined()
    const gone = await identity.revoke(system, permission('ann', ['configure'], 'a'))
    expect(gone?.actions).toEqual([])
    expect(identity.listPermissions(system, 'ann')).toEqual([])
  })

  it('refuse what would lock everybody out', async () => {
    const identity = newIdentity()
    const first = { user: 'ann', create: true }
    expect(await codeOf(() => identity.putUser(system, first))).toBe('ERR_INVALID_ARGUMENT')
    await withAdministrator(identity)
    const demote = { user: 'root', create: false, isAdministrator: false }
    expect(await codeOf(() => identity.putUser(system, demote))).toBe('ERR_INVALID_ARGUMENT')
    const disable = { user: 'root', create: false, isDisabled: true }
    expect(await codeOf(() => identity.putUser(system, disable))).toBe('ERR_INVALID_ARGUMENT')
    const leave = { user: 'root' }
    expect(await codeOf(() => identity.deleteUser(system, leave))).toBe('ERR_INVALID_ARGUMENT')
    await identity.putUser(system, { user: 'eve', create: true, isAdministrator: true })
    expect(await codeOf(() => identity.deleteUser(system, leave))).toBe('none')
  })

  it.each([
    [{ user: 'root', create: true }, 'ERR_USER_EXISTS'],
    [{ user: 'nobody', create: false }, 'ERR_USER_NOT_FOUND'],
    [{ user: 'root', create: false, revision: 7 }, 'ERR_REVISION_CONFLICT'],
    [{ user: 'a:b', create: true }, 'ERR_INVALID_NAME'],
    [{ user: '*', create: true }, 'ERR_INVALID_NAME'],
    [{ user: 'anonymous', create: true }, 'ERR_INVALID_NAME'],
    [{ user: 'a/b', create: true }, 'ERR_INVALID_NAME'],
    [{ user: 'ﬁne', create: true }, 'ERR_INVALID_NAME'],
    [{ user: '', create: true }, 'ERR_INVALID_NAME'],
    [{ user: 'x', create: true, certificateNames: [''] }, 'ERR_INVALID_ARGUMENT'],
    [
      { user: 'x', create: true, credentials: { a: 'x'.repeat(CREDENTIAL_CHARACTERS_MAX + 1) } },
      'ERR_INVALID_ARGUMENT',
    ],
  ])('refuse %j with %s', async (change, code) => {
    const identity = await withAdministrator(newIdentity())
    expect(await codeOf(() => identity.putUser(system, change))).toBe(code)
  })

  it('have certificate names up to the limit, each of one user only', async () => {
    const identity = await withAdministrator(newIdentity())
    const names = Array.from({ length: CERTIFICATE_NAMES_COUNT_MAX }, (_, at) => `n${at}`)
    const change = { user: 'ann', create: true, certificateNames: names }
    expect(await codeOf(() => identity.putUser(system, change))).toBe('none')
    const more = { user: 'bob', create: true, certificateNames: [...names, 'x'] }
    expect(await codeOf(() => identity.putUser(system, more))).toBe('ERR_INVALID_ARGUMENT')
    const taken = { user: 'bob', create: true, certificateNames: ['n3'] }
    expect(await codeOf(() => identity.putUser(system, taken))).toBe('ERR_INVALID_ARGUMENT')
  })

  it.each([
    [permission('nobody', ['read'], 'a'), 'ERR_USER_NOT_FOUND'],
    [permission('root', [], 'a'), 'ERR_INVALID_ARGUMENT'],
    [permission('root', ['own' as never], 'a'), 'ERR_INVALID_ARGUMENT'],
    [permission('root', ['read'], ''), 'ERR_INVALID_ARGUMENT'],
    [permission('root', ['read'], 'a', { kind: 'file' as never }), 'ERR_INVALID_ARGUMENT'],
    [permission('root', ['read'], 'a', { effect: 'maybe' as never }), 'ERR_INVALID_ARGUMENT'],
    [permission('root', ['read'], 'a', { namespace: '' }), 'ERR_INVALID_ARGUMENT'],
  ])('refuse to grant %j with %s', async (asked, code) => {
    const identity = await withAdministrator(newIdentity())
    expect(await codeOf(() => identity.grant(system, asked))).toBe(code)
    expect(identity.listPermissions(system)).toEqual([])
  })

  it('are at most so many of a user', async () => {
    const identity = await withAdministrator(newIdentity())
    for (let index = 0; index < PERMISSIONS_PER_USER_MAX; index++)
      await identity.grant(system, permission('root', ['read'], `t${index}`))
    const one = permission('root', ['read'], 'more')
    expect(await codeOf(() => identity.grant(system, one))).toBe('ERR_LIMIT_EXCEEDED')
    expect(await codeOf(() => identity.grant(system, permission('root', ['write'], 't1')))).toBe(
      'none',
    )
  })

  it('are changed and seen by administrators only, but everybody may ask about themselves', async () => {
    const identity = await withAdministrator(newIdentity())
    await addUser(identity, 'ann')
    const ann = callerOf(identity, 'ann')
    const bob = { user: 'bob', create: true }
    const calls = [
      () => identity.putUser(ann, bob),
      () => identity.deleteUser(ann, { user: 'root' }),
      () => identity.listUsers(ann),
      () => identity.grant(ann, permission('ann', ['read'], '*')),
      () => identity.revoke(ann, permission('ann', ['read'], '*')),
      () => identity.listPermissions(ann, 'ann'),
      () => identity.explain(ann, 'root', 'read', topic('x')),
      () => identity.explain(ann, 'nobody', 'read', topic('x')),
    ]
    for (const call of calls) expect(await codeOf(call)).toBe('ERR_NOT_AUTHORIZED')
    expect(identity.explain(ann, 'ann', 'read', topic('x')).isAllowed).toBe(false)
    const area = { kind: 'broker' as const, pattern: 'identity' }
    await identity.grant(system, permission('ann', ['administer'], 'identity', area))
    expect(await codeOf(() => identity.putUser(ann, bob))).toBe('none')
  })

  it('say which permission decided', async () => {
    const identity = await withAdministrator(newIdentity())
    await addUser(identity, 'ann')
    const explain = (name: string) => identity.explain(system, 'ann', 'write', topic(name))
    expect(explain('x')).toEqual({ isAllowed: false, reason: 'no-permission' })
    const allowed = permission('ann', ['write'], 'o*')
    const denied = permission('*', ['write'], 'orders', { effect: 'deny' })
    await identity.grant(system, allowed)
    await identity.grant(system, denied)
    expect(explain('other')).toEqual({
      isAllowed: true,
      reason: 'permission',
      permission: allowed,
    })
    expect(explain('orders')).toEqual({
      isAllowed: false,
      reason: 'permission',
      permission: denied,
    })
    expect(identity.explain(system, 'root', 'read', topic('x')).reason).toBe('administrator')
    expect(await codeOf(() => identity.explain(system, 'bob', 'read', topic('x')))).toBe(
      'ERR_USER_NOT_FOUND',
    )
  })
})
