import type { FetchOperation, ReadResult, TopicHandle } from '../../src/engine/operations.ts'
import { batchOf, caller, newWorld, openNode, recordsOf, type TestNode } from '../support/node.ts'

const start = (node: TestNode, handle: TopicHandle, changed: Partial<FetchOperation>) => {
  const results: ReadResult[] = []
  const operation = {
    handle,
    partition: 0,
    offset: 0,
    bytesMax: 65_536,
    bytesMin: 1,
    waitMsMax: 500,
  }
  const fetch = node.session.fetch({ ...operation, ...changed }, (result) => results.push(result))
  return { results, fetch }
}

describe('a fetch', () => {
  it('is answered at once when there is enough, never inside the call', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    await node.append(handle, ['a'])
    const { results } = start(node, handle, {})
    expect(results).toEqual([])
    await node.world.scheduler.runFor(1)
    expect(recordsOf(results[0]?.lease?.parts ?? []).map(({ value }) => value)).toEqual(['a'])
    expect(results[0]).toMatchObject({ nextOffset: 1, highWatermark: 1 })
  })

  it('waits for the first bytes, and is answered once', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    const { results } = start(node, handle, {})
    await node.world.scheduler.runFor(100)
    expect(results).toEqual([])
    await node.append(handle, ['a'])
    await node.append(handle, ['b'])
    await node.world.scheduler.runFor(1_000)
    expect(results).toHaveLength(1)
    expect(results[0]?.lease?.byteLength).toBeGreaterThan(0)
  })

  it('waits for all the bytes it wants, or for its time', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    const bytes = batchOf(['a']).length
    const enough = start(node, handle, { bytesMin: 2 * bytes })
    const tooMuch = start(node, handle, { bytesMin: 2 * bytes + 1 })
    await node.append(handle, ['a'])
    await node.world.scheduler.runFor(10)
    expect(enough.results).toEqual([])
    await node.append(handle, ['b'])
    await node.world.scheduler.runFor(10)
    expect(enough.results).toHaveLength(1)
    expect(tooMuch.results).toEqual([])
    await node.world.scheduler.runFor(500)
    expect(tooMuch.results[0]?.lease?.byteLength).toBe(2 * bytes)
  })

  it('is answered empty when its time is up, or at once when it does not wait', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    const waits = start(node, handle, { waitMsMax: 50 })
    const asks = start(node, handle, { bytesMin: 0 })
    await node.world.scheduler.runFor(1)
    expect(asks.results[0]).toMatchObject({ lease: undefined, error: undefined, nextOffset: 0 })
    await node.world.scheduler.runFor(48)
    expect(waits.results).toEqual([])
    await node.world.scheduler.runFor(2)
    expect(waits.results[0]).toMatchObject({ lease: undefined, error: undefined })
  })

  it('that is cancelled is not answered and leaves nobody waiting', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    const { results, fetch } = start(node, handle, {})
    const early = start(node, handle, { bytesMin: 0 })
    early.fetch.cancel()
    fetch.cancel()
    await node.append(handle, ['a'])
    await node.world.scheduler.runFor(1_000)
    expect([results, early.results]).toEqual([[], []])
  })

  it('ends by name when the topic is deleted under it', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    const { results } = start(node, handle, { waitMsMax: 60_000 })
    await node.run(node.broker.deleteTopic(caller, { topic: 't' }))
    await node.world.scheduler.runFor(5)
    expect(results[0]?.error?.code).toBe('ERR_TOPIC_DELETED')
  })

  it('names offsets out of range, at n and n + 1', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    await node.append(handle, ['a', 'b'])
    expect((await node.fetch(handle, 2)).error).toBeUndefined()
    expect((await node.fetch(handle, 3)).error?.code).toBe('ERR_OFFSET_OUT_OF_RANGE')
    expect((await node.fetch(handle, -1)).error?.code).toBe('ERR_OFFSET_OUT_OF_RANGE')
  })

  it('shows nothing above the high watermark', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    await node.append(handle, ['a'])
    const told = node.submit(handle, batchOf(['not yet']))
    const { results } = start(node, handle, { bytesMin: 0 })
    await node.world.scheduler.runUntil(() => results.length === 1)
    const isTold = node.outcomes.length === 2
    expect(recordsOf(results[0]?.lease?.parts ?? [])).toHaveLength(isTold ? 2 : 1)
    await node.run(told as Promise<unknown>)
  })

  it('gives whole batches, at least one, and no more bytes than asked for beyond it', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    for (let count = 0; count < 5; count++) await node.append(handle, ['x'.repeat(100)])
    const bytes = batchOf(['x'.repeat(100)]).length
    const sizes: number[] = []
    for (const bytesMax of [1, bytes, 2 * bytes - 1, 2 * bytes]) {
      const { results } = start(node, handle, { bytesMax })
      await node.world.scheduler.runUntil(() => results.length === 1)
      sizes.push((results[0]?.lease?.byteLength ?? 0) / bytes)
      results[0]?.lease?.release()
    }
    expect(sizes).toEqual([1, 1, 1, 2])
  })

  it('may release its lease twice without freeing what others hold', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    await node.append(handle, ['a'])
    const first = await node.fetch(handle, 0)
    for (let count = 0; count < 5; count++) first.lease?.release()
    expect(await node.values(handle)).toEqual(['a'])
  })
})
