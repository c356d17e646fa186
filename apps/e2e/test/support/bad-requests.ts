/** Requests that deserve an answer of scope `request`: the connection goes on. */
import { crc32c } from '@millrace/codec'
import { Code } from './error-codes.ts'
import { pack, type Packable } from './message-pack.ts'
import { batchOf, fetchBody, produceBody } from './produce-body.ts'
import { Op } from './raw-peer.ts'

export interface BadRequest {
  readonly name: string
  readonly op: number
  readonly body: Buffer
  readonly code: number
}

const good = (): Buffer => batchOf(Buffer.from('one'), Buffer.from('two'))

/** The batch after a change; its CRC right again, so that only the change is wrong. */
const changedBatch = (change: (batch: Buffer) => Buffer | undefined): Buffer => {
  const batch = good()
  const changed = change(batch) ?? batch
  if (changed.length > 21) changed.writeUInt32BE(crc32c(changed.subarray(21)), 17)
  return changed
}

const withWrongCrc = (): Buffer => {
  const batch = good()
  batch[batch.length - 1] = (batch[batch.length - 1] as number) ^ 1
  return batch
}

const badBatches: readonly (readonly [string, Buffer, number])[] = [
  ['a wrong CRC', withWrongCrc(), Code.BATCH_CHECKSUM],
  [
    'a count of 3 for 2 records',
    changedBatch((b) => void b.writeInt32BE(3, 57)),
    Code.INVALID_BATCH,
  ],
  [
    'a count of 1 for 2 records',
    changedBatch((b) => void b.writeInt32BE(1, 57)),
    Code.INVALID_BATCH,
  ],
  [
    'a count of 2^31 - 1',
    changedBatch((b) => void b.writeInt32BE(0x7fffffff, 57)),
    Code.INVALID_BATCH,
  ],
  ['a negative count', changedBatch((b) => void b.writeInt32BE(-1, 57)), Code.INVALID_BATCH],
  [
    'a last offset delta that lies',
    changedBatch((b) => void b.writeInt32BE(9, 23)),
    Code.INVALID_BATCH,
  ],
  [
    'a length beyond the body',
    changedBatch((b) => void b.writeInt32BE(5_000, 8)),
    Code.INVALID_BATCH,
  ],
  [
    'a length of 2^31 - 1',
    changedBatch((b) => void b.writeInt32BE(0x7fffffff, 8)),
    Code.INVALID_BATCH,
  ],
  ['a negative length', changedBatch((b) => void b.writeInt32BE(-1, 8)), Code.INVALID_BATCH],
  ['another magic', changedBatch((b) => void b.writeInt8(1, 16)), Code.INVALID_BATCH],
  [
    'a codec that nobody offers',
    changedBatch((b) => void b.writeInt16BE(7, 21)),
    Code.UNSUPPORTED_CODEC,
  ],
  [
    'a record length that lies',
    changedBatch((b) => void b.writeUInt8(0x7e, 61)),
    Code.INVALID_BATCH,
  ],
  ['no record', changedBatch((b) => b.subarray(0, 61)), Code.INVALID_BATCH],
  ['half a header', good().subarray(0, 30), Code.INVALID_BATCH],
  ['nothing', Buffer.alloc(0), Code.INVALID_BATCH],
  ['a byte after the batch', Buffer.concat([good(), Buffer.of(0)]), Code.INVALID_BATCH],
  ['zeros', Buffer.alloc(100), Code.INVALID_BATCH],
]

const produces = (handle: number): BadRequest[] => [
  ...badBatches.map(([name, batch, code]) => ({
    name: `a batch with ${name}`,
    op: Op.PRODUCE,
    body: produceBody(handle, 0, batch),
    code,
  })),
  ...(
    [
      ['an unknown handle', produceBody(handle + 1_000, 0, good()), Code.STALE_HANDLE],
      ['partition 99', produceBody(handle, 99, good()), Code.PARTITION_NOT_FOUND],
      ['partition 2^32 - 1', produceBody(handle, 0xffff_ffff, good()), Code.PARTITION_NOT_FOUND],
      ['durability 7', produceBody(handle, 0, good(), 7), Code.UNSUPPORTED_DURABILITY],
      ['a head cut short', Buffer.alloc(11), Code.MALFORMED_BODY],
    ] as const
  ).map(([name, body, code]) => ({ name: `PRODUCE with ${name}`, op: Op.PRODUCE, body, code })),
]

const fetches = (handle: number): BadRequest[] =>
  (
    [
      ['an offset beyond the end', fetchBody(handle, 0, 1_000_000n), Code.OFFSET_OUT_OF_RANGE],
      ['offset 2^53', fetchBody(handle, 0, 2n ** 53n), Code.MALFORMED_BODY],
      ['offset 2^64 - 1', fetchBody(handle, 0, 2n ** 64n - 1n), Code.MALFORMED_BODY],
      ['an unknown handle', fetchBody(handle + 1_000, 0, 0n), Code.STALE_HANDLE],
      ['partition 99', fetchBody(handle, 99, 0n), Code.PARTITION_NOT_FOUND],
      ['a body cut short', Buffer.alloc(31), Code.MALFORMED_BODY],
    ] as const
  ).map(([name, body, code]) => ({ name: `FETCH with ${name}`, op: Op.FETCH, body, code }))

