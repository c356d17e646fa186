import { BrokerError } from '@millrace/codec'
import { ConfirmRuns } from '../../src/queue/confirm-runs.ts'
import type { OpenBatch, StoredWaiter } from '../../src/queue/open-batch.ts'
import type { Queue } from '../../src/queue/queue.ts'

const start = () => {
  const told: string[] = []
  const deferred: (() => void)[] = []
  const timers = { defer: (run: () => void) => void deferred.push(run), after: undefined as never }
  const confirms = new ConfirmRuns(timers, (from, to, error) =>
    told.push(`${from}-${to}${error === undefined ? '' : ` ${error.code}`}`),
  )
  const run = (): void => {
    for (const each of deferred.splice(0)) each()
  }
  /** One publication, to these batches. */
  const publish = (...batches: OpenBatch[]): void => {
    confirms.begin()
    for (const batch of batches) confirms.batch(batch)
    confirms.end(10)
  }
  return { confirms, told, run, publish }
}

const batch = (): OpenBatch & { settle(error?: BrokerError): void } => {
  const waiters: StoredWaiter[] = []
  const settle = (error?: BrokerError): void => {
    for (const waiter of waiters)
      if (error === undefined) waiter.stored()
      else waiter.refused(error)
  }
  return { waiters, awaitedBy: (waiter: StoredWaiter) => waiters.push(waiter), settle } as never
}

const full = new BrokerError('ERR_STORAGE_FULL', ['x'])

describe('confirms', () => {
  it('come in one range for all that shares a batch, when it is stored', () => {
    const { told, run, publish, confirms } = start()
    const one = batch()
    for (let count = 0; count < 5; count++) publish(one)
    expect([confirms.count, confirms.bytes, one.waiters.length]).toEqual([5, 50, 1])
    run()
    expect(told).toEqual([])
    one.settle()
    run()
    expect(told).toEqual(['1-5'])
    expect([confirms.count, confirms.bytes]).toEqual([0, 0])
  })

  it('wait for those before them, whatever is stored first', () => {
    const { told, run, publish } = start()
    const [one, two] = [batch(), batch()]
    publish(one)
    publish()
    publish(two)
    two.settle()
    run()
    expect(told).toEqual([])
    one.settle()
    run()
    expect(told).toEqual(['1-3'])
  })

  it('wait for every batch of a message that goes to several', () => {
    const { told, run, publish } = start()
    const [one, two] = [batch(), batch()]
    publish(one, two)
    publish(one)
    one.settle()
    run()
    expect(told).toEqual([])
    two.settle()
    run()
    expect(told).toEqual(['1-2'])
  })

  it('tell refusals apart, in order', () => {
    const { told, run, publish, confirms } = start()
    const [one, two, three] = [batch(), batch(), batch()]
    publish(one)
    publish(two)
    confirms.begin()
    confirms.refused({ name: 'q' } as Queue)
    confirms.end(1)
    publish()
    publish(three)
    one.settle()
    two.settle(full)
    three.settle()
    run()
    expect(told).toEqual(['1-1', '2-2 ERR_STORAGE_FULL', '3-3 ERR_MESSAGE_REFUSED', '4-5'])
  })

  it('are not told when nobody listens any more', () => {
    const { told, run, publish, confirms } = start()
    const one = batch()
    publish(one)
    confirms.close()
    one.settle()
    run()
    expect(told).toEqual([])
  })
})
