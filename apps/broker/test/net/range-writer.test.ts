import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { constants } from 'node:os'
import type { FileRange, ReadLease, Session } from '@millrace/core'
import {
  FILE_BYTES_PER_CALL_MAX,
  FILE_BYTES_PER_TURN_MAX,
  FILE_COPY_BYTES,
} from '../../src/limits.ts'
import { SocketChannel } from '../../src/net/channel.ts'
import { CoarseTimers } from '../../src/net/coarse-timers.ts'
import { ChannelConnection } from '../../src/net/connection.ts'
import { FileSending } from '../../src/net/file-sending.ts'
import { MemoryBudget } from '../../src/net/memory-budget.ts'
import { SlabPool } from '../../src/net/slab-pool.ts'
import type { SystemCalls } from '../../src/net/system-calls.ts'
import { TurnQueue } from '../../src/net/turn-queue.ts'
import { ManualEnvironment } from '../support/manual-environment.ts'

const { EAGAIN, EINVAL, EINTR, EPIPE } = constants.errno
const OUTBOUND_MAX = 64 << 20
const FILE = 77

/** A file of this process's memory, sent through the socket's own write: what the kernel would do. */
class FakeCalls implements SystemCalls {
  readonly file = Buffer.alloc(8 << 20)
  readonly sent: number[] = []
  /** What the next calls answer instead of sending all; a positive number sends so much. */
  outcomes: number[] = []
  /** Positions from which on nothing is in memory. */
  coldFrom = Infinity
  socket: Socket | undefined

  constructor() {
    for (let at = 0; at < this.file.length; at += 4) this.file.writeUInt32LE(at ^ 0x5a5a5a5a, at)
  }

  sendFile(_socket: number, file: number, position: number, byteLength: number): number {
    expect(file).toBe(FILE)
    const outcome = Math.min(this.outcomes.shift() ?? byteLength, byteLength)
    this.sent.push(outcome)
    if (outcome > 0) this.socket?.write(this.file.subarray(position, position + outcome))
    return outcome
  }

  isCached(_file: number, position: number): boolean {
    return position < this.coldFrom
  }
}

let server: Server
let peer: Socket
let socket: Socket
let calls: FakeCalls
let files: FileSending
let environment: ManualEnvironment
let memory: MemoryBudget
let connection: ChannelConnection
let session: Session & { drains: number; closes: number }
let released: string[]
let turns: number
let whenClosed: Promise<void>

beforeEach(async () => {
  server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  peer = connect((server.address() as AddressInfo).port, '127.0.0.1')
  peer.on('error', () => undefined)
  ;[socket] = (await once(server, 'connection')) as [Socket]
  socket.on('error', () => undefined)
  environment = new ManualEnvironment()
  memory = new MemoryBudget(1 << 30)
  released = []
  turns = 0
  calls = new FakeCalls()
  calls.socket = socket
  files = new FileSending(calls, (callback) => {
    turns += 1
    environment.timers.defer(callback)
  })
  session = {
    drains: 0,
    closes: 0,
    onData: () => undefined,
    onDrain: () => (session.drains += 1),
    onClosed: () => (session.closes += 1),
  }
  connection = new ChannelConnection(1, new SocketChannel(socket, undefined, files), {
    files,
    slabs: new SlabPool({ isPoisoning: true }),
    turns: new TurnQueue((callback) => environment.timers.defer(callback)),
    timers: new CoarseTimers(environment.clock, environment.timers),
    outboundBytesMax: OUTBOUND_MAX,
    memory,
    onCutOff: () => undefined,
  })
  connection.attach(session)
  whenClosed = new Promise((resolve) => socket.once('close', () => resolve()))
})

afterEach(async () => {
  peer.destroy()
  socket.destroy()
  await whenClosed
  server.close()
  expect(memory.bytes).toBe(0)
})

const rangeOf = (position: number, byteLength: number): FileRange => ({
  descriptor: FILE,
  position,
  byteLength,
  read: async (target, at) => {
    const from = position + at
    return calls.file.copy(target, 0, from, Math.min(from + target.length, position + byteLength))
  },
})

const leaseOf = (name: string, range: FileRange): ReadLease => ({
  parts: [],
  range,
  byteLength: range.byteLength,
  release: () => released.push(name),
})

const bytesOf = ({ position, byteLength }: FileRange): Buffer =>
  calls.file.subarray(position, position + byteLength)

