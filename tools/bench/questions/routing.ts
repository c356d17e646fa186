/** What does a message cost at an exchange with 100,000 bindings that matches ten of them? */
import type { Bench } from '../bench.ts'
import { round } from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { median, ratiosOf, spreadOf } from '../statistics.ts'
import type { Routed, RoutedType } from '../tasks/route-messages.ts'

const FEW = 10
const MANY = 100_000
const MESSAGES = 1_000_000
const QUICK_MESSAGES = 20_000
const RATIO_MAX = 2
const REMEMBERED_US_MAX = 1

interface Load {
  readonly type: RoutedType
  readonly hasNewKeys: boolean
}

const microsecondsOf = ({ cpuMs, messageCount }: Routed): number => (cpuMs * 1000) / messageCount

/** CPU of a message in microseconds, with few bindings and with many, run by run. */
const measure = async (bench: Bench, load: Load): Promise<{ few: number[]; many: number[] }> => {
  // A process each: what one has made the compiler believe does not slow the other.
  const [small, large] = [bench.worker('few'), bench.worker('many')]
  const messageCount = bench.size(MESSAGES, QUICK_MESSAGES)
  const runFew = (): Promise<Routed> =>
    small.run('routeMessages', { ...load, messageCount, bindingCount: FEW })
  const runMany = (): Promise<Routed> =>
    large.run('routeMessages', { ...load, messageCount, bindingCount: MANY })
  // Not measured: the code gets hot.
  await runFew()
  await runMany()
  const { first, second } = await interleave(bench.repeats, runFew, runMany)
  return { few: first.map(microsecondsOf), many: second.map(microsecondsOf) }
}

const rowOf = async (bench: Bench, label: string, load: Load): Promise<Row> => {
  const { few, many } = await measure(bench, load)
  return {
    label,
    unit: 'ratio',
    measured: spreadOf(ratiosOf(many, few)),
    target: { bound: 'at most', value: RATIO_MAX },
    facts: [
      `CPU a message: ${round(median(few), 3)} µs with ${FEW} bindings, ` +
        `${round(median(many), 3)} µs with 100,000; each matches ${FEW}`,
    ],
  }
}

const rememberedRow = async (bench: Bench): Promise<Row> => {
  const { many } = await measure(bench, { type: 'topic', hasNewKeys: false })
  return {
    label: 'CPU of a message whose routing key was there before, topic exchange, 100,000 bindings',
    unit: 'µs',
    measured: spreadOf(many),
    target: { bound: 'at most', value: REMEMBERED_US_MAX },
    facts: [`${round(median(many) * 1000, 0)} ns; it visits ${FEW} targets`],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const rows = [
    await rowOf(bench, '100,000 bindings of a direct exchange, of 10', {
      type: 'direct',
      hasNewKeys: false,
    }),
    await rowOf(bench, '100,000 bindings of a topic exchange, of 10, a new key each time', {
      type: 'topic',
      hasNewKeys: true,
    }),
    await rowOf(bench, '100,000 bindings of a headers exchange, of 10', {
      type: 'headers',
      hasNewKeys: false,
    }),
    await rememberedRow(bench),
  ]
  return { rows, durability: 'nothing is written' }
}

export const routing: Question = {
  name: 'routing',
  title: 'Routing with many bindings, in the engine alone',
  answer,
}
