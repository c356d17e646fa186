/**
 * The proof that an acknowledgement follows its sync, from the system calls of the real broker on real
 * files: write, then a sync of that very file that returned 0, and only then the answer on the socket.
 * A `kill -9` cannot prove it, because the page cache survives the process.
 */
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { report } from './support/depth.ts'
import { batchOf, produceBody } from './support/produce-body.ts'
import { ANSWER, frame, Op, RawPeer } from './support/raw-peer.ts'
import { createScratch, type Scratch } from './support/scratch.ts'
import { readSystemCalls, requireStrace, straceWrapper } from './support/strace.ts'
import {
  appendedDirectlyBeforeAnswer,
  findAnswer,
  journaledBeforeAnswer,
  journalNamesBeforeGroups,
  renamesAreDurable,
  renamedTo,
  renamesIn,
} from './support/sync-order.ts'
import type { SystemCall } from './support/system-calls.ts'

const DIRECT_BYTES = 400 * 1024
const PART_BYTES = 200 * 1024
const MORE = 1
const PEERS = 4

jest.setTimeout(120_000)

interface Step {
  readonly port: number
  readonly op: number
  readonly correlation: number
  readonly marker: string
}

let scratch: Scratch
let dataDir: string
let calls: readonly SystemCall[]
let metadata: readonly Step[]
let journaled: readonly Step[]
let direct: readonly Step[]

const payload = (marker: string, bytes: number): Buffer => Buffer.alloc(bytes, `${marker} `)

const produce = async (
  peer: RawPeer,
  handle: number,
  marker: string,
  bytes: number,
): Promise<Step> => {
  const body = produceBody(handle, 0, batchOf(payload(marker, bytes)))
  const correlation = sendInParts(peer, body)
  const answer = await peer.next()
  expect(answer.op).toBe(Op.PRODUCE | ANSWER)
  expect(answer.correlation).toBe(correlation)
  return { port: peer.localPort, op: answer.op, correlation, marker }
}

/** A body larger than a frame goes in parts, all of one correlation. */
const sendInParts = (peer: RawPeer, body: Buffer): number => {
  const first = body.subarray(0, PART_BYTES)
  const flagsAt = (end: number): number => (end < body.length ? MORE : 0)
  const correlation = peer.sendRequest(Op.PRODUCE, first, { flags: flagsAt(PART_BYTES) })
  for (let at = PART_BYTES; at < body.length; at += PART_BYTES) {
    const end = at + PART_BYTES
    const fields = { flags: flagsAt(end), correlation }
    peer.send(frame(Op.PRODUCE, body.subarray(at, end), fields))
  }
  return correlation
}

const createTopic = async (peer: RawPeer, topic: string): Promise<Step> => {
  const answer = await peer.call(Op.TOPIC_CREATE, { topic })
  expect(answer.op).toBe(Op.TOPIC_CREATE | ANSWER)
  return { port: peer.localPort, op: answer.op, correlation: answer.correlation, marker: topic }
}

const openTopic = async (peer: RawPeer, topic: string): Promise<number> => {
  const { handle } = await peer.succeed(Op.TOPIC_OPEN, { topic })
  return handle as number
}

const useBroker = async (broker: LaunchedBroker): Promise<void> => {
  const peer = await RawPeer.handshaken(broker.nativePort)
  metadata = [await createTopic(peer, 'first-definition'), await createTopic(peer, 'second-one')]
  const first = await openTopic(peer, 'first-definition')
  const second = await openTopic(peer, 'second-one')
  journaled = [
    await produce(peer, first, 'journaled-alone', 100),
    ...(await produceAtOnce(broker)),
    await produce(peer, second, 'journaled-again', 3_000),
  ]
  direct = [
    await produce(peer, second, 'direct-into-new-segment', DIRECT_BYTES),
    await produce(peer, second, 'direct-into-known-segment', DIRECT_BYTES),
  ]
  peer.destroy()
}

