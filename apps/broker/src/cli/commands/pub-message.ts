/** `millrace pub exchange:NAME/KEY` and `queue:NAME`: messages instead of records. */
import type { Client, Exchange, MessageOptions, Queue } from '@millrace/client-node'
import { parseDuration } from '../../config/units.ts'
import { CommandError, UsageError } from '../failure.ts'
import { LineSplitter } from '../line-splitter.ts'
import { formatJson, formatJsonLines } from '../output.ts'
import { Progress } from '../progress.ts'
import type { Target } from '../targets.ts'
import { withClient, withLastingClient } from '../with-client.ts'
import { checkLines, type Headers, parseHeaders, type PubOptions, readInput } from './pub-input.ts'

type Bytes = Uint8Array

/** A topic is not one of them. */
export type MessageTarget = Exclude<Target, { readonly kind: 'topic' }>

/** Whatever it is published to. */
interface Sink {
  publish(body: Bytes, options: MessageOptions): Promise<{ readonly targets: number }>
  write(body: Bytes, options: MessageOptions): boolean
  readonly handle: Queue<Bytes> | Exchange<Bytes>
}

const sinkOf = (client: Client, target: MessageTarget): Sink => {
  if (target.kind === 'queue') {
    const queue = client.queue<Bytes>(target.name, { codec: 'bytes' })
    return {
      publish: async (body, options) => {
        await queue.send(body, options)
        return { targets: 1 }
      },
      write: (body, options) => queue.write(body, options),
      handle: queue,
    }
  }
  const exchange = client.exchange<Bytes>(target.name, { codec: 'bytes' })
  const { routingKey = '' } = target
  return {
    publish: (body, options) => exchange.publish(routingKey, body, options),
    write: (body, options) => exchange.write(routingKey, body, options),
    handle: exchange,
  }
}

const timeOf = (flag: string, text: string): number => {
  const timeMs = parseDuration(text)
  if (timeMs !== undefined) return timeMs
  throw new UsageError(`${flag} '${text}' is no time`, 'write a number and a unit, such as 10m')
}

const messageOptionsOf = (options: PubOptions, headers: Headers): MessageOptions => ({
  ...(headers.length === 0 ? {} : { headers }),
  ...(options.ttl === undefined ? {} : { ttlMs: timeOf('--ttl', options.ttl) }),
  ...(options.delay === undefined ? {} : { delayMs: timeOf('--delay', options.delay) }),
  ...(options.priority === undefined ? {} : { priority: options.priority }),
  ...(options.messageId === undefined ? {} : { messageId: options.messageId }),
  ...(options.key === undefined ? {} : { key: options.key }),
  ...(options.transient === true ? { persistent: false } : {}),
})

const checkOptions = (options: PubOptions): void => {
  const ofTopics = [
    ['--partition', options.partition],
    ['--compression', options.compression],
    ['--key-separator', options.keySeparator],
  ] as const
  for (const [flag, value] of ofTopics) {
    if (value === undefined) continue
    throw new UsageError(`${flag} is for topics`, 'leave it out for an exchange or a queue')
  }
}

export const publishMessage = async (
  target: MessageTarget,
  body: string | undefined,
  options: PubOptions,
): Promise<void> => {
  checkOptions(options)
  checkLines(body, options)
  const message = messageOptionsOf(options, parseHeaders(options.header ?? []))
  if (options.lines === true) await publishLines(target, message, options)
  else await publishOne(target, body, message, options)
}

const publishOne = async (
  target: MessageTarget,
  body: string | undefined,
  message: MessageOptions,
  options: PubOptions,
): Promise<void> => {
  const payload = body === undefined ? await readInput() : Buffer.from(body)
  const { targets } = await withClient(options, (client) =>
    sinkOf(client, target).publish(payload, message),
  )
  if (options.output === 'json') process.stdout.write(formatJson({ targets }))
  else if (options.output === 'jsonl') process.stdout.write(formatJsonLines([{ targets }]))
  if (targets > 0) return
  const text = `nobody took the message: no binding of '${target.name}' matches it`
  throw new CommandError(text, 'see `millrace binding list`, or bind a queue to it')
}

const publishLines = async (
  target: MessageTarget,
  message: MessageOptions,
  options: PubOptions,
): Promise<void> => {
  const progress = new Progress(process.stderr)
  await withLastingClient(options, async (client) => {
    const sink = sinkOf(client, target)
    let isFull = false
    const splitter = new LineSplitter((line) => {
      if (!sink.write(line, message)) isFull = true
      progress.add(line.length)
    })
    try {
      for await (const chunk of process.stdin) {
        splitter.push(chunk as Buffer)
        if (isFull) await sink.handle.ready()
        isFull = false
      }
      splitter.end()
      await sink.handle.flush()
    } finally {
      progress.stop()
    }
  })
  if (options.output !== undefined)
    process.stdout.write(formatJsonLines([{ acknowledged: progress.count }]))
}
