/** Which matcher each type of exchange has. */
import type { ExchangeSettings, ExchangeType } from '../engine/messaging.ts'
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

const factories: Readonly<Record<ExchangeType, MatcherFactory>> = {
  direct: () => new DirectMatcher(),
  topic: () => new TopicMatcher(),
  fanout: () => new FanoutMatcher(),
  headers: () => new HeadersMatcher(),
  'consistent-hash': ({ hashHeader }) => new ConsistentHashMatcher(hashHeader),
  'modulus-hash': () => new ModulusHashMatcher(),
  random: (_settings, random) => new RandomMatcher(random),
}

export const isExchangeType = (text: string): text is ExchangeType => Object.hasOwn(factories, text)

export const createMatcher = (settings: ExchangeSettings, random: Random): Matcher =>
  factories[settings.type](settings, random)
