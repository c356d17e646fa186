/**
 * Where Millrace answers otherwise than Debian's RabbitMQ 3.10, and why. Each stands in
 * docs/gateways/amqp-0-9-1.md too.
 */
import type { AllowedDifference } from './comparison.ts'

const erlang = 'RabbitMQ prints the bytes as terms of its own language'
const silent = 'RabbitMQ hangs up without a word; the same error is named here'
const nack = 'RabbitMQ sets the bit for a single message too; what is refused is the same'

const texts: readonly AllowedDifference[] = [
  {
    conversation:
      /^frame: (a heartbeat on a channel|half a method number|no method at all|type 0)$/,
    field: 'connection.close.replyText',
    reason: erlang,
  },
  {
    conversation: /^frame: (an unknown type|a method cut short|a table cut short|a wrong end)$/,
    field: 'connection.close.replyText',
    reason: erlang,
  },
  {
    conversation: /^frame: (a header cut short|larger than agreed|two gigabytes announced)$/,
    field: 'connection.close.replyText',
    reason: erlang,
  },
  {
    conversation: 'frame: a header cut short',
    field: 'connection.close.classId',
    reason: 'the method whose content it is is named',
  },
  {
    conversation: 'frame: a header cut short',
    field: 'connection.close.methodId',
    reason: 'the method whose content it is is named',
  },
  {
    conversation: 'queue: a name that is no UTF-8',
    field: 'connection.close.replyText',
    reason: 'the same error in words of our own',
  },
  {
    conversation: 'queue: a name that is no UTF-8',
    field: 'connection.close.classId',
    reason: 'the method that could not be read is named',
  },
  {
    conversation: 'queue: a name that is no UTF-8',
    field: 'connection.close.methodId',
    reason: 'the method that could not be read is named',
  },
  {
    conversation: /^queue: again with x-(overflow|single-active-consumer) of/,
    field: 'channel.close.replyText',
    reason: 'an argument that says what holds anyway is kept as if it had been left out',
  },
  {
    conversation: 'hash: a weight that is no number',
    field: 'channel.close.replyText',
    reason: 'it says what a weight is',
  },
]

const handshakes: readonly AllowedDifference[] = [
  {
    conversation: 'handshake: an unknown user',
    field: 'frames',
    reason: 'without logins configured every name is nobody’s in particular, but for a wrong guest',
  },
  {
    conversation: /^handshake: (an unknown mechanism|a response that is none)$/,
    field: 'frames',
    reason: 'RabbitMQ waits for seconds before it says so',
  },
  {
    conversation: /^handshake: (a wrong password, and no word of it|tune-ok before start-ok)$/,
    field: 'frames',
    reason: 'RabbitMQ waits for seconds before it hangs up',
  },
  {
    conversation: /^handshake: (any frame|a larger frame than offered|a frame too small)$/,
    field: 'frames',
    reason: silent,
  },
  {
    conversation: /^handshake: (more channels than offered|open before tune-ok)$/,
    field: 'frames',
    reason: silent,
  },
  {
    conversation: 'handshake: a channel before open',
    field: 'frames',
    reason: '504, as for every channel that is not open, where RabbitMQ has 505',
  },
  {
    conversation: /^(handshake: a channel beyond the agreed|channel: beyond the most)$/,
    field: 'frames',
    reason: 'RabbitMQ 3.10 counts channels and lets any number pass; later ones refuse, as we do',
  },
  {
    conversation: /^(handshake: as it should be|connection: closed)$/,
    field: 'frames',
    reason: 'after close-ok the socket ends at once, where RabbitMQ leaves that to the client',
  },
]

const frames: readonly AllowedDifference[] = [
  {
    conversation: /^frame: an unknown (class|method|method of a connection)$/,
    field: 'frames',
    reason: silent,
  },
  {
    conversation: /^frame: a table (with an unknown type|longer than its frame)$/,
    field: 'frames',
    reason: silent,
  },
  {
    conversation: 'frame: a heartbeat with a payload',
    field: 'frames',
    reason: 'it is alive all the same',
  },
  {
    conversation: 'frame: bytes after a method',
    field: 'frames',
    reason: 'they are left alone, for clients that know later fields',
  },
  {
    conversation: 'frame: a header of 2^64 - 1 bytes',
    field: 'frames',
    reason: 'refused when it is announced, and not when it is interrupted',
  },
  {
    conversation: 'frame: a body that is too long',
    field: 'frames',
    reason: '501 when it comes, where RabbitMQ has 505 for what comes after',
  },
  {
    conversation: 'frame: a header with a property cut short',
    field: 'frames',
    reason: '501 for what cannot be read, where RabbitMQ has an internal error',
  },
  {
    conversation: /^direction: (channel\.flow-ok|basic\.cancel-ok)$/,
    field: 'frames',
    reason: 'answers to what a broker may ask of a client, which harm nobody unasked',
  },
]

const meanings: readonly AllowedDifference[] = [
  {
    conversation: /^exchange: (an unknown type|no type)$/,
    field: 'frames',
    reason: '406 for the channel, as later RabbitMQs have it, where 3.10 ends the connection',
  },
  {
    conversation: 'exchange: one that delays',
    field: 'frames',
    reason: 'it is there, where RabbitMQ has it by a plugin that Debian lacks',
  },
  {
    conversation: 'copies: CC of numbers',
    field: 'frames',
    reason: 'refused as any other CC that holds no names, where RabbitMQ ignores it',
  },
  {
    conversation: 'reply-to: to somebody who is gone',
    field: 'frames',
    reason: 'returned as unroutable; RabbitMQ fails at an address that is not one of its own',
  },
  {
    conversation: /^(confirm: refused|dead: too many, rejected|length: refused by one)/,
    field: 'basic.nack.multiple',
    reason: nack,
  },
  {
    conversation: 'queue: exclusive, and somebody else',
    field: 'frames',
    reason: 'a binding of somebody else’s queue is not for taking away, there or not',
  },
  {
    conversation: 'qos: the channel',
    field: 'basic.deliver.consumerTag',
    reason: 'which of two consumers is served next is nobody’s promise',
  },
  {
    conversation: 'ttl: only at the head',
    field: 'basic.get-ok.messageCount',
    reason: 'the count has a message that is found to be too old when it is looked at',
  },
  {
    conversation: 'dead: a history of somebody else',
    field: 'basic.get-ok.content.properties.headers.x-first-death-reason',
    reason: 'a history that the publisher made up does not hide the first death here',
  },
  {
    conversation: 'dead: a history of somebody else',
    field: 'basic.get-ok.content.properties.headers.x-first-death-queue',
    reason: 'a history that the publisher made up does not hide the first death here',
  },
  {
    conversation: 'dead: a history of somebody else',
    field: 'basic.get-ok.content.properties.headers.x-first-death-exchange',
    reason: 'a history that the publisher made up does not hide the first death here',
  },
]

export const allowedDifferences: readonly AllowedDifference[] = [
  ...texts,
  ...handshakes,
  ...frames,
  ...meanings,
]
