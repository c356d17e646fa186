import type { TopicEvent } from '../../src/engine/operations.ts'
import { PARTITIONS_MAX } from '../../src/topic/topic-settings.ts'
import { batchOf, caller, newWorld, openNode, type TestNode } from '../support/node.ts'

const codeOf = async (promise: Promise<unknown>): Promise<string | undefined> => {
  try {
    await promise
    return undefined
  } catch (error) {
    return (error as { code?: string }).code
  }
}

const refused = (node: TestNode, promise: Promise<unknown>): Promise<string | undefined> =>
  node.run(codeOf(promise))

describe('creating a topic', () => {
  it('is refused by name for what cannot be', async () => {
    const { broker, ...rest } = await openNode(newWorld())
    const node = {
      ...rest,
      run: <T>(promise: Promise<T>) => rest.world.scheduler.runUntil(promise),
    }
    const create = (request: Parameters<typeof broker.createTopic>[1]) =>
      node.run(codeOf(Promise.resolve().then(() => broker.createTopic(caller, request))))
    expect(await create({ topic: 't' })).toBeUndefined()
    expect(await create({ topic: 't' })).toBe('ERR_TOPIC_EXISTS')
    expect(await create({ topic: 't', ifNotExists: true })).toBeUndefined()
    expect(await create({ topic: '../t' })).toBe('ERR_INVALID_NAME')
    for (const partitions of [0, -1, 1.5, PARTITIONS_MAX + 1])
      expect(await create({ topic: 'u', partitions })).toBe('ERR_INVALID_ARGUMENT')
    expect(await create({ topic: 'u', partitions: PARTITIONS_MAX })).toBeUndefined()
  })

  it('keeps namespaces apart', async () => {
    const node = await openNode(newWorld())
    const tenant = { ...caller, namespace: 'tenant' }
    expect(await refused(node, node.broker.createTopic(tenant, { topic: 't' }))).toBe(
      'ERR_NAMESPACE_NOT_FOUND',
    )
    await node.run(node.broker.createNamespace(caller, 'tenant'))
    await node.run(node.broker.createTopic(tenant, { topic: 't' }))
    await node.create('t')
    const ids = [tenant, caller].map((one) => node.broker.describeTopic(one, 't').id)
    expect(new Set(ids).size).toBe(2)
    expect(node.broker.listTopics(tenant)).toHaveLength(1)
    node.world.losePower()
    const next = await openNode(node.world)
    expect(next.broker.hasNamespace('tenant')).toBe(true)
    expect(next.broker.describeTopic(tenant, 't').namespace).toBe('tenant')
  })

  it('happens once when many ask at once', async () => {
    const node = await openNode(newWorld(), { autoCreateTopics: true })
    const open = () => node.broker.openTopic(caller, 'auto', { create: true })
    const handles = await node.run(Promise.all([open(), open(), open()]))
    expect(new Set(handles.map((handle) => handle.topicId)).size).toBe(1)
  })

  it('lists by name and prefix', async () => {
    const node = await openNode(newWorld())
    for (const topic of ['b', 'a', 'ab']) await node.create(topic)
    expect(node.broker.listTopics(caller).map((one) => one.topic)).toEqual(['a', 'ab', 'b'])
    expect(node.broker.listTopics(caller, { prefix: 'a' })).toHaveLength(2)
  })
})

describe('altering a topic', () => {
  it('changes settings in place and adds partitions, and says so to who watches', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    const events: TopicEvent[] = []
    node.broker.watchTopic(handle, (event) => events.push(event))
    const altered = await node.run(
      node.broker.alterTopic(caller, {
        topic: 't',
        partitions: 3,
        settings: { segmentBytes: 8_192 },
      }),
    )
    expect(altered).toMatchObject({ revision: 2, settings: { segmentBytes: 8_192 } })
    expect(altered.partitions).toHaveLength(3)
    expect(events.map((event) => event.kind)).toEqual(['partitions-added'])
    expect((await node.append(handle, ['x'], 2)).error).toBeUndefined()
    node.world.losePower()
    const next = await openNode(node.world)
    expect(next.broker.describeTopic(caller, 't')).toMatchObject({ revision: 2 })
    expect(await next.values(await next.open('t'), 2)).toEqual(['x'])
  })

  it('goes by the revision: the second of two who read the same one is told', async () => {
    const node = await openNode(newWorld())
    await node.create('t')
    const alter = (segmentBytes: number) =>
      codeOf(
        node.broker.alterTopic(caller, { topic: 't', revision: 1, settings: { segmentBytes } }),
      )
    const codes = await node.run(Promise.all([alter(8_192), alter(16_384)]))
    expect(codes).toEqual([undefined, 'ERR_REVISION_CONFLICT'])
    expect(node.broker.describeTopic(caller, 't').settings.segmentBytes).toBe(8_192)
    expect(await refused(node, node.broker.deleteTopic(caller, { topic: 't', revision: 1 }))).toBe(
      'ERR_REVISION_CONFLICT',
    )
  })

  it('takes no partition away and keeps the durability', async () => {
    const node = await openNode(newWorld())
    await node.create('t', {}, 3)
    const alter = (request: object) =>
      refused(node, node.broker.alterTopic(caller, { topic: 't', ...request }))
    expect(await alter({ partitions: 2 })).toBe('ERR_INVALID_ARGUMENT')
    expect(await alter({ settings: { durability: 'memory' } })).toBe('ERR_INVALID_ARGUMENT')
    expect(node.broker.describeTopic(caller, 't').revision).toBe(1)
  })
})

