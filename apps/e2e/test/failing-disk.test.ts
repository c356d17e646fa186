/**
 * Failing disks under the real broker, by faults that strace injects into its system calls: an error
 * at the Nth sync, directory sync or write. After a failed sync it stops with the reason, acknowledges
 * nothing more, never syncs that file again, and a restart has everything that was acknowledged.
 */
import { cpSync, writeFileSync } from 'node:fs'
import { connect } from '@millrace/client-node'
import { type Ending, launchBroker, type LaunchedBroker, tryLaunch } from './support/broker.ts'
import { byDepth, report } from './support/depth.ts'
import { Code } from './support/error-codes.ts'
import { eventually, within } from './support/eventually.ts'
import { batchOf, produceBody } from './support/produce-body.ts'
import { ANSWER, complaintOf, Op, RawPeer } from './support/raw-peer.ts'
import { createScratch, type Scratch } from './support/scratch.ts'
import { readSystemCalls, requireStrace, straceWrapper } from './support/strace.ts'
import { appendedDirectlyBeforeAnswer, journaledBeforeAnswer } from './support/sync-order.ts'
import type { SystemCall } from './support/system-calls.ts'

const TOPIC = 'durable'
const DIRECT_BYTES = 150 * 1024
const APPENDS_MAX = 60
const UNREFUSED_MAX = 30
const SYNCS = new Set(['fdatasync', 'fsync'])

jest.setTimeout(byDepth(180_000, 900_000))

/** Small files and little preparation, so that the Nth call comes soon. */
const configuration = `
storage: { journalFileBytes: 1MiB, checkpointBytes: 1MiB, ballastBytes: 0, directAppendBytes: 64KiB }
topics: { segmentBytes: 1MiB, batchBytes: 256KiB }
`

let scratch: Scratch
let template: string
let args: readonly string[]

beforeAll(async () => {
  requireStrace()
  scratch = createScratch('failing-disk')
  const file = scratch.next('config.yaml')
  writeFileSync(file, configuration)
  args = ['--config', file]
  template = scratch.next('template')
  const broker = await launchBroker({ dataDir: template, args })
  const client = await connect(broker.url)
  await client.admin.createTopic(TOPIC, { partitions: 1 })
  await client.producer(TOPIC, { codec: 'string' }).send('before 0')
  await client.close()
  // As after a power loss: there is a journal to replay.
  await broker.kill()
})

afterAll(() => scratch?.remove())

const textOf = (count: number): string => `append ${count};`

interface Appended {
  readonly acknowledged: string[]
  /** The connection ended before the last append. */
  readonly isCutOff: boolean
}

/** One append after the other, so that at most one is not answered; what was acknowledged. */
const appendUntilItEnds = async (broker: LaunchedBroker): Promise<Appended> => {
  const acknowledged: string[] = []
  let isCutOff = false
  const peer = await RawPeer.handshaken(broker.nativePort)
  const { handle } = await peer.succeed(Op.TOPIC_OPEN, { topic: TOPIC })
  try {
    for (let count = 1; count <= APPENDS_MAX; count++) {
      const text = textOf(count)
      const value = Buffer.alloc(count % 3 === 0 ? DIRECT_BYTES : text.length, ' ')
      value.write(text)
      const answer = await peer.request(
        Op.PRODUCE,
        produceBody(handle as number, 0, batchOf(value)),
      )
      if (answer.op === (Op.PRODUCE | ANSWER)) acknowledged.push(text)
    }
  } catch {
    // The connection ended with the broker.
    isCutOff = true
  }
  peer.destroy()
  return { acknowledged, isCutOff }
}

const readTexts = async (broker: LaunchedBroker): Promise<string[]> => {
  const client = await connect(broker.url)
  const texts: string[] = []
  const consumer = client.consume<string>(TOPIC, { codec: 'string', follow: false })
  for await (const { payload } of consumer) texts.push(String(payload).trim())
  await client.close()
  return texts
}

