/** What no client sends: nothing escapes, nobody else is harmed, and memory stays bounded. */
import fc from 'fast-check'
import { MessageReader } from '../src/message-reader.ts'
import { REQUEST_ELEMENTS_COUNT_MAX } from '../src/limits.ts'
import { fetch } from '../src/schema/apis/fetch.ts'
import { metadata } from '../src/schema/apis/metadata.ts'
import { produce } from '../src/schema/apis/produce.ts'
import { saslAuthenticate } from '../src/schema/apis/sasl.ts'
import { servedApis } from '../src/served-apis.ts'
import type { Api } from '../src/schema/api.ts'
import { goldenClients } from './support/golden.ts'
import type { KafkaPeer } from './support/kafka-peer.ts'
import { type KafkaWorld, openKafkaWorld } from './support/kafka-world.ts'
import { batchOf, metadataOf, produceOf } from './support/requests.ts'
import { oneTurn, until } from './support/settled.ts'
import { versionOf } from './support/wire.ts'

let world: KafkaWorld
let healthy: KafkaPeer

const caller = { principal: { name: 'anyone', isAnonymous: true }, namespace: '/' }

beforeAll(async () => {
  world = await openKafkaWorld()
  await world.broker.createTopic(caller, { topic: 'orders' })
  healthy = world.connect()
})

afterAll(() => world.stop())

afterEach(async () => {
  const { responses } = await healthy.ask(produce, 9, produceOf('orders', batchOf(['well'])))
  expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(0)
  expect(world.events).not.toContain('kafka.internal-error')
})

const framed = (body: Buffer): Buffer => {
  const size = Buffer.alloc(4)
  size.writeInt32BE(body.length)
  return Buffer.concat([size, body])
}

const header = (key: number, version: number): Buffer => {
  const bytes = Buffer.alloc(10)
  bytes.writeInt16BE(key, 0)
  bytes.writeInt16BE(version, 2)
  bytes.writeInt16BE(-1, 8)
  return bytes
}

it.each([
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: broker\r\n\r\n')],
  ['TLS', Buffer.from('1603010200010001fc0303', 'hex')],
  ['the native protocol', Buffer.from('4d524300000000010000000000', 'hex')],
  ['a negative size', Buffer.from('ffffffff0000', 'hex')],
  ['an unknown API', framed(header(999, 0))],
  ['a group', framed(header(11, 5))],
  ['a version from the future', framed(header(3, 99))],
  ['a negative version', framed(header(3, -1))],
  ['a header that is cut', framed(Buffer.from([0, 3, 0, 9]))],
  ['a client id longer than the request', framed(Buffer.from('0003000900000001ffff7fff', 'hex'))],
  ['bytes behind the request', framed(Buffer.concat([header(3, 1), Buffer.alloc(5)]))],
])('ends the connection of a peer that sends %s', async (_name, bytes) => {
  const peer = world.connect()
  peer.sendBytes(bytes)
  await until('the connection ends', () => peer.isEnded)
})

const lengths = [0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 2 ** 53 - 1]

const uvarint = (value: number): number[] => {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return [...bytes, rest]
}

it.each(lengths)('refuses a compact array of %d', (length) => {
  const reader = new MessageReader(new Uint8Array([...uvarint(length), 0, 0, 0]))
  expect(() => versionOf(metadata, 9).request.read(reader)).toThrow(/cannot hold an array/)
})

it.each(lengths)('refuses a compact string of %d', (length) => {
  const reader = new MessageReader(new Uint8Array([2, ...uvarint(length), 0, 0, 0]))
  expect(() => versionOf(metadata, 9).request.read(reader)).toThrow(/too long/)
})

it.each(lengths)('refuses records of %d', (length) => {
  const before = [0, 0, 1, 0, 0, 0, 0, 2, 2, 0x61, 2, 0, 0, 0, 0]
  const reader = new MessageReader(new Uint8Array([...before, ...uvarint(length), 0, 0]))
  expect(() => versionOf(produce, 9).request.read(reader)).toThrow(/longer than/)
})

