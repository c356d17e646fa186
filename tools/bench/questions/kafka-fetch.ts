/** What does a gigabyte cost the broker that librdkafka reads? */
import { connect } from '@millrace/client-node'
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { brokerFact, kernelFact, megabytesPerSecond, rateFact, round } from '../facts.ts'
import { interleave } from '../interleave.ts'
import { cpuMsOf } from '../process-stat.ts'
import type { Answer, Question, Row } from '../question.ts'
import { spreadOf } from '../statistics.ts'
import type { LibrdkafkaRun } from '../tasks/run-librdkafka.ts'
import type { Worker } from '../worker.ts'
import { type Backlog, prepareBacklog } from './backlog.ts'
import { brokerSecondsPerGigabyte, librdkafkaFact, runWithCosts } from './librdkafka-costs.ts'
import { type BareRun, bareFacts } from './produce-duel.ts'

const RECORD_BYTES = 1024
const RECORD_COUNT = 1_000_000
const QUICK_RECORD_COUNT = 2_000
const SECONDS_PER_GB_MAX = 1.5
const SENDFILE_SECONDS_PER_GB_MAX = 0.6
const CHECK_MS_MAX = 600_000

interface Case {
  readonly name: string
  readonly settings: Readonly<Record<string, string>>
  readonly secondsMax: number
}

const SETTING = 'MILLRACE_STORAGE__SEND_FILE'

const cases: readonly Case[] = [
  { name: ', without sendfile', settings: { [SETTING]: 'false' }, secondsMax: SECONDS_PER_GB_MAX },
  {
    name: ', with sendfile',
    settings: { [SETTING]: 'true' },
    secondsMax: SENDFILE_SECONDS_PER_GB_MAX,
  },
]

/** Full segments get their sidecars, without which nothing is sent unread. */
const makeSidecars = async ({ url }: BrokerUnderTest, topic: string): Promise<void> => {
  const client = await connect(url, { requestTimeoutMs: CHECK_MS_MAX })
  await client.admin.checkStorage({ topic })
  await client.close()
}

interface BarePair {
  readonly receiver: Worker
  readonly fileServer: Worker
}

const readBare = async (
  { receiver, fileServer }: BarePair,
  { paths }: Backlog,
): Promise<BareRun> => {
  const { port, done } = await fileServer.serve('serveFile', { paths })
  const cpuBeforeMs = await cpuMsOf(fileServer.pid)
  const received = await receiver.run('receiveFile', { port })
  await done
  return { ...received, cpuMs: (await cpuMsOf(fileServer.pid)) - cpuBeforeMs }
}

const measure = async (bench: Bench, one: Case): Promise<Row> => {
  const recordCount = bench.size(RECORD_COUNT, QUICK_RECORD_COUNT)
  const settings = one.settings
  const { broker, backlog } = await prepareBacklog(bench, {
    payloadBytes: RECORD_BYTES,
    recordCount,
    settings,
  })
  const generator = bench.worker('librdkafka')
  const bare = { receiver: bench.worker('receiver'), fileServer: bench.worker('file-server') }
  const { topic } = backlog
  await makeSidecars(broker, topic)
  const fetchAll = (): Promise<Costs<LibrdkafkaRun>> =>
    runWithCosts(bench, broker, generator, {
      mode: 'consume',
      address: broker.kafka,
      topic,
      recordCount,
    })
  // Once each unmeasured: the files are in the page cache for both, and the code is hot.
  await fetchAll()
  await readBare(bare, backlog)
  const { first, second } = await interleave(bench.repeats, fetchAll, () => readBare(bare, backlog))
  const rates = first.map(({ result }) => megabytesPerSecond(result))
  return {
    label: `broker's CPU for a GB of 1 KiB records to librdkafka${one.name}`,
    unit: 's/GB',
    measured: spreadOf(brokerSecondsPerGigabyte(first)),
    target: { bound: 'at most', value: one.secondsMax },
    facts: [
      `${round(backlog.byteCount / 1e9, 2)} GB in ${backlog.paths.length} files, in the page cache`,
      rateFact('broker to librdkafka', rates, 'MB/s of payload'),
      ...bareFacts({ bare: second }, 'bare copy of the files to a socket'),
      brokerFact('fetching', first),
      kernelFact('fetching', first),
      librdkafkaFact(first),
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const rows: Row[] = []
  for (const one of cases) {
    rows.push(await measure(bench, one))
    await bench.closeAll()
  }
  return { rows, durability: 'persisted' }
}

export const kafkaFetch: Question = {
  name: 'kafka-fetch',
  title: 'librdkafka reads a topic from its start, against a bare copy of its files to a socket',
  answer,
}
