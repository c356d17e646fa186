/**
 * A permission: whom it is for, what they may or may not do, and with which resources. Its key is
 * everything but the actions, so that granting twice adds and never doubles.
 */
import { BrokerError } from '@millrace/codec'
import type { Action, Resource } from '../gateway/contracts.ts'
import { DEFAULT_NAMESPACE } from '../names.ts'
import { type NamePattern, matchesPattern, parsePattern } from './pattern.ts'

export const actions: readonly Action[] = ['configure', 'write', 'read', 'administer']
export const resourceKinds: readonly Resource['kind'][] = [
  'topic',
  'exchange',
  'queue',
  'group',
  'broker',
]
/** In place of a user's name: everybody who has shown who they are. */
export const EVERY_USER = '*'

export interface Grant {
  readonly effect: 'allow' | 'deny'
  readonly actions: readonly Action[]
  /** Patterns. Resources of the broker as a whole are in the default namespace. */
  readonly namespace: string
  readonly kind: Resource['kind'] | '*'
  readonly pattern: string
}

export interface Permission extends Grant {
  /** A user's name, or `*`. */
  readonly user: string
}

/** A grant that can be asked. */
export class GrantMatcher {
  readonly grant: Grant
  readonly #namespace: NamePattern
  readonly #name: NamePattern

  /** Throws ERR_INVALID_ARGUMENT. */
  constructor(grant: Grant) {
    checkGrant(grant)
    this.grant = grant
    this.#namespace = parsePattern(grant.namespace)
    this.#name = parsePattern(grant.pattern)
  }

  covers(action: Action, resource: Resource): boolean {
    const { grant } = this
    return (
      (grant.kind === '*' || grant.kind === resource.kind) &&
      grant.actions.includes(action) &&
      matchesPattern(this.#namespace, resource.namespace) &&
      matchesPattern(this.#name, resource.name)
    )
  }
}

const invalid = (argument: string, reason: string): BrokerError =>
  new BrokerError('ERR_INVALID_ARGUMENT', [argument, reason])

const checkGrant = ({ effect, actions: given, kind }: Grant): void => {
  if (effect !== 'allow' && effect !== 'deny') throw invalid('effect', 'it must be allow or deny')
  if (given.length === 0 || !given.every((action) => actions.includes(action)))
    throw invalid('actions', `one or more of ${actions.join(', ')}`)
  if (kind !== '*' && !resourceKinds.includes(kind))
    throw invalid('kind', `one of ${resourceKinds.join(', ')}, or *`)
}

/** In the order of the table, each once. */
export const sortActions = (given: Iterable<Action>): Action[] => {
  const set = new Set(given)
  return actions.filter((action) => set.has(action))
}

/** As people write it: `topic:orders`, and `shop//topic:orders` outside the default namespace. */
export const formatResource = ({ kind, namespace, name }: Resource): string =>
  namespace === DEFAULT_NAMESPACE ? `${kind}:${name}` : `${namespace}//${kind}:${name}`