describe('deleting a topic', () => {
  it('takes the name at once and the files after the grace period', async () => {
    const node = await openNode(newWorld(), { storage: { deleteGraceMs: 5_000 } })
    const handle = await node.create('t')
    for (let count = 0; count < 60; count++) await node.append(handle, ['x'.repeat(2_000)])
    const files = () => node.world.disk.files('/data/logs').filter((path) => path.includes('/1/'))
    expect(files().length).toBeGreaterThan(0)
    await node.run(node.broker.deleteTopic(caller, { topic: 't' }))
    expect(() => node.broker.describeTopic(caller, 't')).toThrow('does not exist')
    await node.world.scheduler.runFor(4_900)
    expect(files().length).toBeGreaterThan(0)
    await node.world.scheduler.runFor(1_000)
    expect(files()).toEqual([])
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 24, 28])(
    'is finished by the next start when the power goes after %d disk calls of it',
    async (calls) => {
      const world = newWorld(calls)
      const node = await openNode(world, { storage: { deleteGraceMs: 10 } })
      const handle = await node.create('t')
      for (let count = 0; count < 60; count++) await node.append(handle, ['x'.repeat(2_000)])
      const total = () =>
        Object.values(world.disk.counters.calls).reduce((sum, one) => sum + one, 0)
      const before = total()
      let isTold = false
      node.broker.deleteTopic(caller, { topic: 't' }).then(
        () => (isTold = true),
        () => undefined,
      )
      const deadline = world.clock.monotonic() + 500
      await world.scheduler
        .runUntil(() => total() >= before + calls || world.clock.monotonic() > deadline - 1, 1_000)
        .catch(() => undefined)
      world.losePower()
      const next = await openNode(world, { storage: { deleteGraceMs: 10 } })
      const isThere = next.broker.listTopics(caller).length === 1
      if (isTold) expect(isThere).toBe(false)
      await world.scheduler.runFor(10_000)
      const files = world.disk.files('/data/logs').filter((path) => path.includes('/1/'))
      if (isThere) expect(await next.values(await next.open('t'))).toHaveLength(60)
      else expect(files).toEqual([])
      expect((await next.create('t2')).topicId).toBeGreaterThan(handle.topicId)
      expect(next.fatal).toEqual([])
    },
  )

  it('is tried again when the disk has no room for the tombstone', async () => {
    const node = await openNode(newWorld(4), { storage: { deleteGraceMs: 100 } })
    await node.create('t')
    await node.run(node.broker.deleteTopic(caller, { topic: 't' }))
    const journal = (path: string): boolean => path.endsWith('.journal')
    const fault = node.world.disk.inject({
      kind: 'write',
      code: 'ENOSPC',
      nth: 1,
      matches: journal,
    })
    await node.world.scheduler.runFor(1_000)
    expect(fault.firedCount).toBe(1)
    await node.world.scheduler.runFor(20_000)
    expect(node.fatal).toEqual([])
    const next = await openNode(node.world)
    expect(next.broker.status().topicCount).toBe(0)
  })

  it('ends the name for good: one that comes back is another topic', async () => {
    const node = await openNode(newWorld())
    const first = await node.create('t')
    await node.append(first, ['old'])
    await node.run(node.broker.deleteTopic(caller, { topic: 't' }))
    const second = await node.create('t')
    expect(await node.values(second)).toEqual([])
    expect(second.generation).not.toBe(first.generation)
    await node.run(node.submit(second, batchOf(['new'])) as Promise<unknown>)
    expect(await node.values(second)).toEqual(['new'])
  })
})
