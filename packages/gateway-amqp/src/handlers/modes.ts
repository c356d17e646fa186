/** Confirms and transactions: a channel has the one or the other, or neither. */
import type { AmqpChannel } from '../amqp-channel.ts'
import { preconditionFailed } from '../errors.ts'
import { isDirectReplyAddress } from '../direct-reply.ts'
import type { HandlersOf } from '../method-handlers.ts'
import type { Publication } from '../publication.ts'
import { resourceFault } from '../resource-faults.ts'
import { Transaction } from '../transaction.ts'

const transactionOf = ({ transaction }: AmqpChannel): Transaction => {
  if (transaction === undefined) throw preconditionFailed('channel is not transactional')
  return transaction
}

export const modeHandlers: HandlersOf<
  'confirm.select' | 'tx.select' | 'tx.commit' | 'tx.rollback'
> = {
  'confirm.select': (channel, { nowait }) => {
    if (channel.transaction !== undefined) {
      throw preconditionFailed('cannot switch from tx to confirm mode')
    }
    channel.publisher.confirm()
    if (!nowait) channel.reply('confirm.select-ok', {})
  },
  'tx.select': (channel) => {
    if (channel.publisher.isConfirming) {
      throw preconditionFailed('cannot switch from confirm to tx mode')
    }
    channel.transaction ??= new Transaction()
    channel.reply('tx.select-ok', {})
  },
  'tx.commit': async (channel) => {
    await commit(channel, transactionOf(channel))
    channel.reply('tx.commit-ok', {})
  },
  'tx.rollback': (channel) => {
    const transaction = transactionOf(channel)
    channel.settlements.takeBack(transaction.settlements)
    transaction.clear()
    channel.reply('tx.rollback-ok', {})
  },
}

const commit = async (channel: AmqpChannel, transaction: Transaction): Promise<void> => {
  const isReply = ({ exchange, routingKey }: Publication): boolean =>
    exchange === '' && isDirectReplyAddress(routingKey)
  const messages = transaction.messages.filter((message) => !isReply(message))
  const replies = transaction.messages.filter(isReply)
  const groups = transaction.groups()
  transaction.clear()
  const targets = await commitToEngine(channel, messages, groups)
  messages.forEach((message, index) => {
    if (targets[index] === 0 && message.isMandatory) channel.publisher.giveBack(message, true)
  })
  const { namespace } = channel.host.caller
  for (const { routingKey, properties, payload } of replies) {
    channel.session.directReplies.deliver({ namespace, routingKey, properties, payload })
  }
}

const commitToEngine = async (
  channel: AmqpChannel,
  messages: readonly Publication[],
  groups: ReturnType<Transaction['groups']>,
): Promise<readonly number[]> => {
  try {
    return await channel.engine.commit(messages, groups)
  } catch (error) {
    throw resourceFault(error, channel.host.names)
  }
}
