/** Principal × action × path: every call of the façade, by what it needs. */
import type { Broker, Caller, EngineSession, TopicHandle } from '../../src/engine/operations.ts'
import type { Action } from '../../src/gateway/contracts.ts'
import type { SimulatedWorld } from '@millrace/testing'
import { batchOf, caller as anonymous, newWorld, openNode } from '../support/node.ts'
import { codeOf, permission, system, userOf } from './support.ts'

const guarded = { autoCreateTopics: true, isAuthorizationEnforced: () => true }

interface World {
  readonly world: SimulatedWorld
  readonly broker: Broker
  readonly caller: (name: string) => Caller
  readonly run: <T>(work: Promise<T>) => Promise<T>
}

const rights: readonly Action[] = ['configure', 'write', 'read', 'administer']

const openWorld = async (): Promise<World> => {
  const world = newWorld()
  const run = <T>(work: Promise<T>): Promise<T> => world.scheduler.runUntil(work)
  const { broker } = await openNode(world, guarded)
  const { identity } = broker
  await run(identity.putUser(system, { user: 'root', create: true, isAdministrator: true }))
  await run(identity.putUser(system, { user: 'nobody', create: true }))
  for (const action of rights) {
    await run(identity.putUser(system, { user: action, create: true }))
    for (const kind of ['topic', 'broker'] as const)
      await run(identity.grant(system, permission(action, [action], '*', { kind })))
    const denied = permission(action, [action], 'secret', { effect: 'deny' })
    await run(identity.grant(system, denied))
  }
  for (const topic of ['here', 'secret']) await run(broker.createTopic(system, { topic }))
  const caller = (name: string): Caller => ({ principal: userOf(identity, name), namespace: '/' })
  return { world, broker, caller, run }
}

/** Each call, and the rights any of which is enough. */
const calls: readonly [string, readonly Action[], (w: World, c: Caller, t: string) => unknown][] = [
  [
    'openTopic',
    ['read', 'write', 'configure'],
    (w, c, t) => w.broker.openTopic(c, t, { create: false }),
  ],
  [
    'createTopic',
    ['configure'],
    (w, c, t) => w.broker.createTopic(c, { topic: t, ifNotExists: true }),
  ],
  ['describeTopic', ['read', 'write', 'configure'], (w, c, t) => w.broker.describeTopic(c, t)],
  ['alterTopic', ['configure'], (w, c, t) => w.broker.alterTopic(c, { topic: t })],
  ['deleteTopic', ['configure'], (w, c, t) => w.broker.deleteTopic(c, { topic: t, revision: 99 })],
  ['listOffsets', ['read'], (w, c, t) => w.broker.listOffsets(c, { topic: t, at: 'latest' })],
  [
    'deleteRecords',
    ['configure'],
    (w, c, t) => w.broker.deleteRecords(c, { topic: t, partitions: [] }),
  ],
  [
    'truncateTopic',
    ['configure'],
    (w, c, t) => w.broker.truncateTopic(c, { topic: t, partition: 0, from: 0 }),
  ],
]

const brokerCalls: readonly [string, readonly Action[], (w: World, c: Caller) => unknown][] = [
  ['createNamespace', ['administer'], (w, c) => w.broker.createNamespace(c, 'shop')],
  ['listUsers', ['administer'], (w, c) => w.broker.identity.listUsers(c)],
  [
    'putUser',
    ['administer'],
    (w, c) => w.broker.identity.putUser(c, { user: 'nobody', create: false }),
  ],
  [
    'deleteUser',
    ['administer'],
    (w, c) => w.broker.identity.deleteUser(c, { user: 'nobody', revision: 99 }),
  ],
  ['grant', ['administer'], (w, c) => w.broker.identity.grant(c, permission('*', ['read'], 'no'))],
  [
    'revoke',
    ['administer'],
    (w, c) => w.broker.identity.revoke(c, permission('*', ['read'], 'no')),
  ],
  ['listPermissions', ['administer'], (w, c) => w.broker.identity.listPermissions(c)],
  ['checkStorage', ['administer'], (w, c) => w.broker.checkStorage(c, {})],
  ['backUp', ['administer'], (w, c) => w.broker.backUp(c, { name: 'x/y' })],
]

