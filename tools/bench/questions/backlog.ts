/** A topic that was written some time ago: in files, with nothing of it in the broker's memory. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from '@millrace/client-node'
import type { Bench } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'

export interface Backlog {
  readonly topic: string
  readonly recordCount: number
  /** Of whole batches, as they are stored and sent. */
  readonly byteCount: number
  readonly paths: readonly string[]
}

export interface BacklogWish {
  readonly payloadBytes: number
  readonly recordCount: number
  /** Of the broker that it is read from. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface ReadableBacklog {
  readonly broker: BrokerUnderTest
  readonly backlog: Backlog
}

const segmentFiles = async (dataDir: string): Promise<string[]> => {
  const names = await readdir(dataDir, { recursive: true })
  const segments = names.filter((name) => /(^|\/)logs\/[1-9]\d*\/[^/]+\.log$/.test(name))
  return segments.sort().map((name) => join(dataDir, name))
}

/** Writes the topic and starts the broker again: what is read comes from files, not from memory. */
export const prepareBacklog = async (bench: Bench, wish: BacklogWish): Promise<ReadableBacklog> => {
  const { payloadBytes, recordCount, settings = {} } = wish
  const dataDir = bench.path('data')
  const topic = bench.name('topic')
  const first = await bench.broker({ dataDir })
  const client = await connect(first.url)
  await client.admin.createTopic(topic)
  await client.close()
  const generator = bench.worker('filler')
  await generator.run('produceWithClient', { url: first.url, topic, payloadBytes, recordCount })
  await first.kill()
  const broker = await bench.broker({ dataDir, settings })
  const second = await connect(broker.url)
  const description = await second.admin.describeTopic(topic)
  await second.close()
  const byteCount = description.partitions.reduce((sum, { bytes }) => sum + bytes, 0)
  const paths = await segmentFiles(dataDir)
  return { broker, backlog: { topic, recordCount, byteCount, paths } }
}
