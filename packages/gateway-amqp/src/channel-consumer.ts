/** A consumer of a channel, whatever it consumes from. */
import { utf8Encode } from '@millrace/codec'

export interface ChannelConsumer {
  readonly tag: string
  /** The peer does not keep up: nothing is delivered until `resume`. */
  pause(): void
  resume(): void
  /** Nothing more comes; what was delivered can still be settled. */
  cancel(): void
}

/** A consumer tag as it stands in each delivery. */
export const tagBytesOf = (tag: string): Uint8Array => {
  const text = utf8Encode(tag)
  const bytes = new Uint8Array(1 + text.length)
  bytes[0] = text.length
  bytes.set(text, 1)
  return bytes
}
