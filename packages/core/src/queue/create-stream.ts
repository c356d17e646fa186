/** The topic that a stream is, made with its queue. */
import type { QueueSettings } from '../engine/messaging.ts'
import type { TopicRegistry } from '../topic/topic-registry.ts'

export const createStream = async (
  topics: TopicRegistry,
  namespace: string,
  name: string,
  { retentionMs, bytesMax }: Partial<QueueSettings>,
): Promise<void> => {
  const settings = {
    ...(retentionMs === undefined ? {} : { retentionMs }),
    ...(bytesMax === undefined ? {} : { retentionBytes: bytesMax }),
  }
  await topics.create({ namespace, name, partitions: 1, settings, ifNotExists: true })
}
