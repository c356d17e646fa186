/**
 * `millrace pub`: one record from the command line or standard input, or one for each line of it.
 * Ends with 0 only when everything is acknowledged.
 */
import type { MessageEnvelope, Producer, ProducerOptions } from '@millrace/client-node'
import { CommandError, UsageError } from '../failure.ts'
import { LineSplitter } from '../line-splitter.ts'
import { formatJson, formatJsonLines } from '../output.ts'
import { Progress } from '../progress.ts'
import { parseTarget } from '../targets.ts'
import { withClient, withLastingClient } from '../with-client.ts'
import { checkLines, type Headers, parseHeaders, type PubOptions, readInput } from './pub-input.ts'
import { publishMessage } from './pub-message.ts'

type Bytes = Uint8Array

export const publish = async (
  text: string,
  body: string | undefined,
  options: PubOptions,
): Promise<void> => {
  const target = parseTarget(text)
  if (target.kind !== 'topic') return publishMessage(target, body, options)
  await publishRecords(target.name, body, options)
}

const publishRecords = async (
  topic: string,
  body: string | undefined,
  options: PubOptions,
): Promise<void> => {
  checkOptions(body, options)
  const headers = parseHeaders(options.header ?? [])
  if (options.lines === true) await publishLines(topic, headers, options)
  else await publishOne(topic, body, headers, options)
}

const checkOptions = (body: string | undefined, options: PubOptions): void => {
  const { lines, key, keySeparator } = options
  checkLines(body, options)
  const ofMessages = [
    options.ttl,
    options.delay,
    options.priority,
    options.messageId,
    options.transient,
  ]
  if (ofMessages.some((value) => value !== undefined)) {
    const text = '--ttl, --delay, --priority, --message-id and --transient are for messages'
    throw new UsageError(text, 'write exchange:NAME/KEY or queue:NAME')
  }
  if (keySeparator !== undefined && lines !== true) {
    throw new UsageError('--key-separator splits lines', 'give --lines as well, or use --key')
  }
  if (keySeparator === '')
    throw new UsageError('--key-separator is empty', 'give at least one character')
  if (keySeparator !== undefined && key !== undefined) {
    throw new UsageError('--key and --key-separator both say the key', 'give one of them')
  }
}

const producerOptions = ({ compression = 'none' }: PubOptions): ProducerOptions<Bytes> => ({
  codec: 'bytes',
  compression,
})

const publishOne = async (
  topic: string,
  body: string | undefined,
  headers: Headers,
  options: PubOptions,
): Promise<void> => {
  const value = body === undefined ? await readInput() : Buffer.from(body)
  const { partition, key = null, output } = options
  const stored = await withClient(options, (client) => {
    const producer = client.producer<Bytes>(topic, producerOptions(options))
    return producer.send({ value, key, headers, ...(partition === undefined ? {} : { partition }) })
  })
  if (output === 'json') process.stdout.write(formatJson(stored))
  else if (output === 'jsonl') process.stdout.write(formatJsonLines([stored]))
  else if (process.stderr.isTTY) {
    process.stderr.write(`stored in ${stored.topic} at ${stored.partition}/${stored.offset}\n`)
  }
}

const publishLines = async (
  topic: string,
  headers: Headers,
  options: PubOptions,
): Promise<void> => {
  const progress = new Progress(process.stderr)
  await withLastingClient(options, async (client) => {
    const producer = client.producer<Bytes>(topic, producerOptions(options))
    try {
      await new LinePublisher(producer, progress, headers, options).run()
    } finally {
      progress.stop()
    }
  })
  const { count } = progress
  if (options.output !== undefined)
    process.stdout.write(formatJsonLines([{ topic, acknowledged: count }]))
}

class LinePublisher {
  readonly #producer: Producer<Bytes>
  readonly #progress: Progress
  readonly #splitter: LineSplitter
  readonly #separator: Buffer | undefined
  /** Reused: the producer copies what it keeps. */
  readonly #envelope: {
    -readonly [Key in keyof MessageEnvelope<Bytes>]: MessageEnvelope<Bytes>[Key]
  }
  #isFull = false
  #isInterrupted = false
  #failedCount = 0

  constructor(
    producer: Producer<Bytes>,
    progress: Progress,
    headers: Headers,
    options: PubOptions,
  ) {
    this.#producer = producer
    this.#progress = progress
    this.#splitter = new LineSplitter((line) => this.#write(line))
    const { keySeparator, key = null, partition } = options
    this.#separator = keySeparator === undefined ? undefined : Buffer.from(keySeparator)
    this.#envelope = { value: null, key }
    if (headers.length > 0) this.#envelope.headers = headers
    if (partition !== undefined) this.#envelope.partition = partition
    producer.on('error', ({ messageCount }) => (this.#failedCount += messageCount))
  }

  async run(): Promise<void> {
    const onInterrupt = (): void => this.#interrupt()
    process.once('SIGINT', onInterrupt)
    process.once('SIGTERM', onInterrupt)
    try {
      await this.#readAll()
      await this.#producer.flush()
    } catch (error) {
      throw this.#explain(error)
    } finally {
      process.stdin.destroy()
      process.off('SIGINT', onInterrupt)
      process.off('SIGTERM', onInterrupt)
    }
    if (this.#isInterrupted) {
      const done = `interrupted: ${this.#progress.count} records are acknowledged, the rest was not sent`
      throw new CommandError(done, 'run it again with what is left of the input')
    }
  }

  async #readAll(): Promise<void> {
    try {
      for await (const chunk of process.stdin) {
        this.#splitter.push(chunk as Buffer)
        if (this.#isFull) await this.#producer.ready()
        this.#isFull = false
      }
    } catch (error) {
      // Destroying standard input ends the loop with an error of its own.
      if (!this.#isInterrupted) throw error
    }
    if (!this.#isInterrupted) this.#splitter.end()
  }

  /** What was read is still sent; nothing more is read. */
  #interrupt(): void {
    this.#isInterrupted = true
    process.stdin.destroy()
  }

  #write(line: Uint8Array): void {
    const envelope = this.#envelope
    const at =
      this.#separator === undefined
        ? -1
        : Buffer.from(line.buffer, line.byteOffset, line.length).indexOf(this.#separator)
    if (this.#separator !== undefined) envelope.key = at < 0 ? null : line.subarray(0, at)
    envelope.value = at < 0 ? line : line.subarray(at + (this.#separator?.length ?? 0))
    if (!this.#producer.write(envelope)) this.#isFull = true
    this.#progress.add(line.length)
  }

  #explain(error: unknown): unknown {
    if (this.#failedCount === 0) return error
    const stored = this.#progress.count - this.#failedCount
    process.stderr.write(`${stored} of ${this.#progress.count} records are acknowledged\n`)
    return error
  }
}