const everybody = ['root', 'nobody', ...rights]

describe.each(calls)('%s needs one of %j', (_name, needed, call) => {
  it.each(everybody)('and %s gets what that says', async (who) => {
    const world = await openWorld()
    const codeFor = (topic: string, caller = world.caller(who)): Promise<string> =>
      world.run(codeOf(() => call(world, caller, topic)))
    const mayHere = who === 'root' || needed.includes(who as Action)
    const isRefusal = async (topic: string): Promise<boolean> =>
      (await codeFor(topic)) === 'ERR_NOT_AUTHORIZED'
    expect(await isRefusal('here')).toBe(!mayHere)
    expect(await isRefusal('secret')).toBe(who !== 'root')
    expect(await codeFor('here', anonymous)).toBe('ERR_NOT_AUTHORIZED')
    // What is not there looks like what one may not see.
    if (!mayHere) expect(await codeFor('missing')).toBe('ERR_NOT_AUTHORIZED')
  })
})

describe.each(brokerCalls)('%s needs one of %j', (_name, needed, call) => {
  it.each(everybody)('and %s gets what that says', async (who) => {
    const world = await openWorld()
    const code = await world.run(codeOf(() => call(world, world.caller(who))))
    const may = who === 'root' || needed.includes(who as Action)
    expect(code === 'ERR_NOT_AUTHORIZED').toBe(!may)
    const asAnonymous = await world.run(codeOf(() => call(world, anonymous)))
    expect(asAnonymous).toBe('ERR_NOT_AUTHORIZED')
  })
})

describe('listTopics', () => {
  it.each([
    ['root', ['here', 'secret']],
    ['read', ['here']],
    ['write', ['here']],
    ['configure', ['here']],
    ['administer', []],
    ['nobody', []],
  ])('shows %s what they have a right to: %j', async (who, expected) => {
    const { broker, caller } = await openWorld()
    expect(broker.listTopics(caller(who)).map(({ topic }) => topic)).toEqual(expected)
  })
})

describe('a topic made on first use', () => {
  it('needs the right to configure', async () => {
    const { broker, caller, run } = await openWorld()
    const open = (who: string) =>
      run(codeOf(() => broker.openTopic(caller(who), 'new', { create: true })))
    expect(await open('nobody')).toBe('ERR_NOT_AUTHORIZED')
    expect(await open('write')).toBe('ERR_NOT_AUTHORIZED')
    expect(broker.listTopics(system).map(({ topic }) => topic)).not.toContain('new')
    expect(await open('configure')).toBe('none')
    expect(await open('write')).toBe('none')
  })
})

