/** Which matcher each type of exchange has. */
import type { ExchangeSettings, ExchangeType, RoutingType } from '../engine/messaging.ts'
import type { Random } from '../environment/environment.ts'
import { ConsistentHashMatcher } from './consistent-hash-matcher.ts'
import { DirectMatcher } from './direct-matcher.ts'
import { FanoutMatcher } from './fanout-matcher.ts'
import { HeadersMatcher } from './headers-matcher.ts'
import type { Matcher } from './matcher.ts'
import { ModulusHashMatcher } from './modulus-hash-matcher.ts'
import { RandomMatcher } from './random-matcher.ts'
import { TopicMatcher } from './topic-matcher.ts'

type MatcherFactory = (settings: ExchangeSettings, random: Random) => Matcher

const factories: Readonly<Record<RoutingType, MatcherFactory>> = {
  direct: () => new DirectMatcher(),
  topic: () => new TopicMatcher(),
  fanout: () => new FanoutMatcher(),
  headers: () => new HeadersMatcher(),
  'consistent-hash': ({ hashHeader }) => new ConsistentHashMatcher(hashHeader),
  'modulus-hash': () => new ModulusHashMatcher(),
  random: (_settings, random) => new RandomMatcher(random),
}

export const isRoutingType = (text: string): text is RoutingType => Object.hasOwn(factories, text)

export const isExchangeType = (text: string): text is ExchangeType =>
  text === 'delayed' || isRoutingType(text)

/** How it routes; `undefined` of a delayed exchange that does not say so. */
export const routingTypeOf = ({
  type,
  delayedType,
}: Pick<ExchangeSettings, 'type' | 'delayedType'>): RoutingType | undefined =>
  type === 'delayed' ? delayedType : type

/** Of settings that are complete. */
export const createMatcher = (settings: ExchangeSettings, random: Random): Matcher =>
  factories[routingTypeOf(settings) ?? 'direct'](settings, random)
