/** A client of a fake broker with queues, on one connection or on several in turn. */
import type { ConnectOptions } from '../../src/options.ts'
import { type Cluster, openCluster } from '../support/cluster.ts'
import type { FakeBroker } from '../support/fake-broker.ts'
import { FakeQueues } from '../support/fake-queues.ts'

export interface QueueFixture extends Cluster {
  readonly broker: FakeBroker
  readonly queues: FakeQueues
}

export const openQueues = async (
  names: readonly string[] = ['jobs'],
  options: ConnectOptions = {},
): Promise<QueueFixture> => {
  let queues!: FakeQueues
  const setUp = (broker: FakeBroker): void => {
    queues = new FakeQueues(broker)
    for (const name of names) queues.addQueue(name)
  }
  const cluster = await openCluster(1, setUp, options)
  return { ...cluster, broker: cluster.brokers[0] as FakeBroker, queues }
}

/** The first so many, as they come. */
export const takeFrom = async <T>(iterable: AsyncIterable<T>, count: number): Promise<T[]> => {
  const taken: T[] = []
  for await (const item of iterable) {
    taken.push(item)
    if (taken.length === count) break
  }
  return taken
}