/** All that was acknowledged is there, once and in order, and at most the one that was under way. */
const expectRecovered = async (dataDir: string, acknowledged: readonly string[]): Promise<void> => {
  const broker = await launchBroker({ dataDir, args })
  const texts = await readTexts(broker)
  const expected = ['before 0', ...acknowledged]
  expect(texts.slice(0, expected.length)).toEqual(expected)
  expect(texts.length).toBeLessThanOrEqual(expected.length + 1)
  const ending = await broker.stop()
  expect({ code: ending.code, stderr: ending.stderr }).toEqual({ code: 0, stderr: '' })
}

interface FaultRun {
  readonly dataDir: string
  readonly ending: Ending
  readonly hasServed: boolean
  readonly acknowledged: readonly string[]
  readonly calls: readonly SystemCall[]
}

/** One pool thread: strace counts calls for each thread, and so the Nth call is the process's Nth. */
const runUnder = async (fault: string): Promise<FaultRun> => {
  const dataDir = scratch.next('data')
  cpSync(template, dataDir, { recursive: true })
  const log = scratch.next('strace.log')
  const launch = {
    dataDir,
    args,
    wrapper: straceWrapper(log, { inject: [fault], stringBytes: 1_024 }),
    env: { UV_THREADPOOL_SIZE: '1' },
  }
  const { broker, ending } = await tryLaunch(launch)
  if (broker === undefined) {
    return { dataDir, ending, hasServed: false, acknowledged: [], calls: readSystemCalls(log) }
  }
  const { acknowledged, isCutOff } = await appendUntilItEnds(broker)
  if (!isCutOff) await broker.kill()
  const last = await within('the broker ends', 20_000, broker.ended)
  return { dataDir, ending: last, hasServed: true, acknowledged, calls: readSystemCalls(log) }
}

const isAcknowledgement = ({ target, strings }: SystemCall): boolean =>
  target?.startsWith('TCP:') === true && Buffer.concat(strings)[4] === (Op.PRODUCE | ANSWER)

/**
 * An answer may leave while another thread's sync fails, if its own syncs had all returned before that
 * one began. Appends are numbered from 1 and their correlations from 3: CONNECT and TOPIC_OPEN precede.
 */
const isBased = (calls: readonly SystemCall[], answer: SystemCall, failed: SystemCall): boolean => {
  const marker = textOf(Buffer.concat(answer.strings).readUInt32BE(8) - 2)
  const atFault = { ...answer, begin: failed.begin }
  return [journaledBeforeAnswer, appendedDirectlyBeforeAnswer].some(
    (check) => check(calls, atFault, marker) === undefined,
  )
}

const expectFailStop = (run: FaultRun, error: string): void => {
  const { ending, calls } = run
  expect({ code: ending.code, signal: ending.signal }).toEqual({ code: 1, signal: null })
  expect(ending.stderr).toMatch(new RegExp(`error: .*${error}`))
  const failed = calls.find((call) => call.error === error) as SystemCall
  expect(failed).toBeDefined()
  const later = calls.filter(({ begin }) => begin > failed.end)
  const answers = later.filter(isAcknowledgement)
  expect(answers.filter((answer) => !isBased(calls, answer, failed))).toEqual([])
  expect(answers.length).toBeLessThanOrEqual(1)
  const syncs = later.filter(
    ({ name, target }) => SYNCS.has(name) && target !== undefined && target === failed.target,
  )
  expect(syncs).toEqual([])
}

const sweep = async (call: string, countMax: number): Promise<void> => {
  const served: number[] = []
  for (let count = 1; count <= countMax; count++) {
    const run = await runUnder(`${call}:error=EIO:when=${count}`)
    expectFailStop(run, 'EIO')
    await expectRecovered(run.dataDir, run.acknowledged)
    if (run.hasServed) served.push(run.acknowledged.length)
  }
  const refused = countMax - served.length
  report(`${call}: ${refused} starts failed; acknowledged before the fault: ${served.join(' ')}`)
  expect(served.length).toBeGreaterThan(0)
}

test('a failed fdatasync, whichever it is, stops the broker with the reason', () =>
  sweep('fdatasync', byDepth(8, 40)))

