/** What a binding may ask for. */
import { BrokerError } from '@millrace/codec'
import type { Binding, ExchangeSettings, HeaderMatch, TargetKind } from '../engine/messaging.ts'
import { checkRoutingKey, checkRoutingName } from '../names.ts'
import { hashWeight } from './consistent-hash-matcher.ts'
import { routingTypeOf } from './create-matcher.ts'
import { checkTextSize } from './exchange-settings.ts'
import { BINDING_HEADERS_COUNT_MAX } from './limits.ts'
import { DEFAULT_EXCHANGE } from './predeclared.ts'

const kinds: readonly TargetKind[] = ['queue', 'topic', 'exchange']
const matches: readonly HeaderMatch[] = ['all', 'any', 'all-with-x', 'any-with-x']

const invalid = (argument: string, reason: string): BrokerError =>
  new BrokerError('ERR_INVALID_ARGUMENT', [argument, reason])

/**
 * Nothing but the fields, and of those only what says something. Throws ERR_RESERVED_NAME for the
 * default exchange on either side, ERR_INVALID_NAME, ERR_INVALID_ARGUMENT.
 */
export const checkBinding = (given: Binding): Binding => {
  const { exchange, targetKind, target, routingKey, match, headers = {}, labels = {} } = given
  if (!kinds.includes(targetKind)) throw invalid('targetKind', `it is one of ${kinds.join(', ')}`)
  const isToDefault = targetKind === 'exchange' && target === DEFAULT_EXCHANGE
  if (exchange === DEFAULT_EXCHANGE || isToDefault)
    throw new BrokerError('ERR_RESERVED_NAME', [DEFAULT_EXCHANGE])
  checkRoutingName(exchange)
  checkRoutingName(target)
  checkRoutingKey(routingKey)
  if (match !== undefined && !matches.includes(match))
    throw invalid('match', `it is one of ${matches.join(', ')}`)
  if (Object.keys(headers).length > BINDING_HEADERS_COUNT_MAX)
    throw invalid('headers', `they are more than ${BINDING_HEADERS_COUNT_MAX}`)
  checkTextSize('headers', headers)
  checkTextSize('labels', labels)
  return {
    exchange,
    targetKind,
    target,
    routingKey,
    ...(match === undefined ? {} : { match }),
    ...(Object.keys(headers).length === 0 ? {} : { headers: { ...headers } }),
    ...(Object.keys(labels).length === 0 ? {} : { labels: { ...labels } }),
  }
}

/** What the type of the source has against it. Throws ERR_INVALID_ARGUMENT. */
export const checkBindingOfType = (settings: ExchangeSettings, { routingKey }: Binding): void => {
  if (routingTypeOf(settings) === 'consistent-hash') hashWeight(routingKey)
}
