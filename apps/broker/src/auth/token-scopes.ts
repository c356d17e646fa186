/**
 * Scopes of a token that Millrace understands, as grants of that token alone:
 *
 *     millrace:ACTIONS:NAMESPACE:KIND:PATTERN        millrace:read,write:/:topic:orders.*
 *
 * ACTIONS may be `*`, KIND too. Parts are percent-encoded where they hold a colon, a space or a
 * percent sign. Other scopes are other people's; a scope of ours that cannot be read refuses the
 * token, because less than what was meant would be granted, or more.
 */
import { type Action, actions, type Grant, GrantMatcher } from '@millrace/core'
import { TOKEN_SCOPES_COUNT_MAX } from './limits.ts'

const PREFIX = 'millrace:'

/** Throws when a scope of ours cannot be read. `undefined`: there is none. */
export const readScopes = (claim: unknown): readonly Grant[] | undefined => {
  const ours = listOf(claim).filter((scope) => scope.startsWith(PREFIX))
  if (ours.length > TOKEN_SCOPES_COUNT_MAX) throw new Error('it has too many scopes')
  return ours.length === 0 ? undefined : ours.map(readScope)
}

/** RFC 8693 has one string, some issuers an array. */
const listOf = (claim: unknown): readonly string[] => {
  if (typeof claim === 'string') return claim.split(' ')
  if (!Array.isArray(claim)) return []
  return claim.filter((scope) => typeof scope === 'string')
}

const readScope = (scope: string): Grant => {
  const parts = scope.slice(PREFIX.length).split(':')
  if (parts.length !== 4) throw new Error('a scope of it has not four parts')
  const [list, namespace, kind, pattern] = parts.map((part) => decodeURIComponent(part)) as [
    string,
    string,
    string,
    string,
  ]
  const grant: Grant = {
    effect: 'allow',
    actions: list === '*' ? actions : (list.split(',') as Action[]),
    namespace,
    kind: kind as Grant['kind'],
    pattern,
  }
  // Checks every part.
  return new GrantMatcher(grant).grant
}
