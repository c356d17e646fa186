/**
 * Real data through the real broker: every line of `apt-cache dumpavail`, with and without keys, into
 * one and into four partitions, by the command and by the SDK; read back byte for byte and in order,
 * and replayed from an offset and from a moment.
 */
import { type Client, connect, type Message } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { runMillrace } from './support/command.ts'
import { byDepth, report } from './support/depth.ts'
import { ExpectedText } from './support/expected-text.ts'
import {
  PackageKeys,
  type PackageLines,
  readPackageLines,
  textOfPartition,
} from './support/package-lines.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const PARTITIONS = 4
const LINES_COUNT_DEEP = 10_000_000
const FIRST_TIMESTAMP = Date.UTC(2026, 0, 1)

jest.setTimeout(byDepth(120_000, 1_800_000))

let scratch: Scratch
let broker: LaunchedBroker
let client: Client
let lines: PackageLines
let keys: PackageKeys
let partitions: Uint8Array
/** How often the whole text is sent. */
let loops: number

beforeAll(async () => {
  scratch = createScratch('real-input')
  lines = readPackageLines()
  keys = new PackageKeys(lines)
  partitions = keys.partitions(PARTITIONS)
  loops = byDepth(1, Math.ceil(LINES_COUNT_DEEP / lines.count))
  broker = await launchBroker({ dataDir: scratch.next('data') })
  client = await connect(broker.url, { requestTimeoutMs: 120_000 })
  report(`${lines.count} lines of ${lines.text.length} bytes, ${loops} times`)
})

afterAll(async () => {
  await client?.close()
  await broker?.stop()
  scratch?.remove()
})

const timed = async <T>(what: string, count: number, run: () => Promise<T>): Promise<T> => {
  const from = performance.now()
  const result = await run()
  const seconds = (performance.now() - from) / 1000
  report(`${what}: ${count} records in ${seconds.toFixed(1)} s`)
  return result
}

function* repeated(text: Buffer, times: number): Generator<Buffer> {
  const chunkBytes = 1024 * 1024
  for (let loop = 0; loop < times; loop++)
    for (let at = 0; at < text.length; at += chunkBytes) yield text.subarray(at, at + chunkBytes)
}

const publishText = async (topic: string, text: Buffer, options: string[]): Promise<void> => {
  const args = ['pub', topic, '--lines', ...options]
  const { code, stderr } = await timed(`pub ${topic}`, loops * lines.count, () =>
    runMillrace(broker.url, args, { input: repeated(text, loops) }),
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
}

/** What `millrace sub` prints must be the text, from a byte of it on. */
const expectText = async (args: readonly string[], text: Buffer, from = 0): Promise<void> => {
  const expected = new ExpectedText(text, loops, from)
  const { code, stderr } = await runMillrace(broker.url, ['sub', ...args, '--no-follow'], {
    onOutput: (chunk) => expected.push(chunk),
  })
  expect({ code, stderr, problem: expected.problem() }).toEqual({
    code: 0,
    stderr: '',
    problem: undefined,
  })
}

const endsOf = async (topic: string): Promise<readonly number[]> => {
  const { partitions: described } = await client.admin.describeTopic(topic)
  return described.map(({ highWatermark }) => highWatermark)
}

interface ReadOptions {
  readonly from: 'start' | number | Date
  readonly partitions?: readonly number[]
}

const readAll = async (
  topic: string,
  options: ReadOptions,
  onMessage: (message: Message<Uint8Array>) => void,
): Promise<number> => {
  const consumer = client.consume<Uint8Array>(topic, { ...options, codec: 'bytes', follow: false })
  let count = 0
  for await (const messages of consumer.batches()) {
    for (const message of messages) onMessage(message)
    count += messages.length
  }
  return count
}

/** Line numbers are sent as timestamps, one millisecond each, so that a reader knows the line. */
const writeLines = async (topic: string, isKeyed: boolean): Promise<void> => {
  const producer = client.producer<Uint8Array>(topic, { codec: 'bytes' })
  const total = loops * lines.count
  for (let index = 0; index < total; index++) {
    const [value, timestamp] = [lines.line(index), FIRST_TIMESTAMP + index]
    const key = isKeyed ? keys.key(index) : null
    if (!producer.write({ value, key, timestamp })) await producer.ready()
  }
  await producer.close()
}

const isSame = (bytes: Uint8Array | null, line: Buffer): boolean =>
  bytes !== null && line.equals(bytes)

/** Each line once over all partitions, in order within each; the keys right and in their partition. */
class LineCheck {
  readonly #last = new Map<number, number>()
  readonly #seen = new Uint8Array(loops * lines.count)
  readonly #isKeyed: boolean
  readonly problems: string[] = []
  count = 0

  constructor(isKeyed: boolean) {
    this.#isKeyed = isKeyed
  }

  take(message: Message<Uint8Array>): void {
    const { partition, offset, timestamp, bytes, key } = message
    const index = timestamp - FIRST_TIMESTAMP
    const last = this.#last.get(partition) ?? -1
    this.#last.set(partition, index)
    this.count++
    const where = `at ${partition}/${offset}`
    if (index <= last) this.#note(`line ${index} after line ${last} ${where}`)
    if (this.#seen[index] !== 0) this.#note(`line ${index} is not sent, or again ${where}`)
    this.#seen[index] = 1
    if (!isSame(bytes, lines.line(index))) this.#note(`other bytes than line ${index} ${where}`)
    const wantedKey = this.#isKeyed ? keys.key(index) : null
    if (wantedKey === null ? key !== null : !isSame(key, wantedKey))
      this.#note(`another key than line ${index} ${where}`)
  }

  #note(problem: string): void {
    if (this.problems.length < 10) this.problems.push(problem)
  }
}

describe('the lines of apt-cache dumpavail through the command', () => {
  test('come back byte for byte from one partition, from an offset and from a moment', async () => {
    await client.admin.createTopic('lines', { partitions: 1 })
    await publishText('lines', lines.text, [])
    expect(await endsOf('lines')).toEqual([loops * lines.count])
    await timed('sub lines', loops * lines.count, () => expectText(['lines'], lines.text))
    const offset = Math.floor(lines.count * 0.9)
    await expectText(['lines', '--from', String(offset)], lines.text, lines.start(offset))
    await expectSuffixFromMoment(offset)
  })

  /** The moments are those of publishing: the suffix begins with the first record not before. */
  const expectSuffixFromMoment = async (offset: number): Promise<void> => {
    let moment = 0
    let first = -1
    await readAll('lines', { from: 'start' }, (message) => {
      if (message.offset === offset) moment = message.timestamp
    })
    await readAll('lines', { from: 'start' }, (message) => {
      if (first < 0 && message.timestamp >= moment) first = message.offset
    })
    expect(first).toBeGreaterThan(0)
    const iso = new Date(moment).toISOString()
    const loopsBefore = Math.floor(first / lines.count)
    const byte = loopsBefore * lines.text.length + lines.start(first % lines.count)
    await expectText(['lines', '--from', iso], lines.text, byte)
  }

  test('keep the order of each key over four partitions', async () => {
    await client.admin.createTopic('keyed-lines', { partitions: PARTITIONS })
    await publishText('keyed-lines', keys.keyedText(), ['--key-separator', '\t'])
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const expected = textOfPartition(lines, partitions, partition)
      expect(expected.length).toBeGreaterThan(0)
      await expectText(['keyed-lines', '--partition', String(partition)], expected)
    }
  })
})