const receive = async (byteLength: number): Promise<Buffer> => {
  const chunks: Buffer[] = []
  let received = 0
  while (received < byteLength) {
    const chunk = peer.read() as Buffer | null
    if (chunk === null) {
      await once(peer, 'readable')
      continue
    }
    chunks.push(chunk)
    received += chunk.length
  }
  return Buffer.concat(chunks)
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

it('says that it sends files, and a channel without the system calls that it does not', () => {
  expect(connection.sendsFiles).toBe(true)
  expect(new SocketChannel(socket).ranges).toBeUndefined()
  const security = { isTls: true, tlsPeer: undefined }
  expect(new SocketChannel(socket, security, files).ranges).toBeUndefined()
})

it('keeps the order of buffers and ranges', async () => {
  const [first, second] = [rangeOf(4_096, 300_000), rangeOf(1_000_000, 70_001)]
  const large = Buffer.alloc(50_000, 'L')
  connection.write(Buffer.from('head '))
  connection.sendRange(leaseOf('first', first))
  connection.write(Buffer.from(' between '))
  connection.write(large)
  connection.sendRange(leaseOf('second', second))
  connection.write(Buffer.from(' end'))
  const expected = Buffer.concat([
    Buffer.from('head '),
    bytesOf(first),
    Buffer.from(' between '),
    large,
    bytesOf(second),
    Buffer.from(' end'),
  ])
  expect((await receive(expected.length)).equals(expected)).toBe(true)
  expect(released).toEqual(['first', 'second'])
  expect(files.sentBytes).toBe(first.byteLength + second.byteLength)
})

it('counts what is in files as waiting, and not as memory', () => {
  connection.sendRange(leaseOf('only', rangeOf(0, 600_000)))
  expect([connection.queuedBytes, memory.bytes]).toEqual([600_000, 0])
})

const full = -EAGAIN

it.each<[string, number[]]>([
  ['takes a part', [1, 100_000, 7]],
  ['is full', [full, full, 5_000, full]],
  ['is full before anything', [full]],
  ['is interrupted', [-EINTR, 3, -EINTR]],
  ['does not take this file', [-EINVAL]],
  ['does not take this file in the middle', [10_000, -EINVAL]],
])('sends every byte once when the socket %s', async (_what, outcomes) => {
  calls.outcomes = [...outcomes]
  const range = rangeOf(12, 700_000)
  connection.sendRange(leaseOf('only', range))
  connection.write(Buffer.from('end'))
  const received = await receive(range.byteLength + 3)
  expect(received.equals(Buffer.concat([bytesOf(range), Buffer.from('end')]))).toBe(true)
  expect(released).toEqual(['only'])
})

it('waits for room by writing a little, and calls no more than once for it', async () => {
  calls.outcomes = [full]
  connection.sendRange(leaseOf('only', rangeOf(0, FILE_BYTES_PER_CALL_MAX)))
  await receive(FILE_BYTES_PER_CALL_MAX)
  expect(calls.sent).toEqual([full, FILE_BYTES_PER_CALL_MAX - FILE_COPY_BYTES])
})

it('does not call again for a file that the kernel does not send', async () => {
  calls.outcomes = [-EINVAL]
  connection.sendRange(leaseOf('only', rangeOf(0, 2_000_000)))
  await receive(2_000_000)
  expect(calls.sent).toEqual([-EINVAL])
  connection.sendRange(leaseOf('next', rangeOf(0, 100_000)))
  await receive(100_000)
  expect(calls.sent).toHaveLength(2)
})

it('reads what is not in memory, so that no call waits for the disk', async () => {
  calls.coldFrom = 300_000
  const range = rangeOf(0, 900_000)
  connection.sendRange(leaseOf('only', range))
  expect((await receive(range.byteLength)).equals(bytesOf(range))).toBe(true)
  expect(calls.sent).toEqual([FILE_BYTES_PER_CALL_MAX])
})

it('sends so much in a turn and no more, for all connections together', async () => {
  const steps: string[] = []
  const task = (name: string, count: number) => {
    let left = count
    const one = {
      step: () => {
        steps.push(name)
        left -= 1
        if (left > 0) files.enter(one)
        return FILE_BYTES_PER_TURN_MAX / 2
      },
    }
    return one
  }
  files.enter(task('long', 4))
  files.enter(task('short', 1))
  files.enter(task('late', 1))
  await turn()
  expect(steps).toEqual(['long', 'short'])
  await turn()
  expect(steps).toEqual(['long', 'short', 'late', 'long'])
  await turn()
  await turn()
  expect(steps).toHaveLength(6)
  const before = turns
  await turn()
  expect(turns).toBe(before)
})

it('gives the lease back when the peer goes away in the middle', async () => {
  calls.outcomes = [full]
  peer.pause()
  connection.sendRange(leaseOf('only', rangeOf(0, 8 << 20)))
  connection.sendRange(leaseOf('behind', rangeOf(0, 100)))
  await turn()
  peer.resetAndDestroy()
  await whenClosed
  await turn()
  await turn()
  expect(released.sort()).toEqual(['behind', 'only'])
  expect(session.closes).toBe(1)
  const { length } = calls.sent
  await turn()
  expect(calls.sent).toHaveLength(length)
})

it('makes no call with the descriptor of a socket that was closed', async () => {
  connection.sendRange(leaseOf('only', rangeOf(0, 8 << 20)))
  connection.destroy()
  await whenClosed
  await turn()
  await turn()
  expect([calls.sent, released]).toEqual([[], ['only']])
})

it.each<[string, () => Promise<number>]>([
  ['ends early', async () => 3],
  ['cannot be read', () => Promise.reject(new Error('EIO'))],
])('cuts the peer off when the file %s', async (_what, read) => {
  calls.outcomes = [0]
  connection.write(Buffer.from('head'))
  connection.sendRange(leaseOf('only', { ...rangeOf(0, 500_000), read }))
  await whenClosed
  expect(released).toEqual(['only'])
})

it('leaves a socket that is broken to its own error', async () => {
  calls.outcomes = [-EPIPE]
  peer.resetAndDestroy()
  connection.sendRange(leaseOf('only', rangeOf(0, 500_000)))
  await whenClosed
  await turn()
  expect(released).toEqual(['only'])
})

it('ends after a range that was queued before the end', async () => {
  const range = rangeOf(0, 1_000_000)
  connection.sendRange(leaseOf('only', range))
  connection.end()
  expect((await receive(range.byteLength)).equals(bytesOf(range))).toBe(true)
  await once(peer, 'end')
})

it('tells the session to go on when a long range is through', async () => {
  expect(connection.sendRange(leaseOf('only', rangeOf(0, 2_000_000)))).toBe(false)
  await receive(2_000_000)
  await turn()
  expect(session.drains).toBe(1)
})
