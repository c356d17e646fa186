/** Bytes from peers that are broken, lost or hostile; each time another peer must not notice. */
import { connect } from 'node:net'
import {
  encodeConnect,
  encodeControl,
  encodeFetch,
  encodeFrame,
  encodeSubscribe,
  FLAG_MORE,
  isRequest,
  Opcode,
} from '@millrace/protocol'
import { type FakeServer, startFakeServer } from '../support/fake-server.ts'
import { batchOf, connectBody, RawPeer } from '../support/raw-peer.ts'

let fake: FakeServer
let witness: RawPeer

const start = async (changes: Parameters<typeof startFakeServer>[0] = {}): Promise<void> => {
  fake = await startFakeServer(changes)
  witness = await RawPeer.open(fake.port)
}

beforeEach(() => start())

afterEach(async () => {
  const handle = await witness.openTopic('witness')
  witness.produce(handle, 'still here')
  await witness.take(Opcode.PRODUCED)
  witness.close()
  await fake.stop()
  expect(fake.broker.openLeases).toBe(0)
})

const restart = async (changes: Parameters<typeof startFakeServer>[0]): Promise<void> => {
  witness.close()
  await fake.stop()
  await start(changes)
}

const header = (length: number, opcode = 1): Uint8Array => {
  const bytes = new Uint8Array(12)
  new DataView(bytes.buffer).setUint32(0, length)
  bytes[4] = opcode
  bytes[11] = 1
  return bytes
}

const anyFetch = {
  ...{ handle: 1, partition: 0, offset: 0, flags: 0 },
  ...{ maxBytes: 1 << 20, minBytes: 0, maxWaitMs: 0 },
}

