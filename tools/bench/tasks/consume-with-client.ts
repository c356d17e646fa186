/** Reads a topic through the SDK from its start to what was there at the beginning. */
import { connect } from '@millrace/client-node'

export interface ConsumeParameters {
  readonly url: string
  readonly topic: string
}

export interface Consumed {
  readonly recordCount: number
  readonly elapsedMs: number
}

export const consumeWithClient = async (parameters: ConsumeParameters): Promise<Consumed> => {
  const client = await connect(parameters.url)
  try {
    const startedAt = performance.now()
    let recordCount = 0
    const consumer = client.consume<Uint8Array>(parameters.topic, {
      from: 'start',
      follow: false,
      codec: 'bytes',
    })
    for await (const messages of consumer.batches()) recordCount += messages.length
    return { recordCount, elapsedMs: performance.now() - startedAt }
  } finally {
    await client.close()
  }
}
