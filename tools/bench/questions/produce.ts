/** How much of a bare program's speed is left when records are produced? */
import type { Bench } from '../bench.ts'
import { brokerFact, generatorFact, megabytesPerSecond, rateFact, syncFact } from '../facts.ts'
import type { Answer, Question } from '../question.ts'
import { ratiosOf, spreadOf } from '../statistics.ts'
import { bareFacts, bareRatesOf, runDuel } from './produce-duel.ts'

const RUN_MS = 4_000
const RECORD_BYTES = 1024

const answer = async (bench: Bench): Promise<Answer> => {
  const duel = await runDuel(bench, await bench.broker(), {
    durability: 'persisted',
    load: { payloadBytes: RECORD_BYTES },
    durationMs: bench.runMs(RUN_MS),
  })
  const rates = duel.broker.map(({ result }) => megabytesPerSecond(result))
  const row = {
    label: '1 KiB records through SDK and broker, of a bare copy with the same groups',
    unit: 'ratio' as const,
    measured: spreadOf(ratiosOf(rates, bareRatesOf(duel))),
    target: { bound: 'at least' as const, value: 0.6 },
    facts: [
      rateFact('SDK and broker', rates, 'MB/s of payload'),
      ...bareFacts(duel),
      syncFact('1 KiB', duel.broker),
      brokerFact('1 KiB', duel.broker),
      generatorFact('1 KiB', duel.broker),
    ],
  }
  return { rows: [row], durability: 'persisted' }
}

export const produce: Question = {
  name: 'produce',
  title: 'Produce 1 KiB records, batched by the SDK, against a bare copy of a socket to a file',
  answer,
}
