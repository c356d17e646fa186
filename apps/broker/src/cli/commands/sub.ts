/** `millrace sub`: the records of a topic on standard output, as payloads or as JSON lines. */
import type { Consumer, ConsumeOptions, ConsumerGapEvent, Message } from '@millrace/client-node'
import { UsageError } from '../failure.ts'
import { writeOut } from '../output.ts'
import { formatMessageLines, formatPayloads } from '../message-format.ts'
import { parseTarget } from '../targets.ts'
import { type ClientOptions, withLastingClient } from '../with-client.ts'
import { subscribeToQueue } from './sub-queue.ts'

export interface SubOptions extends ClientOptions {
  readonly from?: string
  readonly partition?: number
  readonly count?: number
  readonly follow?: boolean
  readonly output?: 'text' | 'jsonl'
  /** Of a queue. */
  readonly ack?: boolean
}

type Bytes = Uint8Array

export const subscribe = async (text: string, options: SubOptions): Promise<void> => {
  const target = parseTarget(text)
  if (target.kind === 'queue') return subscribeToQueue(target.name, options)
  if (target.kind === 'exchange') {
    const next = 'bind a queue to it, and write queue:NAME'
    throw new UsageError('nobody reads from an exchange', next)
  }
  if (options.ack === true) throw new UsageError('--ack is for queues', 'write queue:NAME')
  await subscribeToTopic(target.name, options)
}

const subscribeToTopic = async (topic: string, options: SubOptions): Promise<void> => {
  const consumeOptions = consumeOptionsOf(options)
  await withLastingClient(options, async (client) => {
    const consumer = client.consume<Bytes>(topic, consumeOptions)
    consumer.on('gap', reportGap)
    const onInterrupt = (): void => void consumer.close()
    process.once('SIGINT', onInterrupt)
    process.once('SIGTERM', onInterrupt)
    try {
      await print(consumer, options)
    } finally {
      process.off('SIGINT', onInterrupt)
      process.off('SIGTERM', onInterrupt)
    }
  })
}

const reportGap = ({ partition, from, to, error }: ConsumerGapEvent): void => {
  process.stderr.write(
    `partition ${partition} goes on at ${to} instead of ${from}: ${error.message}\n`,
  )
}

const consumeOptionsOf = ({
  from,
  partition,
  follow = true,
}: SubOptions): ConsumeOptions<Bytes> => ({
  codec: 'bytes',
  follow,
  ...(from === undefined ? {} : { from: parseFrom(from) }),
  ...(partition === undefined ? {} : { partitions: [partition] }),
})

/** A year alone is an offset: a time has at least a month. */
const ISO_TIME = /^\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?)?$/

const parseFrom = (text: string): NonNullable<ConsumeOptions<Bytes>['from']> => {
  if (text === 'start' || text === 'end') return text
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  const date = ISO_TIME.test(text) ? new Date(text) : undefined
  if (date !== undefined && !Number.isNaN(date.getTime())) return date
  const next = 'write start, end, an offset, or a time such as 2026-01-31T12:00:00Z'
  throw new UsageError(`--from '${text}' is no place in a topic`, next)
}

const print = async (consumer: Consumer<Bytes>, options: SubOptions): Promise<void> => {
  const format = options.output === 'jsonl' ? formatMessageLines : formatPayloads
  let missing = options.count ?? Infinity
  for await (const messages of consumer.batches()) {
    const wanted: readonly Message<Bytes>[] =
      messages.length > missing ? messages.slice(0, missing) : messages
    missing -= wanted.length
    await writeOut(format(wanted))
    if (missing === 0) break
  }
}