it('counts the elements of all arrays of a request', () => {
  const topics = (count: number): Uint8Array => {
    const topic = [1, 1, 0]
    const all = Array.from({ length: count }, () => topic).flat()
    return new Uint8Array([0, 0, 1, 0, 0, 0, 0, ...uvarint(count + 1), ...all, 0])
  }
  const read = (count: number) =>
    versionOf(produce, 9).request.read(new MessageReader(topics(count)))
  expect(read(REQUEST_ELEMENTS_COUNT_MAX).topicData).toHaveLength(REQUEST_ELEMENTS_COUNT_MAX)
  expect(() => read(REQUEST_ELEMENTS_COUNT_MAX + 1)).toThrow(/more than 100000 elements/)
})

it('refuses a name that is no UTF-8', () => {
  const reader = new MessageReader(new Uint8Array([2, 3, 0xc3, 0x28, 0, 0, 0, 0]))
  expect(() => versionOf(metadata, 9).request.read(reader)).toThrow(/not UTF-8/)
})

it('refuses integers that are no exact numbers', () => {
  const fields = Buffer.alloc(4 * 4 + 1)
  const topic = Buffer.from('00000001000161000000010000000000000000', 'hex').subarray(0, 11)
  const partition = Buffer.from('000000007fffffffffffffff00000001', 'hex')
  const body = Buffer.concat([fields, topic, partition])
  expect(() => versionOf(fetch, 4).request.read(new MessageReader(body))).toThrow(/2\^53/)
})

it.each([
  ['descends', [2, 5, 0, 3, 0]],
  ['repeats', [2, 5, 0, 5, 0]],
  ['is longer than the request', [1, 5, 100]],
])('refuses tagged fields where a tag %s', (_name, tags) => {
  const reader = new MessageReader(new Uint8Array([1, 0, 0, 0, ...tags]))
  expect(() => versionOf(metadata, 9).request.read(reader)).toThrow()
})

it('skips tagged fields that it does not know', () => {
  const reader = new MessageReader(new Uint8Array([1, 0, 0, 0, 2, 5, 1, 0xff, 9, 2, 1, 1]))
  expect(versionOf(metadata, 9).request.read(reader).topics).toEqual([])
  expect(reader.remaining).toBe(0)
})

const mutations = goldenClients.flatMap(({ requests }) => requests.map(({ bytes }) => bytes))

it('survives requests of real clients with bytes changed', async () => {
  const change = fc.record({
    which: fc.nat({ max: mutations.length - 1 }),
    at: fc.nat({ max: 400 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const peer = world.connect()
      for (const { which, at, bytes } of changes) {
        const request = Buffer.from(mutations[which] ?? [])
        request.set(
          bytes.subarray(0, Math.max(0, request.length - at)),
          Math.min(at, request.length),
        )
        peer.sendBytes(framed(request))
      }
      for (let turn = 0; turn < 5; turn++) await oneTurn()
      peer.close()
    }),
    { numRuns: 300 },
  )
})

it('reads anything as a request or refuses it, in every API and version', () => {
  const tables = servedApis.flatMap((api) => {
    const table = api as unknown as Api<unknown, unknown>
    const first = table.first
    const count = table.last - first + 1
    return Array.from({ length: count }, (_, index) => versionOf(table, first + index).request)
  })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(tables.length - 1), (bytes, which) => {
      try {
        tables[which]?.read(new MessageReader(bytes))
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_MALFORMED_BODY' })
      }
    }),
    { numRuns: 3_000 },
  )
})

it('cuts off who begins a request and does not go on with it', async () => {
  const peer = world.connect()
  await oneTurn()
  peer.sendBytes(framed(header(3, 1)).subarray(0, 8))
  world.timers.advance(30_000)
  expect(peer.isEnded).toBe(true)
})

it('lets a slow peer finish, and an idle one be', async () => {
  const peer = world.connect()
  await oneTurn()
  const large = framed(Buffer.concat([header(0, 9), Buffer.alloc(60_000)]))
  for (let at = 0; at < 12; at++) {
    peer.sendBytes(large.subarray(at * 2_000, (at + 1) * 2_000))
    world.timers.advance(29_000)
  }
  expect(peer.isEnded).toBe(false)
  const idle = world.connect()
  await idle.ask(metadata, 1, metadataOf(['orders']))
  world.timers.advance(3_600_000)
  expect(idle.isEnded).toBe(false)
})

it('keeps nothing of a request that it handles later in the buffer it came in', () => {
  const body = new Uint8Array([0, 0, 0, 2, 1, 2])
  const { authBytes } = versionOf(saslAuthenticate, 0).request.read(new MessageReader(body))
  body.fill(0xdb)
  expect([...authBytes]).toEqual([1, 2])
})