const badNames: readonly (readonly [string, string])[] = [
  ['a slash', 'a/b'],
  ['two dots', '..'],
  ['one dot', '.'],
  ['a way out', '../../etc/passwd'],
  ['NUL', 'a\0b'],
  ['a line feed', 'a\nb'],
  ['256 bytes', 'x'.repeat(256)],
  ['256 bytes of four-byte characters', '😀'.repeat(64)],
  ['60,000 bytes', 'x'.repeat(60_000)],
  ['nothing', ''],
]

const names = (): BadRequest[] =>
  badNames.map(([name, topic]) => ({
    name: `a topic name with ${name}`,
    op: Op.TOPIC_CREATE,
    body: pack({ topic }),
    code: Code.INVALID_NAME,
  }))

/** `{ topic: … }` with raw bytes in the place of the value. */
const topicOf = (...bytes: readonly number[]): Buffer =>
  Buffer.concat([Buffer.of(0x81), pack('topic'), Buffer.from(bytes)])

const nested = (depth: number): Packable => {
  let value: Packable = 1
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

const badBodies: readonly (readonly [string, Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['no map', pack([1, 2])],
  ['garbage', Buffer.from('c1c1c1c1c1', 'hex')],
  ['a map that ends early', Buffer.of(0x85)],
  ['a map of 2^32 - 1', Buffer.from('dfffffffff', 'hex')],
  ['a list of 2^32 - 1', topicOf(0xdd, 0xff, 0xff, 0xff, 0xff)],
  ['text of 2^32 - 1 bytes', topicOf(0xdb, 0xff, 0xff, 0xff, 0xff)],
  ['binary of 2^31 - 1 bytes', topicOf(0xc6, 0x7f, 0xff, 0xff, 0xff)],
  ['an extension', topicOf(0xd4, 0x01, 0x00)],
  ['an extension of 2^32 - 1 bytes', topicOf(0xc9, 0xff, 0xff, 0xff, 0xff, 0x01)],
  ['a lone surrogate', topicOf(0xa3, 0xed, 0xa0, 0x80)],
  ['text that is no UTF-8', topicOf(0xa2, 0xff, 0xfe)],
  ['an integer beyond 2^53', topicOf(0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
  ['a number for text', pack({ topic: 7 })],
  ['a missing field', pack({ other: 'x' })],
  ['the key __proto__', Buffer.concat([Buffer.of(0x81), pack('__proto__'), pack({ topic: 'x' })])],
  ['a key that is a number', Buffer.of(0x81, 0x01, 0x01)],
  ['bytes after the map', Buffer.concat([pack({ topic: 'x' }), Buffer.of(0xc0)])],
  ['nesting of 9', pack({ topic: 'x', more: nested(8) })],
  ['nesting of 20,000', Buffer.concat([topicOf(), Buffer.alloc(20_000, 0x91), Buffer.of(1)])],
  ['65,537 bytes', pack({ topic: 'x', more: Buffer.alloc(65_537) })],
]

const bodies = (): BadRequest[] =>
  badBodies.map(([name, body]) => ({
    name: `a control body of ${name}`,
    op: Op.TOPIC_DESCRIBE,
    body,
    code: Code.MALFORMED_BODY,
  }))

const others = (): BadRequest[] => [
  { name: 'an unknown opcode', op: 0x6e, body: Buffer.alloc(3), code: Code.UNKNOWN_OPCODE },
  {
    name: 'a subscription to an unknown topic',
    op: Op.SUBSCRIBE,
    body: pack({ subscription: 1, topic: 'nowhere', from: 'earliest', credit: 1 }),
    code: Code.TOPIC_NOT_FOUND,
  },
  {
    name: 'a subscription from beyond the end',
    op: Op.SUBSCRIBE,
    body: pack({ subscription: 1, topic: 'victim', from: 1_000_000, credit: 1 }),
    code: Code.OFFSET_OUT_OF_RANGE,
  },
  {
    name: 'a setting that does not exist',
    op: Op.TOPIC_CREATE,
    body: pack({ topic: 'odd', settings: { segmentByte: 1 } }),
    code: Code.INVALID_ARGUMENT,
  },
  {
    name: '2^32 - 1 partitions',
    op: Op.TOPIC_CREATE,
    body: pack({ topic: 'wide', partitions: 0xffff_ffff }),
    code: Code.INVALID_ARGUMENT,
  },
]

export const badRequests = (handle: number): readonly BadRequest[] => [
  ...produces(handle),
  ...fetches(handle),
  ...names(),
  ...bodies(),
  ...others(),
]
