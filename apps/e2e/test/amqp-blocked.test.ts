/**
 * A broker that runs short, as amqplib and pika see it: who publishes is told and held back, who
 * consumes goes on, and when there is room again everything comes through.
 */
import { type ChannelModel, connect } from 'amqplib'
import { consume, textOf } from './support/amqp/amqplib.ts'
import { unique } from './support/amqp/brokers.ts'
import { directoryOf, runSteered } from './support/amqp/programs.ts'
import { launchBroker, type LaunchedBroker } from './support/broker.ts'
import { debianPython } from './support/debian-python.ts'
import { eventually } from './support/eventually.ts'
import { metricOf } from './support/metrics.ts'
import { createScratch, type Scratch } from './support/scratch.ts'
import { mountSmallDisk, type SmallDisk } from './support/small-disk.ts'

jest.setTimeout(60_000)

const BEFORE = 5
const LATE = 20
/** What may be read of a publisher while the alarm is raised: one at once, and one every five seconds. */
const TAKEN_MAX = 3
/** Less than a twentieth of the disk, and more than the broker keeps for itself. */
const SHORT_BYTES = 4 * 1024 * 1024

let scratch: Scratch
let broker: LaunchedBroker

beforeAll(() => {
  scratch = createScratch('amqp-blocked')
})

afterAll(() => scratch.remove())

const url = (): string => `amqp://guest:guest@127.0.0.1:${broker.ports['amqp']}`

const isThrottling = async (): Promise<boolean> =>
  (await metricOf(broker.httpPort, 'millrace_flow_control_active')) === 1

const inPython = async (
  test: string,
  marks: Readonly<Record<string, () => Promise<unknown>>> = {},
): Promise<void> => {
  const command = [debianPython, '-m', 'unittest', `amqp_pika_blocked.${test}`] as const
  const { code, output } = await runSteered(url(), command, { cwd: directoryOf('python'), marks })
  expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/OK\s*$/) as string })
}

/** A connection, and what it was told of being blocked. */
interface Told {
  readonly connection: ChannelModel
  readonly words: string[]
}

const open = async (): Promise<Told> => {
  const connection = await connect(url())
  const words: string[] = []
  connection.on('blocked', (reason) => words.push(`blocked: ${reason}`))
  connection.on('unblocked', () => words.push('unblocked'))
  return { connection, words }
}

const texts = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${name} ${index}`)

/** Takes what comes to a queue two by two: what is not settled keeps the rest from it. */
const work = async ({ connection }: Told, queue: string): Promise<string[]> => {
  const channel = await connection.createChannel()
  await channel.prefetch(2)
  const done: string[] = []
  await channel.consume(queue, (message) => {
    if (message === null) return
    done.push(textOf(message))
    channel.ack(message)
  })
  return done
}

describe('short of disk', () => {
  let disk: SmallDisk

  const runShort = async (): Promise<void> => {
    disk.fillUpTo(SHORT_BYTES)
    await eventually('the alarm is raised', isThrottling)
  }

  const haveRoom = async (): Promise<void> => {
    disk.empty()
    await eventually('the alarm is cleared', async () => !(await isThrottling()))
  }

  beforeAll(async () => {
    disk = mountSmallDisk(scratch.next('mount'), '100m')
    const env = {
      MILLRACE_STORAGE__JOURNAL_FILE_BYTES: '2MiB',
      MILLRACE_STORAGE__BALLAST_BYTES: '2MiB',
    }
    broker = await launchBroker({ dataDir: `${disk.path}/data`, env })
  })

  afterEach(haveRoom)

  afterAll(async () => {
    await broker?.stop()
    disk?.unmount()
  })

  it('amqplib is told, is held back, and comes through; its consumers go on', async () => {
    const [publisher, consumer] = [await open(), await open()]
    const channel = await publisher.connection.createConfirmChannel()
    const queue = unique('blocked')
    await channel.assertQueue(queue, { durable: true })
    const confirmed: string[] = []
    const publish = (text: string): void =>
      void channel.sendToQueue(queue, Buffer.from(text), { persistent: true }, (error) => {
        if (error === null) confirmed.push(text)
      })
    const [before, late] = [texts('before', BEFORE), texts('late', LATE)]
    for (const text of before) publish(text)
    await channel.waitForConfirms()
    await runShort()
    expect(publisher.words).toEqual([])
    for (const text of late) publish(text)
    await eventually('it is told', () => publisher.words.length > 0)
    expect(publisher.words).toEqual(['blocked: low on disk'])
    const done = await work(consumer, queue)
    await eventually('what was there is consumed, and what was taken', () => done.length > BEFORE)
    // Time enough for all of them, if they were read.
    const asking = await consumer.connection.createChannel()
    for (let count = 0; count < LATE; count++) await asking.checkQueue(queue)
    expect(done.slice(0, BEFORE + 1)).toEqual([...before, late[0]])
    expect(done.length).toBeLessThanOrEqual(BEFORE + TAKEN_MAX)
    expect(confirmed.length).toBeLessThanOrEqual(BEFORE + TAKEN_MAX)
    await haveRoom()
    await channel.waitForConfirms()
    expect(publisher.words).toEqual(['blocked: low on disk', 'unblocked'])
    expect(confirmed).toEqual([...before, ...late])
    await eventually('all is consumed', () => done.length === BEFORE + LATE)
    expect(done).toEqual([...before, ...late])
    expect(consumer.words).toEqual([])
    await publisher.connection.close()
    await consumer.connection.close()
  })

  it('amqplib may come, declare and consume, and is told when it publishes', async () => {
    await runShort()
    const late = await open()
    const channel = await late.connection.createConfirmChannel()
    const { queue } = await channel.assertQueue(unique('late'), { exclusive: true })
    const inbox = await consume(channel, queue, { noAck: true })
    expect(late.words).toEqual([])
    channel.sendToQueue(queue, Buffer.from('first'))
    await eventually('it is told', () => late.words.length > 0)
    expect(await inbox.has(1)).toEqual(['first'])
    await haveRoom()
    await eventually('it is told again', () => late.words.length > 1)
    await late.connection.close()
  })

  it('pika calls back, is held back, and comes through; its consumers go on', () =>
    inPython('ShortForAWhile', { '@short': runShort, '@room': haveRoom }))
})

describe('short of memory', () => {
  beforeAll(async () => {
    const env = { MILLRACE_ALARMS__MEMORY_BYTES: '1mb' }
    broker = await launchBroker({ dataDir: scratch.next('data'), env })
    await eventually('the alarm is raised', isThrottling)
  })

  afterAll(() => broker?.stop())

  it('amqplib is told of what, and may go', async () => {
    const { connection, words } = await open()
    const channel = await connection.createConfirmChannel()
    const { queue } = await channel.assertQueue('', { exclusive: true })
    channel.sendToQueue(queue, Buffer.from('x'))
    await channel.waitForConfirms()
    await eventually('it is told', () => words.length > 0)
    expect(words).toEqual(['blocked: low on memory'])
    await connection.close()
  })

  it('pika gives up when it was told to wait no longer', () => inPython('ShortForLong'))
})