test('a failed sync of a directory, whichever it is, stops the broker with the reason', () =>
  sweep('fsync', byDepth(6, 10)))

test('a failed write, whichever it is, stops the broker with the reason', () =>
  sweep('pwrite64', byDepth(8, 40)))

test('a failed fdatasync among several threads stops the broker with the reason', async () => {
  const dataDir = scratch.next('data')
  cpSync(template, dataDir, { recursive: true })
  const wrapper = straceWrapper(scratch.next('strace.log'), {
    inject: ['fdatasync:error=EIO:when=3'],
  })
  const broker = await launchBroker({ dataDir, args, wrapper })
  const { acknowledged } = await appendUntilItEnds(broker)
  const ending = await within('the broker ends', 20_000, broker.ended)
  expect(ending.code).toBe(1)
  expect(ending.stderr).toMatch(/error: .*EIO/)
  await expectRecovered(dataDir, acknowledged)
})

/** The one exception is a journal file in the making: it is thrown away, and nothing was in it. */
test('a sync that fails for want of room stops the broker, too: what was written may be gone', async () => {
  let stops = 0
  for (let count = 2; count <= byDepth(7, 20); count++) {
    const run = await runUnder(`fdatasync:error=ENOSPC:when=${count}`)
    if (run.ending.signal !== 'SIGKILL') {
      expectFailStop(run, 'ENOSPC')
      stops++
    }
    await expectRecovered(run.dataDir, run.acknowledged)
  }
  expect(stops).toBeGreaterThan(0)
})

interface FullRun {
  readonly refused: number
  readonly acknowledged: readonly string[]
}

/**
 * Goes on through refusals until appends are taken again. Not every write is an append's: the fault may
 * meet one that the broker can do without, and then nothing is refused.
 */
const appendThroughFullDisk = async (broker: LaunchedBroker): Promise<FullRun> => {
  const peer = await RawPeer.handshaken(broker.nativePort)
  const { handle } = await peer.succeed(Op.TOPIC_OPEN, { topic: TOPIC })
  const acknowledged: string[] = []
  let refused = 0
  let takenAfter = 0
  await eventually('appends are taken again', async () => {
    const text = textOf(acknowledged.length + 1)
    const answer = await peer.request(
      Op.PRODUCE,
      produceBody(handle as number, 0, batchOf(Buffer.from(text))),
    )
    if (answer.op === (Op.PRODUCE | ANSWER)) {
      acknowledged.push(text)
      if (refused > 0) takenAfter++
    } else {
      expect(complaintOf(answer)).toMatchObject({ code: Code.STORAGE_FULL, retriable: true })
      refused++
    }
    return takenAfter >= 3 || (refused === 0 && acknowledged.length >= UNREFUSED_MAX)
  })
  peer.destroy()
  return { refused, acknowledged }
}

test('a full disk at the Nth write refuses appends by name, and takes them when there is room', async () => {
  const figures: string[] = []
  let refusals = 0
  for (let count = 2; count <= byDepth(6, 20); count++) {
    const dataDir = scratch.next('data')
    cpSync(template, dataDir, { recursive: true })
    const inject = [`pwrite64:error=ENOSPC:when=${count}`]
    const wrapper = straceWrapper(scratch.next('strace.log'), { inject, only: ['pwrite64'] })
    const env = { UV_THREADPOOL_SIZE: '1' }
    const { broker, ending } = await tryLaunch({ dataDir, args, wrapper, env })
    if (broker === undefined) {
      expect(ending).toMatchObject({ code: 1, stderr: expect.stringMatching(/ENOSPC/) as string })
      await expectRecovered(dataDir, [])
      continue
    }
    const { refused, acknowledged } = await appendThroughFullDisk(broker)
    await broker.kill()
    await expectRecovered(dataDir, acknowledged)
    refusals += refused
    figures.push(`${acknowledged.length} taken and ${refused} refused`)
  }
  report(`ENOSPC at the Nth write: ${figures.join(', ')}`)
  expect(refusals).toBeGreaterThan(0)
})
