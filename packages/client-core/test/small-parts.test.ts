import { backoffMs } from '../src/backoff.ts'
import { QueuedIterator } from '../src/consumer/queued-iterator.ts'
import { DeliveryQueue } from '../src/consumer/delivery-queue.ts'
import { Emitter } from '../src/emitter.ts'
import { MessageHeaders, toRecordHeaders } from '../src/headers.ts'
import { abortable } from '../src/wait.ts'
import { codeOf } from './support/open-fake.ts'

describe('the backoff', () => {
  it('doubles up to the ceiling, with full jitter and never 0', () => {
    const options = { initialMs: 100, ceilingMs: 1_000 }
    expect([0, 1, 2, 3, 4, 5_000].map((attempt) => backoffMs(options, attempt, 0.999_999))).toEqual(
      [100, 200, 400, 800, 1_000, 1_000],
    )
    expect(backoffMs(options, 9, 0)).toBe(1)
    expect(backoffMs(options, 0, 0.5)).toBe(51)
  })
})

describe('an emitter', () => {
  it('calls who listens, until they leave, the same function twice if it came twice', () => {
    const emitter = new Emitter<{ news: number }>()
    const heard: number[] = []
    const listener = (value: number): unknown => heard.push(value)
    expect(emitter.emit('news', 0)).toBe(false)
    const leaveFirst = emitter.on('news', listener)
    const leaveSecond = emitter.on('news', listener)
    expect(emitter.emit('news', 1)).toBe(true)
    leaveFirst()
    leaveFirst()
    emitter.emit('news', 2)
    leaveSecond()
    emitter.emit('news', 3)
    expect(heard).toEqual([1, 1, 2])
  })
})

describe('headers', () => {
  it('keep their order and their repetitions, as a map or as pairs', () => {
    const map = toRecordHeaders({ b: ['1', null], a: Uint8Array.of(1) })
    expect(map.map(({ key, value }) => [key, value && [...value]])).toEqual([
      ['b', [49]],
      ['b', null],
      ['a', [1]],
    ])
    const pairs = new Map([['x', 'y']])
    expect(toRecordHeaders(pairs, map)).toHaveLength(4)
    const headers = new MessageHeaders(map)
    expect([headers.get('b'), headers.get('c'), headers.has('a')]).toEqual(['1', undefined, true])
    expect(new MessageHeaders(map.slice(1)).get('b')).toBeNull()
    expect([...headers].map(([name]) => name)).toEqual(['b', 'b', 'a'])
  })
})

describe('a queue of deliveries', () => {
  it('takes turns and keeps the order within a partition', () => {
    const queue = new DeliveryQueue()
    const push = (partition: number, nextOffset: number): void =>
      queue.push({ partition, nextOffset, bytes: new Uint8Array(0), isGap: false })
    push(0, 1)
    push(0, 2)
    push(1, 1)
    expect(queue.lastOf(0)?.nextOffset).toBe(2)
    const taken = [1, 2, 3, 4].map(() => queue.take())
    expect(taken.map((delivery) => delivery && [delivery.partition, delivery.nextOffset])).toEqual([
      [0, 1],
      [1, 1],
      [0, 2],
      undefined,
    ])
    push(1, 2)
    expect(queue.isEmpty).toBe(false)
    expect(queue.take()?.partition).toBe(1)
    expect(queue.isEmpty).toBe(true)
  })
})

describe('a queued iterator', () => {
  const source = (
    lists: number[][],
  ): ConstructorParameters<typeof QueuedIterator<{ n: number }>>[0] & {
    closed: number
  } => {
    let hand: number[] = []
    return {
      closed: 0,
      takeNow: () => {
        const n = hand.shift()
        return n === undefined ? undefined : { n }
      },
      refill: async () => {
        hand = [...(lists.shift() ?? [])]
        await Promise.resolve()
        return hand.length > 0
      },
      close() {
        this.closed += 1
        return Promise.resolve()
      },
    }
  }

  it('gives out what is in hand without asking for more', async () => {
    const iterator = new QueuedIterator(source([[1, 2], [3]]))
    const seen: number[] = []
    for await (const { n } of iterator) seen.push(n)
    expect(seen).toEqual([1, 2, 3])
  })

  it('closes its source when the reader leaves', async () => {
    const from = source([[1, 2]])
    for await (const { n } of new QueuedIterator(from)) if (n === 1) break
    expect(from.closed).toBe(1)
  })

  it('throws once, and is done then', async () => {
    const from = source([])
    from.refill = () => Promise.reject(new Error('broken'))
    const iterator = new QueuedIterator(from)
    await expect(iterator.next()).rejects.toThrow('broken')
    await expect(iterator.next()).resolves.toEqual({ done: true, value: undefined })
  })
})

describe('a wait', () => {
  it('is what it waits for, unless the signal comes first', async () => {
    const controller = new AbortController()
    await expect(abortable(Promise.resolve(1), controller.signal)).resolves.toBe(1)
    const endless = codeOf(abortable(new Promise(() => undefined), controller.signal))
    controller.abort()
    expect(await endless).toBe('ERR_ABORTED')
    expect(await codeOf(abortable(Promise.resolve(1), controller.signal))).toBe('ERR_ABORTED')
  })
})
