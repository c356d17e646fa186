/** How fast is an old topic read, of what a bare copy of its files to a socket does? */
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { brokerFact, generatorFact, type Load, megabytesPerSecond, rateFact } from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { ratiosOf, spreadOf } from '../statistics.ts'
import type { Worker } from '../worker.ts'
import { type Backlog, prepareBacklog } from './backlog.ts'

const RECORD_BYTES = 1024
const RECORD_COUNT = 2_500_000
const QUICK_RECORD_COUNT = 2_000
const RATIO_MIN = 0.5

type Read = (broker: BrokerUnderTest, reader: Worker, backlog: Backlog) => Promise<Load>

const readWithClient: Read = async (broker, reader, { topic, recordCount, byteCount }) => {
  const consumed = await reader.run('consumeWithClient', { url: broker.url, topic })
  if (consumed.recordCount !== recordCount) {
    throw new Error(`read ${consumed.recordCount} of ${recordCount} records`)
  }
  return { recordCount, payloadBytes: byteCount, elapsedMs: consumed.elapsedMs }
}

const readRaw: Read = async (broker, reader, { topic, recordCount }) => {
  const parameters = { url: broker.url, topic, endOffset: recordCount }
  const { byteCount, elapsedMs } = await reader.run('consumeRaw', parameters)
  return { recordCount, payloadBytes: byteCount, elapsedMs }
}

const measure = async (
  bench: Bench,
  broker: BrokerUnderTest,
  backlog: Backlog,
  label: string,
  read: Read,
): Promise<Row> => {
  const reader = bench.worker('reader')
  const fileServer = bench.worker('file-server')
  const readFromBroker = (): Promise<Costs<Load>> =>
    bench.costsOf(broker, reader, () => read(broker, reader, backlog))
  const readBare = async (): Promise<number> => {
    const { port, done } = await fileServer.serve('serveFile', { paths: backlog.paths })
    const { byteCount, elapsedMs } = await reader.run('receiveFile', { port })
    await done
    return megabytesPerSecond({ payloadBytes: byteCount, elapsedMs })
  }
  // Once each unmeasured: the files are in the page cache for both, and the code is hot.
  await readFromBroker()
  await readBare()
  const { first, second } = await interleave(bench.repeats, readFromBroker, readBare)
  const rates = first.map(({ result }) => megabytesPerSecond(result))
  return {
    label,
    unit: 'ratio',
    measured: spreadOf(ratiosOf(rates, second)),
    target: { bound: 'at least', value: RATIO_MIN },
    facts: [
      `${(backlog.byteCount / 1e9).toFixed(2)} GB in ${backlog.paths.length} files, in the page cache`,
      rateFact('from the broker', rates, 'MB/s'),
      rateFact('bare copy', second, 'MB/s'),
      brokerFact('reading', first),
      generatorFact('reader', first),
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const { broker, backlog } = await prepareBacklog(bench, {
    payloadBytes: RECORD_BYTES,
    recordCount: bench.size(RECORD_COUNT, QUICK_RECORD_COUNT),
  })
  const labels = {
    raw: 'batches as they are stored, of a bare copy of the files to a socket',
    client: 'messages through the SDK, of a bare copy of the files to a socket',
  }
  const rows = [
    await measure(bench, broker, backlog, labels.raw, readRaw),
    await measure(bench, broker, backlog, labels.client, readWithClient),
  ]
  return { rows, durability: 'persisted' }
}

export const catchUp: Question = {
  name: 'catch-up',
  title: 'Reading a topic of several GB from its start',
  answer,
}
