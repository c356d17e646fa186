/** Bindings to be shown: those in force, and those that the default exchange seems to have. */
import type { Binding, TargetKind } from '../engine/messaging.ts'
import type { BoundBinding } from './bound-binding.ts'
import type { ExchangeTable } from './exchange-table.ts'
import { DEFAULT_EXCHANGE } from './predeclared.ts'
import type { RouteTarget } from './route-target.ts'

export interface BindingFilter {
  readonly exchange?: string
  readonly target?: string
  readonly targetKind?: TargetKind
}

/** What is asked about the rest of a namespace. */
export interface TargetNames {
  resolve(kind: TargetKind, name: string): RouteTarget | undefined
  queueNames(): Iterable<string>
}

/** By their names. */
export const listBindings = (
  table: ExchangeTable,
  filter: BindingFilter,
  names: TargetNames,
): Binding[] => {
  const bindings = [...defaultBindings(filter, names)]
  for (const { binding } of candidates(table, filter, names))
    if (isAskedFor(binding, filter)) bindings.push(binding)
  return bindings.sort(byNames)
}

function* candidates(
  table: ExchangeTable,
  { exchange, target, targetKind }: BindingFilter,
  names: TargetNames,
): Iterable<BoundBinding> {
  if (exchange !== undefined) {
    yield* table.find(exchange)?.bindings() ?? []
  } else if (target !== undefined) {
    const kinds: readonly TargetKind[] =
      targetKind === undefined ? ['queue', 'topic', 'exchange'] : [targetKind]
    for (const kind of kinds) {
      const found = names.resolve(kind, target)
      if (found !== undefined) yield* table.bindingsTo(found)
    }
  } else {
    for (const one of table.exchanges()) yield* one.bindings()
  }
}

/** Every queue is bound to the default exchange by its name. */
function* defaultBindings(filter: BindingFilter, names: TargetNames): Iterable<Binding> {
  const { exchange = DEFAULT_EXCHANGE, target, targetKind = 'queue' } = filter
  if (exchange !== DEFAULT_EXCHANGE || targetKind !== 'queue') return
  const isThere = target !== undefined && names.resolve('queue', target) !== undefined
  const queues = target === undefined ? names.queueNames() : isThere ? [target] : []
  for (const queue of queues)
    yield { exchange: DEFAULT_EXCHANGE, targetKind: 'queue', target: queue, routingKey: queue }
}

const isAskedFor = (binding: Binding, { exchange, target, targetKind }: BindingFilter): boolean =>
  (exchange === undefined || binding.exchange === exchange) &&
  (target === undefined || binding.target === target) &&
  (targetKind === undefined || binding.targetKind === targetKind)

const byNames = (a: Binding, b: Binding): number =>
  compare(a.exchange, b.exchange) ||
  compare(a.targetKind, b.targetKind) ||
  compare(a.target, b.target) ||
  compare(a.routingKey, b.routingKey)

const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1)
