/** Several consumers, a raw connection each, which share the partitions of a new topic among them. */
import {
  DELIVER_HEAD_BYTES,
  Opcode,
  createDeliverHead,
  decodeDeliverHead,
  encodeCredit,
  encodeFrame,
  encodeSubscribe,
} from '@millrace/protocol'
import { sharedNow } from './now.ts'
import { type SharedPartitions, partitionsOf } from './produce-partitions.ts'
import { RawConnection } from './raw-connection.ts'
import type { Report } from './tasks.ts'

const SUBSCRIPTION = 1
const DELIVER_BYTES = 256 * 1024

export interface ConsumePartitionsParameters extends SharedPartitions {
  /** Of all consumers together. */
  readonly creditBytes: number
  readonly recordCount: number
}

class PartitionsReader {
  readonly #connection: RawConnection
  readonly #creditBytes: number
  readonly #onRecords: (count: number) => void
  readonly #nextOffsets = new Map<number, number>()
  readonly #head = createDeliverHead()
  #owedBytes = 0

  constructor(connection: RawConnection, creditBytes: number, onRecords: (count: number) => void) {
    this.#connection = connection
    this.#creditBytes = creditBytes
    this.#onRecords = onRecords
    connection.handlers = {
      onFrame: ({ opcode, body }) => {
        if (opcode === Opcode.DELIVER) this.#accept(body)
      },
      onTurn: () => this.#giveCredit(),
    }
  }

  async subscribe(topic: string, partitions: readonly number[]): Promise<void> {
    const body = encodeSubscribe({
      subscription: SUBSCRIPTION,
      topic,
      partitions,
      from: 'earliest',
      credit: this.#creditBytes,
      maxBytesPerDeliver: DELIVER_BYTES,
    })
    await this.#connection.call(Opcode.SUBSCRIBE, body)
  }

  #accept(body: Uint8Array): void {
    const { partition, nextOffset } = decodeDeliverHead(body, this.#head)
    this.#onRecords(nextOffset - (this.#nextOffsets.get(partition) ?? 0))
    this.#nextOffsets.set(partition, nextOffset)
    this.#owedBytes += body.length - DELIVER_HEAD_BYTES
  }

  #giveCredit(): void {
    if (this.#owedBytes < this.#creditBytes / 4) return
    const body = encodeCredit({ subscription: SUBSCRIPTION, bytes: this.#owedBytes })
    this.#connection.write(encodeFrame(Opcode.CREDIT, 0, SUBSCRIPTION, body))
    this.#owedBytes = 0
  }
}

/** Reports once all are subscribed; resolves with the moment the last record came. */
export const consumePartitions = async (
  parameters: ConsumePartitionsParameters,
  report: Report,
): Promise<{ endedAt: number }> => {
  const { url, topic, connectionCount, creditBytes, recordCount } = parameters
  const connections: RawConnection[] = []
  let leftCount = recordCount
  let finish: () => void = () => undefined
  const finished = new Promise<void>((resolve) => (finish = resolve))
  const onRecords = (count: number): void => {
    leftCount -= count
    if (leftCount <= 0) finish()
  }
  try {
    for (let index = 0; index < connectionCount; index++) {
      const connection = await RawConnection.open(url)
      connections.push(connection)
      const reader = new PartitionsReader(connection, creditBytes / connectionCount, onRecords)
      await reader.subscribe(topic, partitionsOf(parameters, index))
    }
    report(connectionCount)
    await Promise.race([finished, ...connections.map(({ failed }) => failed)])
    return { endedAt: sharedNow() }
  } finally {
    for (const connection of connections) connection.close()
  }
}