describe('before the handshake', () => {
  it.each(['whole', 'byte by byte'])(
    'tells an HTTP client in HTTP which port this is: %s',
    async (how) => {
      const socket = connect(fake.port, '127.0.0.1')
      const chunks: Buffer[] = []
      socket.on('data', (chunk: Buffer) => chunks.push(chunk))
      const request = Buffer.from('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n')
      const pieces = how === 'whole' ? [request] : [...request].map((byte) => Buffer.of(byte))
      socket.setNoDelay(true)
      for (const piece of pieces) socket.write(piece)
      await new Promise<void>((resolve) => socket.once('close', () => resolve()))
      const answer = Buffer.concat(chunks).toString()
      expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
      expect(answer).toMatch(/This is the native port[\s\S]*7421/)
    },
  )

  it.each([
    ['garbage', new Uint8Array(64).fill(0xfe), 'ERR_FRAME_TOO_LARGE'],
    ['zeros', new Uint8Array(64), 'ERR_MALFORMED_FRAME'],
    ['a length of 4 GiB', header(0xffff_ffff), 'ERR_FRAME_TOO_LARGE'],
    ['a length below the header', header(7), 'ERR_MALFORMED_FRAME'],
    ['a frame one byte over the limit', header(8 * 1024 - 4 + 1), 'ERR_FRAME_TOO_LARGE'],
    ['a TLS hello', Buffer.from('16030100c8010000c40303', 'hex'), 'ERR_MALFORMED_FRAME'],
  ])('answers %s with its error and hangs up', async (_what, bytes, code) => {
    const peer = await RawPeer.dial(fake.port)
    peer.write(bytes)
    expect(await peer.takeError()).toMatchObject({ code, correlation: 0 })
    await peer.closed()
  })

  it('names TLS and AMQP as the likely mistake', async () => {
    const amqp = await RawPeer.dial(fake.port)
    amqp.write(Buffer.from('AMQP\0\0\u0009\u0001'))
    expect((await amqp.takeError()).message).toMatch(/AMQP/)
    const tls = await RawPeer.dial(fake.port)
    tls.write(Buffer.from('16030100c8010000c40303', 'hex'))
    expect((await tls.takeError()).message).toMatch(/TLS/)
  })

  it('takes a frame of exactly the limit', async () => {
    const peer = await RawPeer.dial(fake.port)
    const client = { name: 'x'.repeat(8_000), version: '' }
    const body = encodeConnect({ ...connectBody, client })
    const padded = encodeConnect({
      ...connectBody,
      client: { ...client, version: 'y'.repeat(8 * 1024 - 13 - body.length) },
    })
    expect(padded.length).toBe(8 * 1024 - 12)
    peer.send(Opcode.CONNECT, padded)
    await peer.take(Opcode.CONNECTED)
    peer.close()
  })

  it.each(Array.from({ length: 256 }, (_, opcode) => opcode).filter((opcode) => opcode !== 1))(
    'refuses opcode %d before CONNECT',
    async (opcode) => {
      const peer = await RawPeer.dial(fake.port)
      peer.send(opcode)
      const correlation = isRequest(opcode) ? 1 : 0
      expect(await peer.takeError()).toMatchObject({ code: 'ERR_UNEXPECTED_FRAME', correlation })
      await peer.closed()
    },
  )

  it('refuses a CONNECT without a correlation', async () => {
    const peer = await RawPeer.dial(fake.port)
    peer.send(Opcode.CONNECT, encodeConnect(connectBody), 0)
    expect((await peer.takeError()).code).toBe('ERR_MALFORMED_FRAME')
    await peer.closed()
  })

  it('refuses a CONNECT in parts', async () => {
    const peer = await RawPeer.dial(fake.port)
    const frame = encodeFrame(Opcode.CONNECT, 0, 1, encodeConnect(connectBody))
    frame[5] = FLAG_MORE
    peer.write(frame)
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_MALFORMED_FRAME', correlation: 0 })
    await peer.closed()
  })

  it.each([
    ['another magic', { magic: 'mill' }],
    ['no magic', { magic: null }],
    ['versions that are no list', { versions: 1 }],
    ['frames that are too small', { frameBytesMax: 8_191 }],
  ])('answers a CONNECT with %s and hangs up', async (_what, change) => {
    const peer = await RawPeer.dial(fake.port)
    const body = encodeControl({ magic: 'millrace', ...connectBody, ...change })
    const correlation = peer.send(Opcode.CONNECT, body)
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_MALFORMED_BODY', correlation })
    await peer.closed()
  })

  it('refuses a CONNECT that is not MessagePack', async () => {
    const peer = await RawPeer.dial(fake.port)
    peer.send(Opcode.CONNECT, new Uint8Array(100).fill(0xc1))
    expect((await peer.takeError()).code).toBe('ERR_MALFORMED_BODY')
    await peer.closed()
  })

  it('cuts off a peer that drips its handshake', async () => {
    const peer = await RawPeer.dial(fake.port)
    const frame = encodeFrame(Opcode.CONNECT, 0, 1, encodeConnect(connectBody))
    for (let at = 0; at < 9; at++) {
      peer.write(frame.subarray(at, at + 1))
      await witness.ping()
      fake.environment.advance(1_000)
    }
    expect(peer.isClosed).toBe(false)
    fake.environment.advance(2_000)
    expect((await peer.takeError()).code).toBe('ERR_HANDSHAKE_TIMEOUT')
    await peer.closed()
  })

  it('forgets a peer that only knocked', async () => {
    const peer = await RawPeer.dial(fake.port)
    await witness.ping()
    expect(fake.server.connectionCount()).toBe(2)
    peer.close()
    while (fake.server.connectionCount() > 1) await witness.ping()
  })
})

