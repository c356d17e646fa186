/** `millrace queue create|list|describe|alter|delete`. */
import type { QueueDescription } from '@millrace/client-node'
import { confirm } from '../confirm.ts'
import { UsageError } from '../failure.ts'
import { formatFacts, printAnswer, printList } from '../facts.ts'
import { type SettingFlags, settingsOf } from '../messaging-settings.ts'
import { formatTable, type OutputForm } from '../output.ts'
import { type ClientOptions, withClient } from '../with-client.ts'

interface QueueFlags extends ClientOptions, SettingFlags {
  readonly output?: OutputForm
}

const settingFlags = [
  'messageTtl',
  'expires',
  'lengthMax',
  'bytesMax',
  'overflow',
  'deadLetterExchange',
  'deadLetterKey',
  'deliveryLimit',
  'redeliveryDelay',
  'redeliveryDelayMax',
  'redeliveryDelayOf',
  'deliveryTimeout',
  'dedupWindow',
  'retention',
  'autoDelete',
  'priorityMax',
  'singleActiveConsumer',
  'keyOrdered',
  'topic',
  'stream',
]

const factsOf = ({ settings, counters, ...queue }: QueueDescription): string =>
  `${formatFacts(queue)}\n${formatFacts(counters)}\n${formatFacts(settings)}`

export const createQueue = async (name: string, options: QueueFlags): Promise<void> => {
  const settings = settingsOf(options, settingFlags)
  const created = await withClient(options, (client) => client.queue(name).declare(settings))
  printAnswer(created, options.output, () => `created ${created.queue}\n`)
}

export const listQueues = async (options: QueueFlags & { prefix?: string }): Promise<void> => {
  const { prefix, output } = options
  const queues = await withClient(options, ({ admin }) =>
    admin.listQueues(prefix === undefined ? {} : { prefix }),
  )
  printList(queues, output, () => {
    const columns = ['queue', 'ready', 'readyBytes', 'inFlight', 'consumers', 'durable']
    const rows = queues.map(({ queue, ready, readyBytes, inFlight, consumers, settings }) => {
      const durable = settings['isDurable'] === false ? 'no' : 'yes'
      return { queue, ready, readyBytes, inFlight, consumers, durable }
    })
    return formatTable(rows, columns)
  })
}

export const describeQueue = async (name: string, options: QueueFlags): Promise<void> => {
  const described = await withClient(options, (client) => client.queue(name).describe())
  printAnswer(described, options.output, () => factsOf(described))
}

export const alterQueue = async (
  name: string,
  options: QueueFlags & { reset?: readonly string[] },
): Promise<void> => {
  const settings = settingsOf(options, settingFlags)
  for (const reset of options.reset ?? []) settings[reset] = null
  if (Object.keys(settings).length === 0)
    throw new UsageError('nothing to change', 'give --message-ttl, --set or --reset')
  const altered = await withClient(options, (client) => client.queue(name).alter(settings))
  printAnswer(altered, options.output, () => `altered ${altered.queue}\n`)
}

export const deleteQueue = async (
  name: string,
  options: QueueFlags & { yes?: boolean; ifUnused?: boolean; ifEmpty?: boolean },
): Promise<void> => {
  await confirm(`Delete ${name} and all its messages?`, options.yes === true)
  const { ifUnused = false, ifEmpty = false } = options
  const messages = await withClient(options, (client) =>
    client.queue(name).delete({ ifUnused, ifEmpty }),
  )
  const answer = { queue: name, deleted: true, messages }
  printAnswer(answer, options.output, () => `deleted ${name} with ${messages} messages\n`)
}
