/** `millrace exchange create|list|describe|delete`. */
import type { Binding, ExchangeDescription } from '@millrace/client-node'
import { confirm } from '../confirm.ts'
import { formatFacts, printAnswer, printList } from '../facts.ts'
import { type SettingFlags, settingsOf } from '../messaging-settings.ts'
import { formatTable, type OutputForm } from '../output.ts'
import { type ClientOptions, withClient } from '../with-client.ts'
import { bindingColumns, rowOf } from './binding.ts'

interface ExchangeFlags extends ClientOptions, SettingFlags {
  readonly output?: OutputForm
}

const settingFlags = [
  'type',
  'autoDelete',
  'internal',
  'alternateExchange',
  'hashHeader',
  'delayedType',
]

/** The one with the empty name has no other. */
const nameOf = (exchange: string): string => (exchange === '' ? '(default)' : exchange)

export const createExchange = async (name: string, options: ExchangeFlags): Promise<void> => {
  const settings = settingsOf(options, settingFlags)
  const created = await withClient(options, (client) => client.exchange(name).declare(settings))
  const type = String(created.settings['type'])
  printAnswer(created, options.output, () => `created ${created.exchange} (${type})\n`)
}

export const listExchanges = async (
  options: ExchangeFlags & { prefix?: string },
): Promise<void> => {
  const { prefix, output } = options
  const exchanges = await withClient(options, ({ admin }) =>
    admin.listExchanges(prefix === undefined ? {} : { prefix }),
  )
  printList(exchanges, output, () => {
    const rows = exchanges.map(({ exchange, bindings, settings }) => ({
      exchange: nameOf(exchange),
      type: String(settings['type']),
      bindings,
      durable: settings['isDurable'] === false ? 'no' : 'yes',
    }))
    return formatTable(rows, ['exchange', 'type', 'bindings', 'durable'])
  })
}

const formatDescription = (
  { settings, ...exchange }: ExchangeDescription,
  bindings: readonly Binding[],
): string => {
  const facts = formatFacts({ ...exchange, exchange: nameOf(exchange.exchange), ...settings })
  return `${facts}\n${formatTable(bindings.map(rowOf), bindingColumns)}`
}

export const describeExchange = async (name: string, options: ExchangeFlags): Promise<void> => {
  const { described, bindings } = await withClient(options, async (client) => ({
    described: await client.exchange(name).describe(),
    bindings: await client.admin.listBindings({ exchange: name }),
  }))
  const answer = { ...described, bindings }
  printAnswer(answer, options.output, () => formatDescription(described, bindings))
}

export const deleteExchange = async (
  name: string,
  options: ExchangeFlags & { yes?: boolean; ifUnused?: boolean },
): Promise<void> => {
  await confirm(`Delete ${name} and its bindings?`, options.yes === true)
  const { ifUnused = false } = options
  await withClient(options, (client) => client.exchange(name).delete({ ifUnused }))
  printAnswer({ exchange: name, deleted: true }, options.output, () => `deleted ${name}\n`)
}