describe('after the handshake', () => {
  it('refuses a second CONNECT', async () => {
    const peer = await RawPeer.open(fake.port)
    peer.send(Opcode.CONNECT, encodeConnect(connectBody))
    const error = await peer.takeError()
    expect(error).toMatchObject({ code: 'ERR_UNEXPECTED_FRAME' })
    expect(error.message).toMatch(/twice/)
    await peer.closed()
  })

  it('answers unknown opcodes and goes on', async () => {
    const peer = await RawPeer.open(fake.port)
    for (const opcode of [0x00, 0x06, 0x57, 0x7e]) {
      const correlation = peer.send(opcode)
      expect(await peer.takeError()).toMatchObject({ code: 'ERR_UNKNOWN_OPCODE', correlation })
    }
    await peer.ping()
    peer.close()
  })

  it.each([
    ...[Opcode.CONNECTED, Opcode.PRODUCED, Opcode.DELIVER, Opcode.GO_AWAY, Opcode.ERROR],
    ...[Opcode.SUBSCRIPTION_END, Opcode.CLOSED, 0x80, 0xc0, 0xff],
  ])('refuses opcode %d, which is only sent by a broker', async (opcode) => {
    const peer = await RawPeer.open(fake.port)
    peer.send(opcode)
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_UNEXPECTED_FRAME', correlation: 0 })
    await peer.closed()
  })

  it('answers a handle nobody opened', async () => {
    const peer = await RawPeer.open(fake.port)
    const correlation = peer.produce(4_000_000_000, 'x')
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_STALE_HANDLE', correlation })
    peer.send(Opcode.FETCH, encodeFetch({ ...anyFetch, handle: 0 }))
    expect((await peer.takeError()).code).toBe('ERR_STALE_HANDLE')
    await peer.ping()
    peer.close()
  })

  it('answers heads that are cut short, and goes on', async () => {
    const peer = await RawPeer.open(fake.port)
    for (const opcode of [Opcode.PRODUCE, Opcode.FETCH, Opcode.CREDIT]) {
      peer.send(opcode, new Uint8Array(7))
      expect((await peer.takeError()).code).toBe('ERR_MALFORMED_BODY')
    }
    await peer.ping()
    peer.close()
  })

  it('answers control bodies that are not maps, and goes on', async () => {
    const peer = await RawPeer.open(fake.port)
    for (const opcode of [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x22, 0x30, 0x31]) {
      const correlation = peer.send(opcode, new Uint8Array([0x93, 1, 2, 3]))
      expect(await peer.takeError()).toMatchObject({ code: 'ERR_MALFORMED_BODY', correlation })
    }
    await peer.ping()
    peer.close()
  })

  it.each([Opcode.PING, Opcode.CLOSE, Opcode.TOPIC_LIST, Opcode.PRODUCE, Opcode.FETCH, 0x66])(
    'refuses opcode %d without a correlation',
    async (opcode) => {
      const peer = await RawPeer.open(fake.port)
      peer.send(opcode, undefined, 0)
      expect(await peer.takeError()).toMatchObject({ code: 'ERR_MALFORMED_FRAME', correlation: 0 })
      await peer.closed()
    },
  )

  it('refuses a ping that carries more than a ping may', async () => {
    const peer = await RawPeer.open(fake.port)
    peer.send(Opcode.PING, new Uint8Array(64))
    expect((await peer.take(Opcode.PONG)).body.length).toBe(64)
    peer.send(Opcode.PING, new Uint8Array(65))
    expect((await peer.takeError()).code).toBe('ERR_MALFORMED_BODY')
    peer.close()
  })

  it('hangs up on a frame beyond what was agreed', async () => {
    const peer = await RawPeer.open(fake.port, { frameBytesMax: 16 * 1024 })
    peer.write(header(16 * 1024 - 4 + 1, Opcode.PRODUCE))
    expect((await peer.takeError()).code).toBe('ERR_FRAME_TOO_LARGE')
    await peer.closed()
  })

  it('hangs up on the seventeenth unfinished body', async () => {
    const peer = await RawPeer.open(fake.port)
    const begin = (correlation: number): void => {
      const frame = encodeFrame(Opcode.PRODUCE, 0, correlation, new Uint8Array(4))
      frame[5] = 1
      peer.write(frame)
    }
    for (let correlation = 1; correlation <= 16; correlation++) begin(correlation)
    await peer.ping()
    begin(17)
    expect((await peer.takeError()).code).toBe('ERR_MALFORMED_FRAME')
    await peer.closed()
  })

  it('allows the agreed number of requests in flight and refuses one more', async () => {
    await restart({ 'limits.inFlightRequests': 8 })
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('orders')
    fake.broker.isHoldingAppends = true
    for (let index = 0; index < 8; index++) peer.produce(handle, `${index}`)
    await peer.ping()
    expect(peer.frames).toEqual([])
    const busy = peer.produce(handle, 'one more')
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_BUSY', correlation: busy })
    peer.send(Opcode.PING, undefined, 4_711)
    expect((await peer.take(Opcode.PONG)).correlation).toBe(4_711)
    fake.broker.releaseAppends()
    for (let index = 0; index < 8; index++) await peer.take(Opcode.PRODUCED)
    peer.produce(handle, 'room again')
    await peer.take(Opcode.PRODUCED)
    peer.close()
  })

  it('survives a peer that vanishes in the middle of everything', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('orders')
    fake.broker.isHoldingAppends = true
    for (let index = 0; index < 50; index++) peer.produce(handle, `${index}`)
    await peer.ping()
    peer.socket.resetAndDestroy()
    while (fake.server.connectionCount() > 1) await witness.ping()
    fake.broker.releaseAppends()
  })
})

