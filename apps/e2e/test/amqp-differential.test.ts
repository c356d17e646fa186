/**
 * The same conversations with RabbitMQ and with Millrace, frame by frame: what is right and what is
 * wrong is answered alike. Half of them are generated from a seed.
 */
import { type AmqpBroker, amqpBrokers, unique } from './support/amqp/brokers.ts'
import { allowedDifferences } from './support/amqp/allowed-differences.ts'
import { allows, compare, type Difference, type Side } from './support/amqp/comparison.ts'
import { type Conversation, run } from './support/amqp/conversation.ts'
import { declarations } from './support/amqp/conversations/declarations.ts'
import { delivery } from './support/amqp/conversations/delivery.ts'
import { generated } from './support/amqp/conversations/generated.ts'
import { lifetimes } from './support/amqp/conversations/lifetimes.ts'
import { routing } from './support/amqp/conversations/routing.ts'
import { sessions } from './support/amqp/conversations/sessions.ts'
import { byDepth, report } from './support/depth.ts'

const FIRST_SEED = Number(process.env['MILLRACE_E2E_SEED'] ?? 1)
/** At a time, with each broker. */
const CONCURRENT = 40
/** Silence that ends a step; the longer one for a second look at what differs. */
const QUIET_MS = 25
const LONG_QUIET_MS = 150

const written = [...declarations, ...routing, ...delivery, ...lifetimes, ...sessions]
const drawn = Array.from({ length: byDepth(written.length, 2_000) }, (_, index) =>
  generated(FIRST_SEED + index),
)
const only = process.env['MILLRACE_E2E_TALK']
const conversations = [...written, ...drawn].filter(
  ({ name }) => only === undefined || name.startsWith(only),
)

const brokers: AmqpBroker[] = []

/** Conversations that could not be held. */
const problems: string[] = []
const nothing: Side = { results: [], suffix: '' }

const differencesOf = async (
  conversation: Conversation,
  quietMs: number,
): Promise<readonly Difference[]> => {
  const [left, right] = await Promise.all(
    brokers.map(async ({ port }) => {
      const suffix = unique('')
      return { results: await run(conversation, { port, suffix, quietMs }), suffix }
    }),
  ).catch((error: unknown) => {
    problems.push(String(error))
    return [nothing, nothing]
  })
  return compare(conversation.name, left as Side, right as Side)
}

/** Those that differ, some at a time. */
const differing = async (
  some: readonly Conversation[],
  atATime: number,
  quietMs: number,
): Promise<Map<Conversation, readonly Difference[]>> => {
  const waiting = [...some]
  const found = new Map<Conversation, readonly Difference[]>()
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const differences = await differencesOf(next, quietMs)
      if (differences.length > 0) found.set(next, differences)
    }
  }
  await Promise.all(Array.from({ length: atATime }, work))
  return found
}

/** A machine that is busy is slow to answer: what differs gets more time. */
const compareBoth = async (): Promise<Difference[]> => {
  const first = await differing(conversations, CONCURRENT, QUIET_MS)
  const again = await differing([...first.keys()], CONCURRENT / 5, LONG_QUIET_MS)
  report(`${first.size} looked at again, ${again.size} differ`)
  return [...again.values()].flat()
}

const textOf = ({ conversation, step, field, left, right }: Difference): string =>
  `${conversation} | ${step} | ${field}\n  ${JSON.stringify(left)}\n  ${JSON.stringify(right)}`

let differences: readonly Difference[]

beforeAll(async () => {
  const kinds = amqpBrokers.length > 1 ? amqpBrokers : [...amqpBrokers, ...amqpBrokers]
  for (const { launch } of kinds) brokers.push(await launch())
  differences = await compareBoth()
}, 300_000)

afterAll(async () => {
  for (const broker of brokers) await broker.release()
})

it('has enough to say, each conversation by a name of its own', () => {
  expect(new Set(conversations.map(({ name }) => name)).size).toBe(conversations.length)
  if (only === undefined) expect(written.length).toBeGreaterThan(100)
  report(`${written.length} written conversations, ${drawn.length} generated`)
})

it('is answered alike, but for what is listed', () => {
  const unexpected = differences.filter(
    (one) => !allowedDifferences.some((allowed) => allows(allowed, one)),
  )
  expect([...problems, ...unexpected.map(textOf)].join('\n')).toBe('')
})

it('differs where the list says so', () => {
  const unused = allowedDifferences.filter(
    (allowed) => !differences.some((one) => allows(allowed, one)),
  )
  if (only === undefined) expect(unused).toEqual([])
})
