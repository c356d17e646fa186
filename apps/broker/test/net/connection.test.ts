import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { BrokerError } from '@millrace/codec'
import type { ReadLease, Session } from '@millrace/core'
import { COPIED_WRITE_BYTES_MAX, OUTBOUND_HIGH_WATER_BYTES, SLAB_BYTES } from '../../src/limits.ts'
import { CoarseTimers } from '../../src/net/coarse-timers.ts'
import { SocketChannel } from '../../src/net/channel.ts'
import { ChannelConnection } from '../../src/net/connection.ts'
import { MemoryBudget } from '../../src/net/memory-budget.ts'
import { SharedReader } from '../../src/net/shared-read.ts'
import { SlabPool } from '../../src/net/slab-pool.ts'
import { TurnQueue } from '../../src/net/turn-queue.ts'
import { ManualEnvironment } from '../support/manual-environment.ts'

const OUTBOUND_MAX = 8 << 20

let server: Server
let peer: Socket
let socket: Socket
let slabs: SlabPool
let connection: ChannelConnection
let environment: ManualEnvironment
let cutOffs: BrokerError[]
let writes: number[]
let whenClosed: Promise<void>

class RecordingSession implements Session {
  drains = 0
  closes = 0
  readonly chunks: Uint8Array[] = []
  onData(chunk: Uint8Array): void {
    this.chunks.push(new Uint8Array(chunk))
  }
  onDrain(): void {
    this.drains += 1
  }
  onClosed(): void {
    this.closes += 1
  }
}

let session: RecordingSession
let memory: MemoryBudget

