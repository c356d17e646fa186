/**
 * A binding that is in force: what was asked for, with both of its ends resolved.
 *
 * `place` belongs to the matcher of the source, which keeps in it where it has put the binding.
 */
import type { Binding, TargetKind } from '../engine/messaging.ts'
import type { Exchange } from './exchange.ts'
import type { RouteTarget } from './route-target.ts'

export class BoundBinding {
  /** Of its stored definition; 0 when it is not stored. */
  readonly id: number
  readonly binding: Binding
  readonly source: Exchange
  readonly target: RouteTarget
  /** Equal for equal bindings of the source. */
  readonly identity: string
  place = -1

  constructor(id: number, binding: Binding, source: Exchange, target: RouteTarget) {
    this.id = id
    this.binding = binding
    this.source = source
    this.target = target
    this.identity = identityOf(binding)
  }
}

const kindLetters: Readonly<Record<TargetKind, string>> = { queue: 'q', topic: 't', exchange: 'e' }

export const sortedEntries = <Value>(
  record: Readonly<Record<string, Value>> | undefined,
): [string, Value][] => Object.entries(record ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))

/** Equal for equal bindings of one exchange. Lengths stand first, because names may hold anything. */
export const identityOf = (binding: Binding): string => {
  const { targetKind, target, routingKey, match, headers, labels } = binding
  const ends = `${kindLetters[targetKind]}${target.length}:${target}${routingKey.length}:${routingKey}`
  if (match === undefined && headers === undefined && labels === undefined) return ends
  const wanted = sortedEntries(headers)
  const labelled = sortedEntries(labels)
  if (match === undefined && wanted.length === 0 && labelled.length === 0) return ends
  return ends + JSON.stringify([match ?? null, wanted, labelled])
}
