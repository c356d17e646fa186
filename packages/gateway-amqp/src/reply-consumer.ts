/** The consumer of direct replies: whoever has its address writes to its channel. */
import type { AmqpChannel } from './amqp-channel.ts'
import { type ChannelConsumer, tagBytesOf } from './channel-consumer.ts'
import { writeDeliver } from './delivery-frames.ts'
import type { DirectReply, DirectReplySink } from './direct-reply.ts'
import { COPIED_PAYLOAD_BYTES_MAX, DIRECT_REPLY_BYTES_MAX } from './limits.ts'

export class ReplyConsumer implements ChannelConsumer, DirectReplySink {
  readonly tag: string
  readonly namespace: string
  readonly address: string
  readonly #channel: AmqpChannel
  readonly #tagBytes: Uint8Array

  constructor(channel: AmqpChannel, tag: string) {
    const { session } = channel
    this.tag = tag
    this.namespace = channel.host.caller.namespace
    this.#channel = channel
    this.#tagBytes = tagBytesOf(tag)
    this.address = session.directReplies.open(this, session.services.environment.random)
  }

  /** A peer that does not read loses what it did not read: nothing is stored for it. */
  deliverReply({ routingKey, properties, payload }: DirectReply): void {
    const channel = this.#channel
    const { output } = channel.session
    if (output.bytesSinceBlocked > DIRECT_REPLY_BYTES_MAX) return
    const tag = channel.handOut(undefined)
    if (tag === undefined) return
    const from = { exchange: '', routingKey }
    writeDeliver(output, channel.number, this.#tagBytes, tag, false, from)
    const isLarge = payload.length > COPIED_PAYLOAD_BYTES_MAX
    output.content(channel.number, properties, isLarge ? payload.slice() : payload)
    channel.session.noteDelivered(payload.length)
  }

  /** At most once: what waits in the connection is all that is kept, so there is nothing to stop. */
  pause(): void {
    return undefined
  }

  resume(): void {
    return undefined
  }

  cancel(): void {
    this.#channel.session.directReplies.close(this.address)
  }
}