describe('a session', () => {
  const openSession = (
    { broker }: World,
    { principal }: Caller,
    codes: (string | undefined)[],
  ): EngineSession =>
    broker.openSession({
      principal,
      namespace: '/',
      inFlightCountMax: 10,
      inFlightBytesMax: 1 << 20,
      onCompletions: (completions, count) => {
        for (let at = 0; at < count; at++) codes.push(completions[at]?.error?.code)
      },
      onWritable: () => undefined,
    })

  const append = (session: EngineSession, handle: TopicHandle): boolean =>
    session.append({
      handle,
      sequence: 1,
      partition: 0,
      bytes: batchOf(['x']),
      isOwned: false,
      durability: 'topic',
    })

  const fetch = (session: EngineSession, handle: TopicHandle, waitMsMax = 0) =>
    new Promise<string | undefined>((resolve) => {
      const operation = { handle, partition: 0, offset: 0, bytesMax: 1_000, bytesMin: 1, waitMsMax }
      session.fetch(operation, (result) => {
        result.lease?.release()
        resolve(result.error?.code)
      })
    })

  it.each(everybody)('of %s appends and reads what its rights say', async (who) => {
    const world = await openWorld()
    const { broker, caller, run } = world
    const handle = await run(broker.openTopic(system, 'here', { create: false }))
    const codes: (string | undefined)[] = []
    const session = openSession(world, caller(who), codes)
    append(session, handle)
    await world.world.scheduler.runUntil(() => codes.length === 1)
    const mayWrite = who === 'root' || who === 'write'
    expect(codes).toEqual([mayWrite ? undefined : 'ERR_NOT_AUTHORIZED'])
    const mayRead = who === 'root' || who === 'read'
    const expected = mayRead ? undefined : 'ERR_NOT_AUTHORIZED'
    expect(await run(fetch(session, handle))).toBe(expected)
    const operation = { handle, partition: 0, offset: 0, bytesPerDeliveryMax: 100, creditBytes: 1 }
    const sink = { deliver: () => undefined, end: () => undefined }
    const code = await codeOf(() => session.subscribe(operation, sink))
    expect(code).toBe(mayRead ? 'none' : 'ERR_NOT_AUTHORIZED')
  })

  it('feels a right that is taken away and given back while it is open', async () => {
    const world = await openWorld()
    const { broker, caller, run } = world
    const handle = await run(broker.openTopic(system, 'here', { create: false }))
    const codes: (string | undefined)[] = []
    const session = openSession(world, caller('write'), codes)
    const change = permission('write', ['write'], '*')
    append(session, handle)
    await world.world.scheduler.runUntil(() => codes.length === 1)
    await run(broker.identity.revoke(system, change))
    append(session, handle)
    await world.world.scheduler.runUntil(() => codes.length === 2)
    await run(broker.identity.grant(system, change))
    append(session, handle)
    await world.world.scheduler.runUntil(() => codes.length === 3)
    expect(codes).toEqual([undefined, 'ERR_NOT_AUTHORIZED', undefined])
  })

  it('gets nothing more from a read or subscription under way once the right is gone', async () => {
    const world = await openWorld()
    const { broker, caller, run } = world
    const handle = await run(broker.openTopic(system, 'here', { create: false }))
    const session = openSession(world, caller('read'), [])
    const ends: string[] = []
    let delivered = 0
    session.subscribe(
      { handle, partition: 0, offset: 0, bytesPerDeliveryMax: 1_000, creditBytes: 1_000 },
      {
        deliver: (_partition, result) => {
          delivered += 1
          result.lease?.release()
        },
        end: (_partition, error) => void ends.push(error.code),
      },
    )
    const waiting = fetch(session, handle, 60_000)
    await run(broker.identity.revoke(system, permission('read', ['read'], '*')))
    const codes: (string | undefined)[] = []
    append(openSession(world, caller('root'), codes), handle)
    expect(await run(waiting)).toBe('ERR_NOT_AUTHORIZED')
    await world.world.scheduler.runUntil(() => ends.length === 1)
    expect(ends).toEqual(['ERR_NOT_AUTHORIZED'])
    expect(delivered).toBe(0)
  })
})

it('does not say whether a topic exists to who has no right to it, only who asked for what', async () => {
  const { broker, caller } = await openWorld()
  const messageOf = (topic: string): string => {
    try {
      broker.describeTopic(caller('nobody'), topic)
    } catch (error) {
      return (error as Error).message
    }
    return ''
  }
  expect(messageOf('here')).toBe("'nobody' may not see 'topic:here'")
  expect(messageOf('missing')).toBe("'nobody' may not see 'topic:missing'")
  expect(messageOf('\u001b[31m'.repeat(100)).length).toBeLessThan(500)
  expect(messageOf('\u001b[31m')).not.toContain('\u001b')
})

it('keeps users and permissions through a restart of the broker', async () => {
  const world = await openWorld()
  await world.run(world.broker.close())
  const { broker } = await openNode(world.world, guarded)
  expect(broker.identity.listUsers(system)).toHaveLength(6)
  const reader = { principal: userOf(broker.identity, 'read'), namespace: '/' }
  expect(broker.listTopics(reader).map(({ topic }) => topic)).toEqual(['here'])
})