beforeEach(async () => {
  server = createServer({ pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  peer = connect((server.address() as AddressInfo).port, '127.0.0.1')
  peer.on('error', () => undefined)
  const [accepted] = (await once(server, 'connection')) as [Socket]
  socket = new SharedReader().adopt(accepted, (bytes) => connection.receive(bytes))
  socket.on('error', () => undefined)
  environment = new ManualEnvironment()
  slabs = new SlabPool({ isPoisoning: true })
  cutOffs = []
  memory = new MemoryBudget(1 << 30)
  writes = []
  const write = socket.write.bind(socket) as (...given: unknown[]) => boolean
  socket.write = ((chunk: Uint8Array, ...rest: unknown[]) => {
    writes.push(chunk.length)
    return write(chunk, ...rest)
  }) as typeof socket.write
  session = new RecordingSession()
  connection = new ChannelConnection(1, new SocketChannel(socket), {
    slabs,
    turns: new TurnQueue((callback) => environment.timers.defer(callback)),
    timers: new CoarseTimers(environment.clock, environment.timers),
    outboundBytesMax: OUTBOUND_MAX,
    memory,
    onCutOff: (_connection, error) => cutOffs.push(error),
  })
  connection.attach(session)
  whenClosed = new Promise((resolve) => socket.once('close', () => resolve()))
})

afterEach(async () => {
  peer.destroy()
  socket.destroy()
  await closed()
  server.close()
  expect([slabs.takenCount, memory.bytes]).toEqual([0, 0])
})

const closed = (): Promise<void> => whenClosed

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

const leaseOf = (parts: readonly Uint8Array[], onRelease: () => void): ReadLease => ({
  parts,
  byteLength: parts.reduce((sum, { length }) => sum + length, 0),
  release: onRelease,
})

it('hands over bytes of which a slice is a copy', async () => {
  const arrived = new Promise<Uint8Array>((resolve) => {
    session.onData = resolve
  })
  peer.write('borrowed')
  const chunk = await arrived
  const kept = chunk.slice()
  chunk.fill(0)
  expect(Buffer.from(kept).toString()).toBe('borrowed')
})

it('hands all writes of a turn to the operating system in one piece', async () => {
  for (let index = 0; index < 1_000; index++) connection.write(Buffer.from(`${index};`))
  const expected = Array.from({ length: 1_000 }, (_, index) => `${index};`).join('')
  expect((await receive(expected.length)).toString()).toBe(expected)
  expect(writes).toEqual([expected.length])
})

it.each([1, SLAB_BYTES, SLAB_BYTES + 1])(
  'has a copy of %d bytes, whatever becomes of the buffer',
  async (size) => {
    const bytes = new Uint8Array(size).fill(0x61)
    connection.write(Buffer.from('<'))
    connection.writeCopy(bytes)
    bytes.fill(0xdb)
    connection.write(Buffer.from('>'))
    const received = await receive(size + 2)
    expect(received.equals(Buffer.from(`<${'a'.repeat(size)}>`))).toBe(true)
  },
)

it.each([COPIED_WRITE_BYTES_MAX, COPIED_WRITE_BYTES_MAX + 1, SLAB_BYTES, SLAB_BYTES * 3 + 7])(
  'keeps the order of copied and passed on writes around %d bytes',
  async (size) => {
    const parts = [
      Buffer.from('a'),
      Buffer.alloc(size, 'b'),
      Buffer.from('c'),
      Buffer.alloc(size, 'd'),
    ]
    let released = 0
    for (const part of parts) connection.write(part)
    connection.sendRange(leaseOf([Buffer.from('e'), Buffer.from('f')], () => (released += 1)))
    connection.write(Buffer.from('g'))
    const expected = Buffer.concat([...parts, Buffer.from('efg')])
    const received = await receive(expected.length)
    expect(received.equals(expected)).toBe(true)
    expect(released).toBe(1)
  },
)

it('takes a slab again only after its bytes are written', async () => {
  for (let round = 0; round < 50; round++) {
    const text = `${round}`.padStart(1_000, '.')
    connection.write(Buffer.from(text))
    // The pool overwrites what comes back: a slab given back too early would show here.
    expect((await receive(1_000)).toString()).toBe(text)
  }
})

it('asks for a pause above the high-water mark, and says when to go on', async () => {
  const chunk = Buffer.alloc(64 * 1024)
  let written = 0
  while (connection.write(chunk)) written += chunk.length
  written += chunk.length
  expect(written).toBeGreaterThanOrEqual(OUTBOUND_HIGH_WATER_BYTES)
  expect(session.drains).toBe(0)
  await receive(written)
  while (session.drains === 0) await new Promise((resolve) => setImmediate(resolve))
  expect(session.drains).toBe(1)
})

it('allows exactly the outbound limit and cuts the peer off one byte above', async () => {
  peer.pause()
  connection.write(Buffer.alloc(OUTBOUND_MAX))
  expect(cutOffs).toEqual([])
  connection.write(Buffer.alloc(1))
  expect(cutOffs.map(({ code }) => code)).toEqual(['ERR_SLOW_CONSUMER'])
  await closed()
  expect(session.closes).toBe(1)
})

it('releases every lease once when the peer goes away', async () => {
  peer.pause()
  let released = 0
  const part = Buffer.alloc(1 << 20)
  for (let index = 0; index < 6; index++) {
    connection.sendRange(leaseOf([part], () => (released += 1)))
  }
  peer.destroy()
  await closed()
  expect(released).toBe(6)
  connection.sendRange(leaseOf([part], () => (released += 1)))
  expect(released).toBe(7)
})

it('ends after what is queued is written, and discards what still comes', async () => {
  connection.write(Buffer.from('last words'))
  connection.end()
  peer.write('too late')
  expect((await receive(10)).toString()).toBe('last words')
  peer.end()
  await closed()
  expect(session.chunks).toEqual([])
})

it('hangs up on a peer that does not hang up itself', async () => {
  connection.end()
  await new Promise((resolve) => setImmediate(resolve))
  environment.advance(2_500)
  await closed()
  expect(session.closes).toBe(1)
})

it('gives the loop back between large reads', async () => {
  const total = 8 << 20
  let turns = 0
  const count = (): void => {
    turns += 1
    setImmediate(count).unref()
  }
  peer.write(Buffer.alloc(total))
  count()
  let received = 0
  session.onData = (chunk) => {
    received += chunk.length
  }
  while (received < total) await new Promise((resolve) => setImmediate(resolve))
  expect(turns).toBeGreaterThan(8)
})

it('reads nothing while paused', async () => {
  connection.pause()
  peer.write('hello')
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(session.chunks).toEqual([])
  connection.resume()
  while (session.chunks.length === 0) await new Promise((resolve) => setImmediate(resolve))
  expect(Buffer.concat(session.chunks).toString()).toBe('hello')
})
