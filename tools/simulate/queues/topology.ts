/** The exchanges and queues of a simulated world: their names, their settings, what leads where. */
import type { Binding, ExchangeType, QueueSettings, TargetKind } from '@millrace/core'
import type { SeededRandom } from '@millrace/testing'

/** Takes what other queues reject, drop or let expire. It has no limits itself, and is never deleted. */
export const DEAD_QUEUE = 'dead'
export const LETTERS_EXCHANGE = 'letters'
/** A topic that exchanges lead to, and the queue that is a view of it. */
export const FEED_TOPIC = 'feed'
export const VIEW_QUEUE = 'view'
export const KEPT_QUEUE = 'kept'
/** It knows message ids: mostly for longer than a world lasts, wherever its clock jumps. */
export const ONCE_QUEUE = 'once'
/** One message of a key is with a consumer at a time. */
export const KEYED_QUEUE = 'keyed'
/** Of several consumers one is served. */
export const SINGLE_QUEUE = 'single'

export const exchangeTypes: ReadonlyMap<string, ExchangeType> = new Map([
  ['jobs', 'direct'],
  ['news', 'fanout'],
  ['paths', 'topic'],
  ['feeds', 'fanout'],
  [LETTERS_EXCHANGE, 'fanout'],
] as const)

/** What an administrator may delete and make again. */
export const removableExchanges = ['jobs', 'paths'] as const

const binding = (
  exchange: string,
  target: string,
  routingKey = '',
  targetKind: TargetKind = 'queue',
): Binding => ({ exchange, targetKind, target, routingKey })

/** All that there ever is; the first ones are there from the beginning and stay. */
export const fixedBindings: readonly Binding[] = [
  binding(LETTERS_EXCHANGE, DEAD_QUEUE),
  binding('feeds', FEED_TOPIC, '', 'topic'),
]

export const looseBindings: readonly Binding[] = [
  binding('news', 'north'),
  binding('news', 'south'),
  binding('news', 'work'),
  binding('news', 'short'),
  binding('news', SINGLE_QUEUE),
  binding('news', 'volatile'),
  binding('jobs', 'work', 'a'),
  binding('jobs', 'tries', 'a'),
  binding('jobs', 'north', 'a'),
  binding('jobs', 'brief', 'b'),
  binding('jobs', 'ranked', 'b'),
  binding('paths', 'south', 'a.#'),
  binding('paths', 'north', '*.b'),
  binding('paths', 'kept', '#.b'),
  binding('paths', 'ranked', '#'),
  binding('paths', 'jobs', 'a', 'exchange'),
  binding('feeds', 'south'),
]

export const routingKeys: Readonly<Record<string, readonly string[]>> = {
  jobs: ['a', 'b', 'nowhere'],
  news: [''],
  paths: ['a', 'a.b', 'x.b', 'c.d'],
  feeds: ['', 'k', 'l'],
}

type Settings = Partial<QueueSettings>

const letters = (random: SeededRandom, chance: number): Settings =>
  random.chance(chance) ? { deadLetterExchange: LETTERS_EXCHANGE } : {}

/** Shorter than a quiet time: what waits is back when somebody looks. */
const delays: Settings = { redeliveryDelayMsMin: 10, redeliveryDelayMsMax: 50 }

const plans: Readonly<Record<string, (random: SeededRandom) => Settings>> = {
  [DEAD_QUEUE]: () => ({}),
  work: (random) => letters(random, 0.5),
  north: () => ({}),
  south: () => ({}),
  short: (random) => ({
    lengthMax: random.pick([2, 5, 20]),
    overflow: random.pick(['drop-head', 'drop-head', 'reject', 'reject-dead-letter']),
    ...letters(random, 0.6),
  }),
  brief: (random) => ({ messageTtlMs: random.pick([5, 30, 150]), ...letters(random, 0.6) }),
  ranked: (random) => ({ priorityMax: random.pick([1, 3]), ...letters(random, 0.3), ...delays }),
  tries: (random) => ({
    deliveryLimit: random.pick([0, 1, 3]),
    ...letters(random, 0.8),
    ...delays,
  }),
  volatile: () => ({ isDurable: false, ...delays }),
  [KEPT_QUEUE]: () => ({ retentionMs: 3_600_000 }),
  [ONCE_QUEUE]: (random) => ({ dedupWindowMs: random.pick([40, 1_000_000_000, 1_000_000_000]) }),
  [KEYED_QUEUE]: (random) => ({ isKeyOrdered: true, ...letters(random, 0.3) }),
  [SINGLE_QUEUE]: () => ({ isSingleActiveConsumer: true }),
  [VIEW_QUEUE]: () => ({ topic: FEED_TOPIC }),
}

export const queueNames = Object.keys(plans)

export const settingsFor = (queue: string, random: SeededRandom): Settings => {
  const plan = plans[queue]
  if (plan === undefined) throw new Error(`there is no queue '${queue}'`)
  return plan(random)
}

/** What an administrator may change in place; `null` goes back to the default. */
export const changeFor = (queue: string, random: SeededRandom): Settings | undefined => {
  if (queue === 'short') return { lengthMax: random.pick([1, 5, 50]) }
  if (queue === 'brief') return { messageTtlMs: random.pick([5, 50, 500]) }
  if (queue === 'tries') return { deliveryLimit: random.pick([1, 5]) }
  return undefined
}

/** Words against words, `*` for one, `#` for any number of them. */
export const matchesPattern = (pattern: readonly string[], words: readonly string[]): boolean => {
  const [first, ...rest] = pattern
  if (first === undefined) return words.length === 0
  if (first === '#')
    return (
      matchesPattern(rest, words) || (words.length > 0 && matchesPattern(pattern, words.slice(1)))
    )
  return (
    words.length > 0 &&
    (first === '*' || first === words[0]) &&
    matchesPattern(rest, words.slice(1))
  )
}
