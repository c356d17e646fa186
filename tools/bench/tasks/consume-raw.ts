/** Takes a topic's deliveries without looking into the batches: what the broker can send. */
import {
  DELIVER_HEAD_BYTES,
  Opcode,
  createDeliverHead,
  decodeDeliverHead,
  encodeCredit,
  encodeFrame,
  encodeSubscribe,
} from '@millrace/protocol'
import { RawConnection } from './raw-connection.ts'

const CREDIT_BYTES = 4 * 1024 * 1024
const DELIVER_BYTES = 256 * 1024
const SUBSCRIPTION = 1

export interface RawConsumeParameters {
  readonly url: string
  readonly topic: string
  /** Read up to here, in partition 0. */
  readonly endOffset: number
}

export interface RawConsumed {
  /** Of whole batches. */
  readonly byteCount: number
  readonly elapsedMs: number
}

/** Rejects when a delivery does not lead on from the one before: it would never end. */
const readAll = (connection: RawConnection, endOffset: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const head = createDeliverHead()
    let byteCount = 0
    let owedBytes = 0
    let lastOffset = 0
    connection.handlers = {
      onFrame: ({ opcode, body }) => {
        if (opcode !== Opcode.DELIVER) return
        const { nextOffset } = decodeDeliverHead(body, head)
        const bytes = body.length - DELIVER_HEAD_BYTES
        if (nextOffset <= lastOffset) reject(new Error(`offset ${nextOffset} was delivered again`))
        lastOffset = nextOffset
        byteCount += bytes
        owedBytes += bytes
        if (nextOffset >= endOffset) resolve(byteCount)
      },
      onTurn: () => {
        if (owedBytes < CREDIT_BYTES / 4) return
        const body = encodeCredit({ subscription: SUBSCRIPTION, bytes: owedBytes })
        connection.write(encodeFrame(Opcode.CREDIT, 0, SUBSCRIPTION, body))
        owedBytes = 0
      },
    }
  })

export const consumeRaw = async (parameters: RawConsumeParameters): Promise<RawConsumed> => {
  const connection = await RawConnection.open(parameters.url)
  try {
    const startedAt = performance.now()
    const reading = readAll(connection, parameters.endOffset)
    const body = encodeSubscribe({
      subscription: SUBSCRIPTION,
      topic: parameters.topic,
      from: 'earliest',
      credit: CREDIT_BYTES,
      maxBytesPerDeliver: DELIVER_BYTES,
    })
    await connection.call(Opcode.SUBSCRIBE, body)
    const byteCount = await Promise.race([reading, connection.failed])
    return { byteCount, elapsedMs: performance.now() - startedAt }
  } finally {
    connection.close()
  }
}
