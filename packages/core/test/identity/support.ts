import { isBrokerError } from '@millrace/codec'
import type { Caller, Principal } from '../../src/engine/operations.ts'
import type { Action, Resource } from '../../src/gateway/contracts.ts'
import { Identity } from '../../src/identity/identity.ts'
import type { Grant, Permission } from '../../src/identity/permission.ts'
import { systemPrincipal } from '../../src/identity/permission-authorizer.ts'
import { volatileIdentityStorage } from '../../src/identity/volatile-storage.ts'

export const system: Caller = { principal: systemPrincipal, namespace: '/' }

export const newIdentity = (storage = volatileIdentityStorage()): Identity =>
  new Identity({
    storage,
    clock: { now: () => 1_700_000_000_000, monotonic: () => 0 },
    isEnforced: () => true,
  })

export const userOf = (identity: Identity, name: string): Principal => {
  const id = identity.findUser(name)?.id
  return { name, isAnonymous: false, ...(id === undefined ? {} : { userId: id }) }
}

export const topic = (name: string, namespace = '/'): Resource => ({
  kind: 'topic',
  namespace,
  name,
})

export const permission = (
  user: string,
  actions: readonly Action[],
  pattern: string,
  rest: Partial<Grant> = {},
): Permission => ({
  user,
  actions,
  pattern,
  effect: 'allow',
  namespace: '/',
  kind: 'topic',
  ...rest,
})

export const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work()
  } catch (error) {
    if (isBrokerError(error)) return error.code
    throw error
  }
  return 'none'
}

export const withAdministrator = async (identity: Identity): Promise<Identity> => {
  await identity.putUser(system, { user: 'root', create: true, isAdministrator: true })
  return identity
}

export const addUser = async (identity: Identity, user: string): Promise<Principal> => {
  await identity.putUser(system, { user, create: true })
  return userOf(identity, user)
}
