/** `millrace binding create|list|delete`. */
import type { BindOptions, Binding, Client } from '@millrace/client-node'
import { printAnswer, printList } from '../facts.ts'
import { UsageError } from '../failure.ts'
import { formatTable, type OutputForm, type TableRow } from '../output.ts'
import { formatTarget, parsePlace, type Target } from '../targets.ts'
import { type ClientOptions, withClient } from '../with-client.ts'

interface BindingFlags extends ClientOptions {
  readonly output?: OutputForm
  readonly key?: string
  readonly header?: readonly string[]
  readonly match?: NonNullable<BindOptions['match']>
}

export const bindingColumns = ['exchange', 'target', 'key', 'headers']

const headersText = ({ match, headers = {}, typedHeaders = {} }: Binding): string => {
  const texts = Object.entries(headers).map(([name, value]) =>
    value === null ? name : `${name}=${value}`,
  )
  // What another protocol gave: its type stands before the value.
  const typed = Object.entries(typedHeaders).map(([name, value]) => `${name}=(${value})`)
  const all = [...texts, ...typed]
  return all.length === 0 ? '' : `${match ?? 'all'}: ${all.join(' ')}`
}

export const rowOf = (binding: Binding): TableRow => ({
  exchange: binding.exchange === '' ? '(default)' : binding.exchange,
  target: formatTarget(binding.targetKind, binding.target),
  key: binding.routingKey,
  headers: headersText(binding),
})

const headersOf = (pairs: readonly string[]): Record<string, string | null> =>
  Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      return at < 1 ? [pair, null] : [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )

const bindOptionsOf = ({ key, header, match }: BindingFlags): BindOptions => ({
  ...(key === undefined ? {} : { routingKey: key }),
  ...(header === undefined ? {} : { headers: headersOf(header) }),
  ...(match === undefined ? {} : { match }),
})

const placeOf = (text: string): Target => {
  const target = parsePlace(text)
  if (target.kind !== 'exchange' || target.routingKey === undefined) return target
  throw new UsageError(`'${text}' has a key`, 'write exchange:NAME, and the key with --key')
}

const change = async (
  client: Client,
  verb: 'bind' | 'unbind',
  exchange: string,
  target: Target,
  options: BindOptions,
): Promise<void> => {
  if (target.kind === 'queue') await client.queue(target.name)[verb](exchange, options)
  else if (target.kind === 'exchange') await client.exchange(target.name)[verb](exchange, options)
  else {
    const source = client.exchange(exchange)
    if (verb === 'bind') await source.bindTopic(target.name, options)
    else await source.unbindTopic(target.name, options)
  }
}

const run = async (
  verb: 'bind' | 'unbind',
  exchange: string,
  text: string,
  flags: BindingFlags,
): Promise<void> => {
  const target = placeOf(text)
  const options = bindOptionsOf(flags)
  await withClient(flags, (client) => change(client, verb, exchange, target, options))
  const { key = '' } = flags
  const answer = { exchange, target: text, key, [verb === 'bind' ? 'created' : 'deleted']: true }
  const done = verb === 'bind' ? 'bound' : 'unbound'
  printAnswer(
    answer,
    flags.output,
    () => `${done} ${text} ${verb === 'bind' ? 'to' : 'from'} ${exchange}\n`,
  )
}

export const createBinding = (
  exchange: string,
  target: string,
  flags: BindingFlags,
): Promise<void> => run('bind', exchange, target, flags)

export const deleteBinding = (
  exchange: string,
  target: string,
  flags: BindingFlags,
): Promise<void> => run('unbind', exchange, target, flags)

export const listBindings = async (
  exchange: string | undefined,
  flags: BindingFlags & { target?: string },
): Promise<void> => {
  const target = flags.target === undefined ? undefined : placeOf(flags.target)
  const bindings = await withClient(flags, ({ admin }) =>
    admin.listBindings({
      ...(exchange === undefined ? {} : { exchange }),
      ...(target === undefined ? {} : { target: target.name, targetKind: target.kind }),
    }),
  )
  printList(bindings, flags.output, () => formatTable(bindings.map(rowOf), bindingColumns))
}