describe('the lines of apt-cache dumpavail through the SDK', () => {
  test.each([
    { topic: 'sdk-plain-1', partitionCount: 1, isKeyed: false },
    { topic: 'sdk-keyed-1', partitionCount: 1, isKeyed: true },
    { topic: 'sdk-plain-4', partitionCount: PARTITIONS, isKeyed: false },
    { topic: 'sdk-keyed-4', partitionCount: PARTITIONS, isKeyed: true },
  ])('come back complete and in order: $topic', async ({ topic, partitionCount, isKeyed }) => {
    const total = loops * lines.count
    await client.admin.createTopic(topic, { partitions: partitionCount })
    await timed(`write ${topic}`, total, () => writeLines(topic, isKeyed))
    const check = new LineCheck(isKeyed)
    await timed(`read ${topic}`, total, () =>
      readAll(topic, { from: 'start' }, (message) => {
        if (isKeyed && partitionCount === PARTITIONS) {
          const index = message.timestamp - FIRST_TIMESTAMP
          expectPartition(check, message, partitions[index % lines.count])
        }
        check.take(message)
      }),
    )
    expect(check.problems).toEqual([])
    expect(check.count).toBe(total)
    const ends = await endsOf(topic)
    expect(ends).toHaveLength(partitionCount)
    expect(ends.every((end) => end > 0)).toBe(true)
  })

  const expectPartition = (
    check: LineCheck,
    message: Message<Uint8Array>,
    partition: number | undefined,
  ): void => {
    if (message.partition !== partition)
      check.problems.push(`key in partition ${message.partition}, not ${partition}`)
  }

  test('replay from an offset begins with just that record in every partition', async () => {
    const ends = await endsOf('sdk-plain-4')
    const offset = Math.floor(Math.min(...ends) / 2)
    const first = new Map<number, number>()
    const count = await readAll('sdk-plain-4', { from: offset }, (message) => {
      if (!first.has(message.partition)) first.set(message.partition, message.offset)
    })
    expect([...first.values()]).toEqual(ends.map(() => offset))
    expect(count).toBe(ends.reduce((sum, end) => sum + end - offset, 0))
  })

  test('replay from a moment brings just the lines from then on', async () => {
    const total = loops * lines.count
    const index = Math.floor(total * 0.75)
    const moment = new Date(FIRST_TIMESTAMP + index)
    const check = new LineCheck(true)
    let earliest = Infinity
    await readAll('sdk-keyed-4', { from: moment }, (message) => {
      earliest = Math.min(earliest, message.timestamp)
      check.take(message)
    })
    expect(check.problems).toEqual([])
    expect(earliest).toBe(FIRST_TIMESTAMP + index)
    expect(check.count).toBe(total - index)
  })
})
