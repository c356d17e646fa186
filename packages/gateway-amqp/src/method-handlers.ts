/** Which handler serves which method of a channel. Those of every message are read by the channel. */
import type { ByteReader } from '@millrace/codec'
import type { AmqpChannel } from './amqp-channel.ts'
import type { MethodName, methodTable } from './codec/method-table.ts'
import { type MethodFields, readMethod } from './codec/methods.ts'
import { commandInvalid } from './errors.ts'
import { basicHandlers } from './handlers/basic.ts'
import { channelHandlers } from './handlers/channel.ts'
import { exchangeHandlers } from './handlers/exchange.ts'
import { modeHandlers } from './handlers/modes.ts'
import { queueHandlers } from './handlers/queue.ts'

type Table = typeof methodTable

type FromClient = {
  [Name in MethodName]: Table[Name]['sender'] extends 'client' | 'both' ? Name : never
}[MethodName]

/** Read by the channel itself. */
type ReadByHand = 'basic.publish' | 'basic.ack' | 'basic.nack' | 'basic.reject'

export type ServedMethod = Exclude<FromClient, `connection.${string}` | ReadByHand>

export type MethodHandler<Name extends MethodName> = (
  channel: AmqpChannel,
  fields: MethodFields<Name>,
) => void | Promise<void>

export type HandlersOf<Names extends ServedMethod> = {
  readonly [Name in Names]: MethodHandler<Name>
}

const handlers: HandlersOf<ServedMethod> = {
  ...channelHandlers,
  ...exchangeHandlers,
  ...queueHandlers,
  ...basicHandlers,
  ...modeHandlers,
}

const isServed = (name: MethodName): name is ServedMethod => Object.hasOwn(handlers, name)

/** Answers a promise when the method is not done yet. */
export const handleChannelMethod = (
  channel: AmqpChannel,
  name: MethodName,
  reader: ByteReader,
): Promise<void> | undefined => {
  if (!isServed(name)) throw commandInvalid('unimplemented method')
  const handler = handlers[name] as MethodHandler<ServedMethod>
  return handler(channel, readMethod(name, reader)) ?? undefined
}
