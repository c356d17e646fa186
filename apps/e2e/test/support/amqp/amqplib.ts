/** What the suites of amqplib, and of what is built on it, have in common. */
import type { Channel, ChannelModel, ConsumeMessage, GetMessage, Options } from 'amqplib'
import { eventually } from '../eventually.ts'

/** The fields of an error with which a broker closed a channel. */
export interface Closing {
  readonly code: number
  readonly classId: number
  readonly methodId: number
}

export const textOf = (message: { readonly content: Buffer }): string => message.content.toString()

/** Everything that comes, as it comes. */
export interface Inbox {
  readonly messages: ConsumeMessage[]
  readonly texts: () => string[]
  readonly consumerTag: string
  /** Whether the broker cancelled it. */
  wasCancelled(): boolean
  /** Resolves once there are that many. */
  has(count: number): Promise<string[]>
}

export const consume = async (
  channel: Channel,
  queue: string,
  options: Options.Consume = {},
): Promise<Inbox> => {
  const messages: ConsumeMessage[] = []
  let isCancelled = false
  const texts = (): string[] => messages.map(textOf)
  const { consumerTag } = await channel.consume(
    queue,
    (message) => {
      if (message === null) isCancelled = true
      else messages.push(message)
    },
    options,
  )
  const has = (count: number): Promise<string[]> =>
    eventually(`${count} messages of ${queue}`, () => messages.length >= count && texts())
  return { messages, texts, consumerTag, wasCancelled: () => isCancelled, has }
}

/** The next message, which may still be on its way. */
export const take = (
  channel: Channel,
  queue: string,
  options: Options.Get = {},
): Promise<GetMessage> =>
  eventually(`a message of ${queue}`, async () => {
    const message = await channel.get(queue, options)
    return message === false ? undefined : message
  })

/** Takes all messages that are ready, and leaves none. */
export const drain = async (channel: Channel, queue: string): Promise<string[]> => {
  const texts: string[] = []
  for (;;) {
    const message = await channel.get(queue, { noAck: true })
    if (message === false) return texts
    texts.push(textOf(message))
  }
}

/** The error of an operation that is to fail, which closes its channel. */
export const closingOf = async (
  channel: Channel,
  work: (channel: Channel) => unknown,
): Promise<Closing> => {
  const closing = new Promise<Closing>((resolve) => {
    channel.on('error', (error) => resolve(error as unknown as Closing))
  })
  // The error comes twice, as the channel's and as the operation's.
  void Promise.resolve(work(channel)).catch(() => undefined)
  const { code, classId, methodId } = await closing
  return { code, classId, methodId }
}

/** Makes a queue, and reads from it what it publishes to it. */
export const roundTrip = async (connection: ChannelModel, queue: string): Promise<string[]> => {
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue(queue, { exclusive: true })
  const inbox = await consume(channel, queue, { noAck: true })
  channel.sendToQueue(queue, Buffer.from(queue))
  await channel.waitForConfirms()
  const texts = await inbox.has(1)
  await channel.close()
  return texts
}

/** The code with which it is refused to make a queue. */
export const refusalOf = async (connection: ChannelModel, queue: string): Promise<number> => {
  const channel = await connection.createChannel()
  const { code } = await closingOf(channel, () => channel.assertQueue(queue))
  return code
}
