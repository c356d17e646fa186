import { BrokerError, utf8Decode } from '@millrace/codec'
import type { Delivery } from '../../src/queue/delivery.ts'
import type { WorkFailure } from '../../src/queue/worker.ts'
import { settle } from '../support/fake-platform.ts'
import { openQueues, type QueueFixture } from './support.ts'

const fill = ({ queues }: QueueFixture, count: number): void => {
  for (let index = 1; index <= count; index++) queues.push('jobs', { text: String(index) })
}

/** A handler that a test finishes by hand. */
const manual = (): {
  readonly running: Map<unknown, { resolve: () => void; reject: (error: Error) => void }>
  readonly handler: (delivery: Delivery<unknown>) => Promise<void>
} => {
  const running = new Map<unknown, { resolve: () => void; reject: (error: Error) => void }>()
  const handler = (delivery: Delivery<unknown>): Promise<void> =>
    new Promise((resolve, reject) => running.set(delivery.payload, { resolve, reject }))
  return { running, handler }
}

it('runs a handler for each message and acknowledges what it finished', async () => {
  const fixture = await openQueues()
  fill(fixture, 3)
  const seen: unknown[] = []
  const worker = fixture.client.work('jobs', ({ payload }, { attempt }) => {
    seen.push([payload, attempt])
  })
  await settle()
  expect(seen).toEqual([
    [1, 1],
    [2, 1],
    [3, 1],
  ])
  expect(fixture.queues.inFlight.size).toBe(0)
  await worker.close()
  await expect(worker.closed).resolves.toBeUndefined()
  await fixture.client.close()
})

it('runs no more handlers at once than it may', async () => {
  const fixture = await openQueues()
  fill(fixture, 5)
  const { running, handler } = manual()
  const worker = fixture.client.work('jobs', handler, { concurrency: 2 })
  await settle()
  expect([...running.keys()]).toEqual([1, 2])
  running.get(2)?.resolve()
  await settle()
  expect([...running.keys()]).toEqual([1, 2, 3])
  expect(worker.runningCount).toBe(2)
  for (const { resolve } of running.values()) resolve()
  await settle()
  for (const { resolve } of running.values()) resolve()
  await settle()
  expect(fixture.queues.inFlight.size).toBe(0)
  await worker.close()
  await fixture.client.close()
})

it('tries again after longer and longer waits, then leaves it to the queue', async () => {
  const fixture = await openQueues()
  fixture.platform.randomValue = 0.999
  fill(fixture, 1)
  const attempts: number[] = []
  const failures: WorkFailure<unknown>[] = []
  const worker = fixture.client.work(
    'jobs',
    (_delivery, { attempt }) => {
      attempts.push(attempt)
      throw new Error(`attempt ${attempt}`)
    },
    {
      retries: 2,
      backoff: { delayMsMin: 1_000, delayMsMax: 1_500 },
      onFailure: (failure) => failures.push(failure),
    },
  )
  await settle()
  expect(attempts).toEqual([1])
  fixture.platform.advance(998)
  await settle()
  expect(attempts).toEqual([1])
  fixture.platform.advance(2)
  await settle()
  expect(attempts).toEqual([1, 2])
  fixture.platform.advance(1_500)
  await settle()
  expect(attempts).toEqual([1, 2, 3])
  await settle()
  expect(fixture.queues.settlements).toEqual(['requeue 1', 'requeue 2', 'reject 3'])
  expect(failures.map(({ attempt, willRetry }) => [attempt, willRetry])).toEqual([
    [1, true],
    [2, true],
    [3, false],
  ])
  await worker.close()
  await fixture.client.close()
})

it('moves what failed for good to an exchange, and settles it with that', async () => {
  const fixture = await openQueues(['jobs', 'failed'])
  fill(fixture, 1)
  const worker = fixture.client.work('jobs', () => Promise.reject(new Error('no')), {
    retries: 0,
    deadLetter: { exchange: '', routingKey: 'failed' },
  })
  await settle()
  expect(fixture.queues.textsOf('failed')).toEqual(['1'])
  expect(fixture.queues.settlements).toEqual(['ack 1'])
  expect(fixture.queues.published.map(({ payload }) => utf8Decode(payload))).toEqual(['1'])
  await worker.close()
  await fixture.client.close()
})

it('keeps a message that could not be moved, and tries once more', async () => {
  const fixture = await openQueues(['jobs'])
  fill(fixture, 1)
  const worker = fixture.client.work('jobs', () => Promise.reject(new Error('no')), {
    retries: 0,
    deadLetter: { exchange: 'nowhere', routingKey: 'failed' },
  })
  await settle()
  expect(fixture.queues.inFlight.size).toBe(1)
  fixture.platform.advance(60_000)
  await settle()
  expect(fixture.queues.settlements).toEqual(['requeue 1'])
  await worker.close()
  await fixture.client.close()
})

it('leaves alone what the handler has settled itself', async () => {
  const fixture = await openQueues()
  fill(fixture, 2)
  const worker = fixture.client.work('jobs', (delivery) => {
    void delivery.nack({ requeue: false })
    if (delivery.payload === 2) throw new Error('afterwards')
  })
  await settle()
  expect(fixture.queues.settlements.join()).toBe('reject 1,2')
  await worker.close()
  await fixture.client.close()
})

describe('closing', () => {
  it('waits for handlers, tells them, and gives back what waits for an attempt', async () => {
    const fixture = await openQueues()
    fill(fixture, 3)
    const { running, handler } = manual()
    let signal: AbortSignal | undefined
    const worker = fixture.client.work(
      'jobs',
      (delivery, context) => {
        signal = context.signal
        if (delivery.payload === 1) throw new Error('later')
        return handler(delivery)
      },
      { concurrency: 1 },
    )
    await settle()
    let isClosed = false
    const closing = worker.close().then(() => (isClosed = true))
    await settle()
    expect([isClosed, signal?.aborted]).toEqual([false, true])
    running.get(2)?.resolve()
    await closing
    await settle()
    expect(fixture.queues.textsOf('jobs')).toEqual(['1', '3'])
    expect(fixture.queues.inFlight.size).toBe(0)
    await fixture.client.close()
  })

  it('happens with the client, in order', async () => {
    const fixture = await openQueues()
    fill(fixture, 1)
    const { running, handler } = manual()
    const worker = fixture.client.work('jobs', handler)
    await settle()
    const draining = fixture.client.drain()
    await settle()
    running.get(1)?.resolve()
    await draining
    await expect(worker.closed).resolves.toBeUndefined()
    expect(fixture.queues.settlements).toEqual(['ack 1'])
  })
})

it('is over with the error when the queue is gone', async () => {
  const fixture = await openQueues()
  const worker = fixture.client.work('jobs', () => undefined)
  await worker.ready()
  fixture.queues.endConsumers(new BrokerError('ERR_QUEUE_DELETED', ['jobs']))
  await expect(worker.closed).resolves.toMatchObject({ code: 'ERR_QUEUE_DELETED' })
  await fixture.client.close()
})

it('goes on after a lost connection', async () => {
  const fixture = await openQueues()
  fill(fixture, 1)
  const { running, handler } = manual()
  const worker = fixture.client.work('jobs', handler)
  await settle()
  await fixture.drop()
  running.get(1)?.resolve()
  running.clear()
  await fixture.recover()
  await settle()
  // Its ack was void, so it comes again.
  expect([...running.keys()]).toEqual([1])
  running.get(1)?.resolve()
  await settle()
  expect(fixture.queues.textsOf('jobs')).toEqual([])
  await worker.close()
  await fixture.client.close()
})
