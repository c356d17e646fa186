/** What `pub`, `sub` and the commands of queues name: a topic, a queue, an exchange with a key. */
import { UsageError } from './failure.ts'

export type Target =
  | { readonly kind: 'topic'; readonly name: string }
  | { readonly kind: 'queue'; readonly name: string }
  | {
      readonly kind: 'exchange'
      readonly name: string
      /** `undefined`: it was not said. */
      readonly routingKey: string | undefined
    }

/** A name of a topic has no slash, so the first one ends the name of an exchange. */
export const parseTarget = (text: string): Target => {
  const [, kind, rest = ''] = /^(topic|queue|exchange):(.*)$/s.exec(text) ?? []
  if (kind === undefined) return { kind: 'topic', name: text }
  if (kind !== 'exchange') {
    if (rest === '') throw new UsageError(`'${text}' names nothing`, `write ${kind}:NAME`)
    return { kind: kind as 'topic' | 'queue', name: rest }
  }
  const at = rest.indexOf('/')
  const name = at < 0 ? rest : rest.slice(0, at)
  return { kind: 'exchange', name, routingKey: at < 0 ? undefined : rest.slice(at + 1) }
}

/** Where a binding or a move leads: a kind must be said. */
export const parsePlace = (text: string): Target => {
  if (/^(topic|queue|exchange):/.test(text)) return parseTarget(text)
  throw new UsageError(`'${text}' says no kind`, 'write queue:NAME, topic:NAME or exchange:NAME')
}

export const formatTarget = (kind: string, name: string): string => `${kind}:${name}`