/** Several peers whose appends share groups: each answer must still wait for its own group. */
const produceAtOnce = (broker: LaunchedBroker): Promise<Step[]> =>
  Promise.all(
    Array.from({ length: PEERS }, async (_, index) => {
      const peer = await RawPeer.handshaken(broker.nativePort)
      const handle = await openTopic(peer, 'first-definition')
      let step = await produce(peer, handle, `journaled-at-once-${index}`, 200)
      for (let more = 0; more < 5; more++)
        step = await produce(peer, handle, `journaled-${index}-${more}`, 200)
      peer.destroy()
      return step
    }),
  )

beforeAll(async () => {
  requireStrace()
  scratch = createScratch('sync-order')
  const log = scratch.next('strace.log')
  dataDir = scratch.next('data')
  const broker = await launchBroker({
    dataDir,
    wrapper: straceWrapper(log, { stringBytes: 2_048 }),
  })
  await useBroker(broker)
  const ending = await broker.stop()
  expect({ code: ending.code, stderr: ending.stderr }).toEqual({ code: 0, stderr: '' })
  calls = readSystemCalls(log)
  report(`${calls.length} system calls`)
})

afterAll(() => scratch?.remove())

const answerOf = ({ port, op, correlation }: Step): SystemCall =>
  findAnswer(calls, port, op, correlation)

test('a journaled append is acknowledged after the sync of its journal', () => {
  const problems = journaled.map((step) =>
    journaledBeforeAnswer(calls, answerOf(step), step.marker),
  )
  expect(problems).toEqual(journaled.map(() => undefined))
})

test('a direct append is acknowledged after the syncs of its segment, its names and its journal', () => {
  const problems = direct.map((step) =>
    appendedDirectlyBeforeAnswer(calls, answerOf(step), step.marker),
  )
  expect(problems).toEqual(direct.map(() => undefined))
})

test('a new topic is acknowledged after its definition is synced', () => {
  const problems = metadata.map((step) => journaledBeforeAnswer(calls, answerOf(step), step.marker))
  expect(problems).toEqual(metadata.map(() => undefined))
})

test('a directory is synced after a file is made in it, and before and after a rename', () => {
  expect(journalNamesBeforeGroups(calls)).toBeUndefined()
  expect(renamedTo(renamesIn(calls, dataDir))).toContain('meta.json')
  expect(renamesAreDurable(calls, dataDir)).toBeUndefined()
})

describe('the checks themselves', () => {
  const isSync = ({ name }: SystemCall): boolean => name === 'fdatasync' || name === 'fsync'

  const problemsOf = (changed: readonly SystemCall[]): (string | undefined)[] => [
    ...journaled.map((step) => journaledBeforeAnswer(changed, answerOf(step), step.marker)),
    ...metadata.map((step) => journaledBeforeAnswer(changed, answerOf(step), step.marker)),
    ...direct.map((step) => appendedDirectlyBeforeAnswer(changed, answerOf(step), step.marker)),
  ]

  const changes: Record<string, (sync: SystemCall) => SystemCall[]> = {
    'were left out': () => [],
    failed: (sync) => [{ ...sync, result: -1 }],
    'returned late': (sync) => [{ ...sync, end: Infinity }],
    'began before the write': (sync) => [{ ...sync, begin: -1 }],
    'were of another file': (sync) => [{ ...sync, target: '/other' }],
  }

  test.each(Object.keys(changes))('notice syncs that %s', (name) => {
    const change = changes[name] as (sync: SystemCall) => SystemCall[]
    const changed = calls.flatMap((call) => (isSync(call) ? change(call) : [call]))
    expect(problemsOf(changed).filter((problem) => problem === undefined)).toEqual([])
  })

  test('notice a directory that was not synced', () => {
    const changed = calls.filter((call) => call.name !== 'fsync')
    expect(journalNamesBeforeGroups(changed)).toMatch(/journal was not synced/)
    expect(renamesAreDurable(changed, dataDir)).toMatch(/was not synced/)
    const [step] = direct
    expect(appendedDirectlyBeforeAnswer(changed, answerOf(step as Step), 'direct-into')).toMatch(
      /was not synced/,
    )
  })
})