describe('a peer that does not read', () => {
  const flood = async (): Promise<RawPeer> => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('large')
    const topic = fake.broker.find('large')
    for (let index = 0; index < 8; index++) {
      topic.partitions[0]?.append(batchOf(['z'.repeat(1 << 20)]))
    }
    peer.socket.pause()
    const fetch = { handle, partition: 0, offset: 0, maxBytes: 8 << 20, minBytes: 0, maxWaitMs: 0 }
    for (let index = 0; index < 60; index++) {
      peer.send(Opcode.FETCH, encodeFetch({ ...fetch, flags: 0 }))
    }
    return peer
  }

  it('is cut off at the limit of what may wait for it', async () => {
    await restart({ 'limits.outboundBytes': 1 << 20 })
    const peer = await flood()
    while (fake.server.connectionCount() > 1) await witness.ping()
    const codes = fake.environment.lines.map(({ fields }) => fields['code'])
    expect(codes).toContain('ERR_SLOW_CONSUMER')
    peer.close()
  })

  it('costs little although it gave credit for everything, and gets all of it in the end', async () => {
    const count = 64
    const peer = await RawPeer.open(fake.port)
    await peer.openTopic('large')
    const batch = batchOf(['z'.repeat(1 << 20)])
    const topic = fake.broker.find('large')
    for (let index = 0; index < count; index++) topic.partitions[0]?.append(batch)
    peer.socket.pause()
    const from = 'earliest'
    const credit = 0xffff_ffff
    peer.send(Opcode.SUBSCRIBE, encodeSubscribe({ subscription: 1, topic: 'large', from, credit }))
    for (let round = 0; round < 100; round++) await witness.ping()
    // One batch of a megabyte each; what the operating system took is not held any more.
    expect(fake.broker.openLeases).toBeGreaterThan(0)
    expect(fake.broker.openLeases).toBeLessThanOrEqual(4)
    peer.socket.resume()
    for (let index = 0; index < count; index++) await peer.take(Opcode.DELIVER)
    peer.close()
  })

  it('is cut off when it takes nothing for half a minute', async () => {
    await restart({ 'limits.outboundBytes': 1 << 30 })
    const peer = await flood()
    for (let round = 0; round < 50; round++) await witness.ping()
    fake.environment.advance(29_000)
    await witness.ping()
    expect(fake.server.connectionCount()).toBe(2)
    while (fake.server.connectionCount() > 1) {
      fake.environment.advance(31_000)
      await witness.ping()
    }
    const codes = fake.environment.lines.map(({ fields }) => fields['code'])
    expect(codes).toContain('ERR_SLOW_CONSUMER')
    peer.close()
  })
})

describe('memory that all connections share', () => {
  it('is not filled with requests that never end: who holds much is cut off', async () => {
    await restart({ 'limits.bufferBytes': 4 << 20 })
    const peers = await Promise.all([RawPeer.open(fake.port), RawPeer.open(fake.port)])
    const part = encodeFrame(Opcode.PRODUCE, 0, 1, new Uint8Array(128 * 1024))
    part[5] = 1
    for (const peer of peers) for (let index = 0; index < 30; index++) peer.write(part)
    const first = await Promise.race(peers.map((peer) => peer.takeError()))
    expect(first.code).toBe('ERR_LIMIT_EXCEEDED')
    for (const peer of peers) peer.close()
  })
})

describe('too many peers', () => {
  it('lets in as many as allowed and tells the next one why not', async () => {
    await restart({ 'limits.connections': 3 })
    const second = await RawPeer.open(fake.port)
    const third = await RawPeer.open(fake.port)
    const fourth = await RawPeer.dial(fake.port)
    expect((await fourth.takeError()).code).toBe('ERR_CONNECTION_LIMIT')
    await fourth.closed()
    second.close()
    while (fake.server.connectionCount() > 2) await witness.ping()
    const fifth = await RawPeer.open(fake.port)
    fifth.close()
    third.close()
  })
})
