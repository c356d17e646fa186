/** Closed loop through the SDK: as fast as `write` and `ready` let it. */
import { type Producer, type ProducerOptions, connect } from '@millrace/client-node'
import { payloadOf } from './payload.ts'
import type { Report } from './tasks.ts'

/** Between two looks at the clock. */
const WRITES_PER_LOOK = 256

export interface ProduceParameters {
  readonly url: string
  readonly topic: string
  readonly payloadBytes: number
  /** Ends at whichever comes first. */
  readonly durationMs?: number
  readonly recordCount?: number
  /** Above 0: record after record to the next of so many partitions. 0: as the SDK chooses. */
  readonly spreadOver?: number
  /** Told each time so many more records are written. */
  readonly reportEveryCount?: number
  readonly options?: ProducerOptions<Uint8Array>
}

export interface Produced {
  readonly recordCount: number
  readonly payloadBytes: number
  /** From the first write to the last acknowledgement. */
  readonly elapsedMs: number
}

type Outgoing = Parameters<Producer<Uint8Array>['write']>[0]

/** Made once: the loop hands out the same objects again and again. */
const messagesOf = ({ payloadBytes, spreadOver = 0 }: ProduceParameters): Outgoing[] => {
  const value = payloadOf(payloadBytes)
  if (spreadOver === 0) return [value]
  return Array.from({ length: spreadOver }, (_, partition) => ({ value, partition }))
}

const writeAll = async (
  producer: Producer<Uint8Array>,
  parameters: ProduceParameters,
  report: Report,
): Promise<number> => {
  const { durationMs = Infinity, recordCount = Infinity, reportEveryCount = Infinity } = parameters
  const messages = messagesOf(parameters)
  const endAt = performance.now() + durationMs
  let count = 0
  let reportAt = reportEveryCount
  while (count < recordCount && performance.now() < endAt) {
    const until = Math.min(recordCount, count + WRITES_PER_LOOK)
    let hasRoom = true
    while (hasRoom && count < until) {
      hasRoom = producer.write(messages[count % messages.length] as Outgoing)
      count += 1
    }
    if (count >= reportAt) {
      report(count)
      reportAt += reportEveryCount
    }
    if (!hasRoom) await producer.ready()
  }
  return count
}

export const produceWithClient = async (
  parameters: ProduceParameters,
  report: Report,
): Promise<Produced> => {
  const { url, topic, options } = parameters
  const client = await connect(url)
  try {
    const producer = client.producer<Uint8Array>(topic, { codec: 'bytes', ...options })
    // The topic is opened before the clock runs.
    await producer.ready()
    const startedAt = performance.now()
    const recordCount = await writeAll(producer, parameters, report)
    await producer.flush()
    const elapsedMs = performance.now() - startedAt
    return { recordCount, payloadBytes: recordCount * parameters.payloadBytes, elapsedMs }
  } finally {
    await client.close()
  }
}
