/** The words in which conversations are written: each makes a step of connection `a`, channel 1. */
import type { Handshake } from '../raw-client.ts'
import type { Conversation, MethodStep, Step } from '../conversation.ts'
import type { Fields } from '../wire.ts'

export const talk = (
  name: string,
  ...steps: readonly (Step | readonly Step[])[]
): Conversation => ({
  name,
  steps: steps.flat(),
  isBare: false,
})

/** With no more than a socket at the beginning. */
export const bareTalk = (name: string, ...steps: readonly Step[]): Conversation => ({
  name,
  steps,
  isBare: true,
})

export const method = (
  name: string,
  fields: Fields = {},
  content?: MethodStep['content'],
): MethodStep => ({
  kind: 'method',
  connection: 'a',
  channel: 1,
  name,
  fields,
  ...(content === undefined ? {} : { content }),
})

export const on = (channel: number, step: MethodStep): MethodStep => ({ ...step, channel })
export const by = (connection: string, step: MethodStep): MethodStep => ({ ...step, connection })

export const bytes = (some: Buffer, connection = 'a'): Step => ({
  kind: 'bytes',
  connection,
  bytes: some,
})
export const connecting = (connection: string, handshake: Handshake = {}): Step => ({
  kind: 'connect',
  connection,
  handshake,
})
export const drop = (connection: string): Step => ({ kind: 'drop', connection })
export const pause = (ms: number): Step => ({ kind: 'pause', ms })
export const rude: Step = { kind: 'rude' }

export const openChannel = (channel: number): MethodStep => on(channel, method('channel.open'))
export const closeChannel = (channel = 1): MethodStep =>
  on(channel, method('channel.close', { replyCode: 200, replyText: 'bye' }))

export const queue = (name = '~q', fields: Fields = {}, args: Fields = {}): MethodStep =>
  method('queue.declare', { queue: name, ...fields, arguments: args })
export const count = (name = '~q'): MethodStep => queue(name, { passive: true })
export const exchange = (
  type: string,
  name = '~x',
  fields: Fields = {},
  args: Fields = {},
): MethodStep => method('exchange.declare', { exchange: name, type, ...fields, arguments: args })
export const bind = (
  key = '',
  name = '~q',
  from = '~x',
  args: Fields = {},
  fields: Fields = {},
): MethodStep =>
  method('queue.bind', { queue: name, exchange: from, routingKey: key, arguments: args, ...fields })
export const unbind = (key = '', name = '~q', from = '~x', args: Fields = {}): MethodStep =>
  method('queue.unbind', { queue: name, exchange: from, routingKey: key, arguments: args })
export const link = (source: string, destination: string, key = ''): MethodStep =>
  method('exchange.bind', { source, destination, routingKey: key })
export const unlink = (source: string, destination: string, key = ''): MethodStep =>
  method('exchange.unbind', { source, destination, routingKey: key })

/** Through the default exchange. */
export const send = (
  body: string | Buffer,
  properties: Fields = {},
  name = '~q',
  fields: Fields = {},
): MethodStep => publish('', name, body, properties, fields)
export const publish = (
  to: string,
  key: string,
  body: string | Buffer = key,
  properties: Fields = {},
  fields: Fields = {},
): MethodStep =>
  method(
    'basic.publish',
    { exchange: to, routingKey: key, ...fields },
    { properties, body: Buffer.from(body as string) },
  )

export const get = (name = '~q', fields: Fields = {}): MethodStep =>
  method('basic.get', { queue: name, ...fields })
/** And settled at once. */
export const take = (name = '~q'): MethodStep => get(name, { noAck: true })
export const takes = (times: number, name = '~q'): MethodStep[] =>
  Array.from({ length: times }, () => take(name))
export const consume = (
  tag: string,
  fields: Fields = {},
  args: Fields = {},
  name = '~q',
): MethodStep =>
  method('basic.consume', { queue: name, consumerTag: tag, ...fields, arguments: args })
export const cancel = (tag: string): MethodStep => method('basic.cancel', { consumerTag: tag })
export const ack = (deliveryTag: number | bigint, multiple = false): MethodStep =>
  method('basic.ack', { deliveryTag, multiple })
export const nack = (deliveryTag: number, requeue: boolean, multiple = false): MethodStep =>
  method('basic.nack', { deliveryTag, multiple, requeue })
export const reject = (deliveryTag: number, requeue: boolean): MethodStep =>
  method('basic.reject', { deliveryTag, requeue })
export const qos = (prefetchCount: number, global = false): MethodStep =>
  method('basic.qos', { prefetchCount, global })
export const confirms: MethodStep = method('confirm.select')
export const deleteQueue = (name = '~q', fields: Fields = {}): MethodStep =>
  method('queue.delete', { queue: name, ...fields })
export const deleteExchange = (name = '~x', fields: Fields = {}): MethodStep =>
  method('exchange.delete', { exchange: name, ...fields })
export const purge = (name = '~q'): MethodStep => method('queue.purge', { queue: name })
