import type { Caller } from '../../src/engine/operations.ts'
import { caller, newWorld, openNode, type TestNode } from '../support/node.ts'

const refusalOf = async (node: TestNode, who: Caller, topic: string): Promise<string> => {
  try {
    await node.run(node.broker.createTopic(who, { topic }))
    return 'created'
  } catch (error) {
    return (error as Error).message
  }
}

it('creates as many topics as the namespace may hold, and not one more', async () => {
  const node = await openNode(newWorld(), { topicsPerNamespaceMax: 2, autoCreateTopics: true })
  expect(await refusalOf(node, caller, 'a')).toBe('created')
  expect(await refusalOf(node, caller, 'b')).toBe('created')
  const refused = "the quota of 2 topics of 'test' is used up"
  expect(await refusalOf(node, caller, 'c')).toBe(refused)
  const opening = node.broker.openTopic(caller, 'c', { create: true })
  await expect(node.run(opening)).rejects.toMatchObject({ code: 'ERR_QUOTA_EXCEEDED' })
  const again = node.broker.createTopic(caller, { topic: 'a', ifNotExists: true })
  expect((await node.run(again)).topic).toBe('a')
  await node.run(node.broker.deleteTopic(caller, { topic: 'a' }))
  expect(await refusalOf(node, caller, 'c')).toBe('created')
})

it('counts creations that are under way', async () => {
  const node = await openNode(newWorld(), { topicsPerNamespaceMax: 2 })
  const names = ['a', 'b', 'c', 'd']
  const outcomes = Promise.allSettled(
    names.map((topic) => node.broker.createTopic(caller, { topic })),
  )
  const kinds = (await node.run(outcomes)).map(({ status }) => status)
  expect(kinds).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected'])
})

it('goes by the quota of the principal where there is one', async () => {
  const node = await openNode(newWorld(), { topicsPerNamespaceMax: 1 })
  const withQuota = (topics: number): Caller => ({
    principal: { name: 'anna', isAnonymous: false, quotas: { topics } },
    namespace: '/',
  })
  expect(await refusalOf(node, withQuota(2), 'a')).toBe('created')
  expect(await refusalOf(node, withQuota(2), 'b')).toBe('created')
  expect(await refusalOf(node, withQuota(2), 'c')).toMatch("the quota of 2 topics of 'anna'")
  expect(await refusalOf(node, withQuota(0), 'c')).toBe('created')
})
