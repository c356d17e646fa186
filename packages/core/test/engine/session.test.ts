import type { BrokerError } from '@millrace/codec'
import { withAppendTime } from '../../src/engine/append-time.ts'
import type { AppendCompletion, SessionOptions, TopicHandle } from '../../src/engine/operations.ts'
import {
  batchOf,
  caller,
  newWorld,
  openNode,
  recordsOf,
  type Outcome,
  type TestNode,
} from '../support/node.ts'

const optionsOf = (changed: Partial<SessionOptions>): SessionOptions => ({
  principal: caller.principal,
  namespace: '/',
  inFlightCountMax: 100,
  inFlightBytesMax: 1 << 20,
  onCompletions: () => undefined,
  onWritable: () => undefined,
  ...changed,
})

const operationOf = (handle: TopicHandle, sequence: number, bytes = batchOf(['x'])) => ({
  handle,
  sequence,
  bytes,
  partition: 0,
  isOwned: false,
  durability: 'topic' as const,
})

const refusalOf = async (node: TestNode, handle: TopicHandle, bytes: Uint8Array, partition = 0) => {
  const outcome = await node.run(node.submit(handle, bytes, { partition }) as Promise<Outcome>)
  return outcome.error?.code
}

describe('appends of a session', () => {
  it('complete in the order in which they were submitted, whatever their outcome', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    const memory = await node.create('m', { durability: 'memory' })
    const told: number[] = []
    const session = node.broker.openSession(
      optionsOf({
        onCompletions: (completions, count) => {
          for (let index = 0; index < count; index++)
            told.push((completions[index] as AppendCompletion).sequence)
        },
      }),
    )
    session.append(operationOf(handle, 1))
    session.append(operationOf(memory, 2))
    session.append(operationOf(handle, 3, new Uint8Array(3)))
    session.append({ ...operationOf(handle, 4), durability: 'memory' })
    session.append({ ...operationOf(handle, 5), partition: 9 })
    session.append(operationOf(handle, 6))
    expect(told).toEqual([])
    await node.world.scheduler.runUntil(() => told.length === 6)
    expect(told).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('never complete inside the call', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    let isInside = false
    let wasInside = false
    const session = node.broker.openSession(
      optionsOf({ onCompletions: () => void (wasInside ||= isInside) }),
    )
    isInside = true
    session.append(operationOf(handle, 1, new Uint8Array(0)))
    session.append({ ...operationOf(handle, 2), durability: 'memory' })
    isInside = false
    await node.world.scheduler.runFor(100)
    expect(wasInside).toBe(false)
  })

  it('are taken up to the count of the credit and refused beyond it, with a word when there is room', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    let writable = 0
    const session = node.broker.openSession(
      optionsOf({ inFlightCountMax: 3, onWritable: () => void writable++ }),
    )
    const taken = [1, 2, 3, 4].map((sequence) => session.append(operationOf(handle, sequence)))
    expect(taken).toEqual([true, true, true, false])
    expect(writable).toBe(0)
    await node.world.scheduler.runFor(100)
    expect(writable).toBe(1)
    expect(session.append(operationOf(handle, 5))).toBe(true)
  })

  it('are taken up to the bytes of the credit, and one always', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    const bytes = batchOf(['x'])
    const exact = node.broker.openSession(optionsOf({ inFlightBytesMax: 2 * bytes.length }))
    expect([1, 2, 3].map((n) => exact.append(operationOf(handle, n)))).toEqual([true, true, false])
    const less = node.broker.openSession(optionsOf({ inFlightBytesMax: 2 * bytes.length - 1 }))
    expect([1, 2].map((n) => less.append(operationOf(handle, n)))).toEqual([true, false])
    const tiny = node.broker.openSession(optionsOf({ inFlightBytesMax: 1 }))
    expect(tiny.append(operationOf(handle, 1))).toBe(true)
  })

  it('finish unheard when the session is closed', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    let completions = 0
    const session = node.broker.openSession(optionsOf({ onCompletions: () => void completions++ }))
    session.append(operationOf(handle, 1))
    session.close()
    await node.world.scheduler.runFor(100)
    expect(completions).toBe(0)
    expect(await node.values(handle)).toEqual(['x'])
    expect(() => session.append(operationOf(handle, 2))).toThrow('closed')
  })

  it('borrow the bytes for the call only', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    const bytes = batchOf(['mine'])
    const outcome = node.submit(handle, bytes)
    bytes.fill(0xff)
    expect((await node.run(outcome as Promise<Outcome>)).error).toBeUndefined()
    expect(await node.values(handle)).toEqual(['mine'])
  })
})

