import { describeUser } from '../../src/identity/user.ts'
import { codeOf, newIdentity, system, withAdministrator } from './support.ts'

it('keeps the quotas of a user, replaces them all, and takes them away', async () => {
  const identity = await withAdministrator(newIdentity())
  const put = (create: boolean, quotas?: object) =>
    identity.putUser(system, { user: 'ann', create, quotas })
  expect((await put(true)).quotas).toBeUndefined()
  const two = { bytesInPerSecond: 0, connections: 5 }
  expect((await put(false, two)).quotas).toEqual(two)
  expect((await put(false)).quotas).toEqual(two)
  const found = identity.findUser('ann')
  expect(found && describeUser(found).quotas).toEqual(two)
  expect((await put(false, { topics: 3 })).quotas).toEqual({ topics: 3 })
  expect((await put(false, {})).quotas).toEqual({})
})

it.each([-1, 1.5, Number.NaN, 2 ** 53])('refuses %s as a quota', async (topics) => {
  const identity = await withAdministrator(newIdentity())
  const put = () => identity.putUser(system, { user: 'ann', create: true, quotas: { topics } })
  expect(await codeOf(put)).toBe('ERR_INVALID_ARGUMENT')
})
