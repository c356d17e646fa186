/**
 * Segments that go to the socket by `sendfile`, and the same reads without it: kcat and the SDK get
 * the same bytes, a reader that stops or goes away keeps nothing, and a file that a reader holds stays
 * readable when its topic is gone.
 */
import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { connect as connectSocket, type Socket } from 'node:net'
import { join } from 'node:path'
import { type Client, connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { byDepth, report } from './support/depth.ts'
import { eventually } from './support/eventually.ts'
import { runProgram } from './support/kafka-clients.ts'
import { fetchRequest, recordsOfFetch } from './support/kafka-fetch.ts'
import { metricOf } from './support/metrics.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

jest.setTimeout(byDepth(180_000, 900_000))

const RECORD_BYTES = 64 * 1024
const RECORD_COUNT = byDepth(1_600, 16_384)
const TOPIC_BYTES = RECORD_BYTES * RECORD_COUNT
/** What is in the last segment, and what the broker still has in memory, is not sent from files. */
const LEAST_FROM_FILES = TOPIC_BYTES / 2

const configuration = [
  'topics: { segmentBytes: 16MiB, batchBytes: 1MiB, autoCreate: false }',
  'storage: { deleteGrace: 0, unflushedBytes: 16MiB, checkpointBytes: 32MiB }',
].join('\n')

let scratch: Scratch
let dataDir: string
let args: readonly string[]
let broker: LaunchedBroker
let client: Client
let sentHash: string
/** Topics that one of the two runs deletes. */
const passingHashes = new Map<boolean, string>()

const launch = async (isSending: boolean): Promise<void> => {
  const env = { MILLRACE_STORAGE__SEND_FILE: `${isSending}` }
  broker = await launchBroker({ dataDir, args, env })
  client = await connect(broker.url, { requestTimeoutMs: 120_000 })
}

const end = async (): Promise<void> => {
  await client?.close()
  await broker?.stop()
}

/** Random, so that two bytes that change places show. Returns the hash of all payloads in order. */
const fill = async (topic: string, recordCount: number): Promise<string> => {
  await client.admin.createTopic(topic)
  const hash = createHash('sha256')
  const producer = client.producer<Uint8Array>(topic, { codec: 'bytes' })
  for (let index = 0; index < recordCount; index++) {
    const value = randomFillSync(Buffer.alloc(RECORD_BYTES))
    hash.update(value)
    if (!producer.write({ value })) await producer.ready()
  }
  await producer.close()
  return hash.digest('hex')
}

beforeAll(async () => {
  scratch = createScratch('sendfile')
  dataDir = scratch.next('data')
  const file = scratch.next('config.yaml')
  writeFileSync(file, configuration)
  args = ['--config', file]
  await launch(true)
  sentHash = await fill('large', RECORD_COUNT)
  for (const mode of [true, false]) passingHashes.set(mode, await fill(`passing-${mode}`, 400))
  await end()
})

afterAll(() => scratch?.remove())

const sentFromFiles = (): Promise<number> =>
  metricOf(broker.httpPort, 'millrace_sendfile_bytes_total')

const hashOfKcat = async (topic: string, settings: readonly string[] = []): Promise<string> => {
  const options = ['check.crcs=true', 'fetch.message.max.bytes=4000000', ...settings]
  const flags = options.map((option) => `-X ${option}`).join(' ')
  const read = `kcat -b 127.0.0.1:${broker.kafkaPort} -C -t ${topic} -o beginning -e -q -D '' ${flags}`
  const output = await runProgram(
    'bash',
    ['-o', 'pipefail', '-c', `${read} | sha256sum`],
    '',
    600_000,
  )
  return output.split(' ', 1)[0] ?? ''
}

const hashOfSdk = async (topic: string): Promise<string> => {
  const hash = createHash('sha256')
  const options = { from: 'start', follow: false, codec: 'bytes' } as const
  for await (const { payload } of client.consume<Uint8Array>(topic, options)) {
    if (payload !== null) hash.update(payload)
  }
  return hash.digest('hex')
}

describe.each([
  ['with sendfile', true],
  ['without', false],
])('%s', (_name, isSending) => {
  beforeAll(async () => {
    await launch(isSending)
    // Sidecars are made a while after a segment is full; a check makes those that are missing.
    expect((await client.admin.checkStorage()).ranges).toEqual([])
  })

  afterAll(end)

  it('says whether it is in use', async () => {
    const enabled = await metricOf(broker.httpPort, 'millrace_sendfile_enabled')
    expect(enabled).toBe(isSending ? 1 : 0)
  })

  it('gives kcat every byte', async () => {
    const before = await sentFromFiles()
    expect(await hashOfKcat('large')).toBe(sentHash)
    const sent = (await sentFromFiles()) - before
    report(`${Math.round(sent / 1e6)} of ${Math.round(TOPIC_BYTES / 1e6)} MB by sendfile`)
    if (isSending) expect(sent).toBeGreaterThan(LEAST_FROM_FILES)
    else expect(sent).toBe(0)
  })

  it('gives the SDK every byte', async () => {
    const before = await sentFromFiles()
    expect(await hashOfSdk('large')).toBe(sentHash)
    const sent = (await sentFromFiles()) - before
    if (isSending) expect(sent).toBeGreaterThan(LEAST_FROM_FILES)
    else expect(sent).toBe(0)
  })

  it('gives a reader that stops for a while the same, and serves the others meanwhile', async () => {
    const slow = await openSlowReader('large')
    await eventually('the slow reader has stopped everything', () => hasStopped(slow))
    const began = performance.now()
    expect(await hashOfKcat('large')).toBe(sentHash)
    report(`beside a stopped reader: ${Math.round(performance.now() - began)} ms`)
    const whole = await fetchOnce('large')
    expect((await slow.answers(FETCH_COUNT)).map((records) => records.equals(whole))).toEqual(
      ALL_EQUAL,
    )
    slow.socket.destroy()
  })

  it('closes the files of readers that go away in the middle, and of topics that are deleted', async () => {
    const topic = `passing-${isSending}`
    const readers = await Promise.all(Array.from({ length: 4 }, () => openSlowReader(topic)))
    for (const reader of readers) await eventually('it has stopped', () => hasStopped(reader))
    const whole = await fetchOnce(topic)
    expect(await hashOfKcat(topic)).toBe(passingHashes.get(isSending))
    await client.admin.deleteTopic(topic)
    if (isSending) await eventually('its files are held', () => deletedFileCount() > 0)
    const [first, ...others] = readers
    // What is on its way when the topic goes comes whole.
    expect((await first?.answers(1))?.[0]?.equals(whole)).toBe(true)
    for (const reader of readers) reader.socket.destroy()
    expect(others).toHaveLength(3)
    await eventually('nobody holds a file that is gone', () => deletedFileCount() === 0)
  })
})

interface SlowReader {
  readonly socket: Socket
  /** The records of the next answers, when it reads after all. */
  answers(count: number): Promise<Buffer[]>
}

/** More than the kernel takes for a peer that does not read, all together. */
const FETCH_COUNT = 4
const ALL_EQUAL = Array.from({ length: FETCH_COUNT }, () => true)
const FETCH_BYTES = 12 * 1024 * 1024

/** Asks for much, again and again, and reads nothing. */
const openSlowReader = async (topic: string): Promise<SlowReader> => {
  const socket = connectSocket({ port: broker.kafkaPort, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.pause()
  for (let count = 0; count < FETCH_COUNT; count++) {
    socket.write(fetchRequest(topic, 0, FETCH_BYTES))
  }
  return { socket, answers: (count) => readAnswers(socket, count) }
}

const fetchOnce = async (topic: string): Promise<Buffer> => {
  const { socket, answers } = await openSlowReader(topic)
  const [records = Buffer.alloc(0)] = await answers(1)
  socket.destroy()
  return records
}

/** Of each response its length, then so many bytes. What comes behind the last is left out. */
const readAnswers = async (socket: Socket, count: number): Promise<Buffer[]> => {
  const answers: Buffer[] = []
  let chunks: Buffer[] = []
  let received = 0
  let wanted = Infinity
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    received += chunk.length
    if (wanted === Infinity && received >= 4) wanted = 4 + Buffer.concat(chunks).readUInt32BE(0)
    if (received < wanted) continue
    const all = Buffer.concat(chunks)
    answers.push(recordsOfFetch(all.subarray(0, wanted)))
    if (answers.length === count) break
    chunks = [all.subarray(wanted)]
    received -= wanted
    wanted = received >= 4 ? 4 + all.readUInt32BE(all.length - received) : Infinity
  }
  return answers
}

/** The kernel has taken what it takes for a peer that does not read: nothing moves any more. */
const hasStopped = async ({ socket }: SlowReader): Promise<boolean> => {
  const before = await sentFromFiles()
  await new Promise((resolve) => socket.once('readable', resolve).once('close', resolve))
  return before === (await sentFromFiles())
}

const deletedFileCount = (): number => {
  const directory = `/proc/${broker.pid}/fd`
  const targets = readdirSync(directory).map((name) => {
    try {
      return readlinkSync(join(directory, name))
    } catch {
      return ''
    }
  })
  return targets.filter((target) => target.endsWith('.log (deleted)')).length
}