describe('an append that cannot be', () => {
  it('is refused by name and leaves no trace', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t', { batchBytesMax: 1_024 })
    const flipped = batchOf(['x'])
    flipped[flipped.length - 1] = (flipped[flipped.length - 1] ?? 0) ^ 1
    const lying = batchOf(['x'])
    lying[11] = 200
    expect(await refusalOf(node, handle, new Uint8Array(0))).toBe('ERR_INVALID_BATCH')
    expect(await refusalOf(node, handle, flipped)).toBe('ERR_BATCH_CHECKSUM')
    expect(await refusalOf(node, handle, lying)).toBe('ERR_INVALID_BATCH')
    expect(await refusalOf(node, handle, batchOf(['x'.repeat(1_000)]))).toBe('ERR_BATCH_TOO_LARGE')
    expect(await refusalOf(node, handle, batchOf(['x']), 1)).toBe('ERR_PARTITION_NOT_FOUND')
    expect(await refusalOf(node, handle, batchOf(['x']), -1)).toBe('ERR_PARTITION_NOT_FOUND')
    expect(await refusalOf(node, handle, batchOf(['x']), 0.5)).toBe('ERR_PARTITION_NOT_FOUND')
    expect(await node.values(handle)).toEqual([])
    expect((await node.append(handle, ['good'])).baseOffset).toBe(0)
  })

  it('takes a batch of the limit and none that is one byte longer', async () => {
    const node = await openNode(newWorld())
    const frame = batchOf(['']).length
    const handle = await node.create('t', { batchBytesMax: 2_000 })
    // Two more bytes go into the longer varints of the record and of its value.
    const largest = batchOf(['x'.repeat(2_000 - frame - 2)])
    expect(largest).toHaveLength(2_000)
    expect(await refusalOf(node, handle, largest)).toBeUndefined()
    expect(await refusalOf(node, handle, batchOf(['x'.repeat(2_000 - frame - 1)]))).toBe(
      'ERR_BATCH_TOO_LARGE',
    )
  })

  it('names a stale handle, also when the topic has come back under its name', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    await node.run(node.broker.deleteTopic(caller, { topic: 't' }))
    expect(await refusalOf(node, handle, batchOf(['x']))).toBe('ERR_STALE_HANDLE')
    const again = await node.create('t')
    expect(await refusalOf(node, handle, batchOf(['x']))).toBe('ERR_STALE_HANDLE')
    expect(await refusalOf(node, again, batchOf(['x']))).toBeUndefined()
  })
})

describe('log-append time', () => {
  it('is in every record and in the completion, under a checksum that holds', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t', { timestampType: 'append' })
    const outcome = await node.append(handle, ['a', 'b'])
    expect(outcome.appendTimestamp).toBeGreaterThan(1_700_000_000_000)
    const { lease } = await node.fetch(handle, 0)
    expect(recordsOf(lease?.parts ?? [])).toHaveLength(2)
    lease?.release()
    const [answer] = await node.run(
      node.broker.listOffsets(caller, { topic: 't', at: { timestamp: outcome.appendTimestamp } }),
    )
    expect(answer).toMatchObject({ offset: 0, timestamp: outcome.appendTimestamp })
  })

  it('leaves the producer its own bytes', () => {
    const bytes = batchOf(['a'])
    const before = bytes.slice()
    expect(withAppendTime(bytes, 5)).not.toEqual(bytes)
    expect(bytes).toEqual(before)
  })
})

describe('after the storage has failed', () => {
  it('no append is told anything any more, and the broker serves no longer', async () => {
    const node = await openNode(newWorld())
    const handle = await node.create('t')
    node.world.disk.inject({ kind: 'sync', code: 'EIO', nth: 1 })
    void node.submit(handle, batchOf(['x']))
    await node.world.scheduler.runUntil(() => node.fatal.length > 0)
    expect((node.fatal[0]?.cause as BrokerError | undefined)?.code).toBe('EIO')
    void node.submit(handle, batchOf(['y']))
    await node.world.scheduler.runFor(1_000)
    expect(node.outcomes).toEqual([])
    expect(node.fatal).toHaveLength(1)
    expect(node.broker.status().isServing).toBe(false)
    await expect(node.run(node.broker.createTopic(caller, { topic: 'u' }))).rejects.toMatchObject({
      code: 'ERR_CLOSED',
    })
  })
})
