/**
 * Direct reply-to: answers that go to the channel that asked, without a queue between. Who consumes
 * from the name below gets an address that nobody can guess; a message to that address through the
 * default exchange is written to the channel at once, at most once, and stored nowhere.
 */
import type { Random } from '@millrace/core'

export const DIRECT_REPLY_QUEUE = 'amq.rabbitmq.reply-to'
const ADDRESS_PREFIX = `${DIRECT_REPLY_QUEUE}.`

export interface DirectReply {
  readonly namespace: string
  readonly routingKey: string
  readonly properties: Uint8Array
  readonly payload: Uint8Array
}

export interface DirectReplySink {
  readonly namespace: string
  /** Bytes are borrowed for the call. */
  deliverReply(reply: DirectReply): void
}

export const isDirectReplyAddress = (name: string): boolean => name.startsWith(ADDRESS_PREFIX)

export class DirectReplies {
  readonly #sinks = new Map<string, DirectReplySink>()

  get count(): number {
    return this.#sinks.size
  }

  /** The address that the answers go to. */
  open(sink: DirectReplySink, random: Random): string {
    const address = ADDRESS_PREFIX + randomText(random)
    this.#sinks.set(address, sink)
    return address
  }

  close(address: string): void {
    this.#sinks.delete(address)
  }

  has(address: string, namespace: string): boolean {
    return this.#sinks.get(address)?.namespace === namespace
  }

  /** False: nobody is there any more. */
  deliver(reply: DirectReply): boolean {
    const sink = this.#sinks.get(reply.routingKey)
    if (sink === undefined || sink.namespace !== reply.namespace) return false
    sink.deliverReply(reply)
    return true
  }
}

/** 128 bits in 22 characters, as names of queues and consumers that the broker makes up end. */
export const randomText = (random: Random): string => {
  const bytes = Buffer.allocUnsafe(16)
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32BE(random.uint32(), at)
  return bytes.toString('base64url')
}
