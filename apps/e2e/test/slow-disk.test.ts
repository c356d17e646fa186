/**
 * A disk whose every sync takes two seconds, by a delay that strace puts into the system call. Nobody
 * waits for it but those who asked for a sync: pings are answered, consumers read, publishers are held
 * to what the broker may have in hand, and everything is acknowledged once the disk is itself again.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { launchBroker, type LaunchedBroker } from './support/broker.ts'
import { report } from './support/depth.ts'
import { eventually } from './support/eventually.ts'
import { metricOf } from './support/metrics.ts'
import { residentMebibytes } from './support/process-figures.ts'
import { batchOf, fetchBody, produceBody } from './support/produce-body.ts'
import { ANSWER, complaintOf, Op, RawPeer } from './support/raw-peer.ts'
import { createScratch, type Scratch } from './support/scratch.ts'
import { requireStrace } from './support/strace.ts'

const DELAY_US = 2_000_000
const BATCH_BYTES = 240 * 1024
/** Sent without waiting for answers, by each of the publishers. */
const BATCHES = 200
const PUBLISHERS = 4
const PINGS_MIN = 50
const GROWN_MEBIBYTES_MAX = 200

jest.setTimeout(90_000)

let scratch: Scratch
let broker: LaunchedBroker
let slowing: ChildProcess | undefined

beforeAll(async () => {
  requireStrace()
  scratch = createScratch('slow-disk')
  const env = {
    MILLRACE_STORAGE__UNFLUSHED_BYTES: '16MiB',
    MILLRACE_LIMITS__IN_FLIGHT_BYTES: '8MiB',
  }
  broker = await launchBroker({ dataDir: scratch.next('data'), env })
})

afterAll(async () => {
  slowing?.kill('SIGINT')
  await broker?.kill()
  scratch.remove()
})

const slowDown = async (): Promise<void> => {
  const inject = `inject=fdatasync,fsync:delay_enter=${DELAY_US}`
  const args = ['-f', '-o', '/dev/null', '-e', 'trace=fdatasync,fsync', '-e', inject]
  slowing = spawn('strace', [...args, '-p', String(broker.pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let words = ''
  slowing.stderr?.setEncoding('utf8').on('data', (text: string) => (words += text))
  await eventually('strace is attached', () => words.includes('attached'))
}

const recover = async (): Promise<void> => {
  const child = slowing as ChildProcess
  slowing = undefined
  const ended = once(child, 'exit')
  child.kill('SIGINT')
  await ended
}

const openTopic = async (peer: RawPeer): Promise<number> =>
  (await peer.succeed(Op.TOPIC_OPEN, { topic: 't' }))['handle'] as number

const ping = async (peer: RawPeer): Promise<void> => {
  expect((await peer.request(Op.PING, Buffer.alloc(0))).op).toBe(Op.PING | ANSWER)
}

test('a slow disk holds up nobody but those who wait for it', async () => {
  const witness = await RawPeer.handshaken(broker.nativePort)
  await witness.succeed(Op.TOPIC_CREATE, { topic: 't' })
  const publisher = await RawPeer.handshaken(broker.nativePort)
  const small = produceBody(await openTopic(publisher), 0, batchOf(Buffer.from('x')))
  await publisher.request(Op.PRODUCE, small)
  const handle = await openTopic(witness)
  await slowDown()
  let isAnswered = false
  publisher.sendRequest(Op.PRODUCE, small)
  const answered = publisher.next().then(() => (isAnswered = true))
  let pings = 0
  let reads = 0
  while (!isAnswered) {
    await ping(witness)
    pings++
    const fetched = await witness.request(Op.FETCH, fetchBody(handle, 0, 0n))
    if (fetched.op === (Op.FETCH | ANSWER)) reads++
  }
  await answered
  report(`${pings} pings and ${reads} reads were answered during one sync`)
  expect(pings).toBeGreaterThan(PINGS_MIN)
  expect(reads).toBe(pings)

  const before = residentMebibytes(broker.pid)
  const body = produceBody(handle, 0, batchOf(Buffer.alloc(BATCH_BYTES, 'y')))
  const publishers = await Promise.all(
    Array.from({ length: PUBLISHERS }, () => RawPeer.handshaken(broker.nativePort)),
  )
  for (const peer of publishers) {
    await openTopic(peer)
    for (let count = 0; count < BATCHES; count++) peer.sendRequest(Op.PRODUCE, body)
  }
  let most = 0
  let isFirstAnswered = false
  const first = (publishers[0] as RawPeer).next().then((answer) => {
    isFirstAnswered = true
    return answer
  })
  while (!isFirstAnswered) {
    await ping(witness)
    most = Math.max(most, residentMebibytes(broker.pid) - before)
  }
  report(
    `${(PUBLISHERS * BATCHES * BATCH_BYTES) / 2 ** 20} MiB offered cost ${most.toFixed(0)} MiB`,
  )
  expect(most).toBeLessThan(GROWN_MEBIBYTES_MAX)
  const delay = await metricOf(
    broker.httpPort,
    'millrace_event_loop_delay_seconds{quantile="0.99"}',
  )
  report(`99% of the turns of the event loop were less than ${(delay * 1_000).toFixed(0)} ms late`)

  await recover()
  for (const peer of publishers) {
    for (let count = 0; count < BATCHES; count++) {
      const answer = await (peer === publishers[0] && count === 0 ? first : peer.next())
      if (answer.op !== (Op.PRODUCE | ANSWER)) throw new Error(complaintOf(answer).message)
    }
    peer.destroy()
  }
  witness.destroy()
  publisher.destroy()
})
