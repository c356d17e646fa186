/**
 * Writes the vectors of this directory with two other implementations of the format, never with this
 * package: `node packages/codec/test/vectors/generate.mjs`. The output does not depend on the clock.
 */
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createRecordsBatch, crc32c, murmur2, readRecordsBatch, Reader } from '@platformatic/kafka'

const require = createRequire(import.meta.url)
const Long = require('kafkajs/src/utils/long')
const kafkajsMurmur2 = require('kafkajs/src/producer/partitioners/default/murmur2')
const KafkajsRecord = require('kafkajs/src/protocol/recordBatch/record/v0')
const { RecordBatch: KafkajsBatch } = require('kafkajs/src/protocol/recordBatch/v0')

const hex = (bytes) => (bytes === null || bytes === undefined ? null : bytes.toString('hex'))
const text = (value) => (value === null ? null : Buffer.from(value))
const at = 1_790_000_000_000

const record = (key, value, timestamp = at, headers = []) => ({ key, value, timestamp, headers })

/** `platformatic` or `kafkajs` false: that library cannot write the case. */
const cases = [
  { name: 'one record', records: [record('key', 'value')] },
  { name: 'null key', records: [record(null, 'value')] },
  { name: 'null value', records: [record('key', null)] },
  { name: 'null key and value', records: [record(null, null)] },
  { name: 'empty key and value', records: [record('', '')] },
  {
    name: 'headers, ordered, one empty',
    records: [record('k', 'v', at, [['first', 'one'], ['empty', ''], ['Zahl', '2']])], // prettier-ignore
  },
  { name: 'null header value', kafkajs: false, records: [record('k', 'v', at, [['gone', null]])] },
  { name: 'empty header key', records: [record('k', 'v', at, [['', 'x']])] },
  {
    name: 'a header repeated',
    platformatic: false,
    records: [record('k', 'v', at, [['twice', 'a'], ['twice', 'b']])], // prettier-ignore
  },
  {
    name: 'unicode everywhere',
    records: [record('Schlüssel', '値 🐎', at, [['größe 🐘', 'пять']])],
  },
  {
    name: 'timestamps that rise and fall',
    records: [0, 1, -1, 63, 64, -64, -65, 8191, 8192, 1_048_576, 2_147_483_647].map((delta) =>
      record(null, 'x', at + delta),
    ),
  },
  {
    // platformatic 1.35 writes deltas of 2^31 and more wrongly: 2^31 as `01`, which reads -1.
    name: 'timestamps months and years apart',
    platformatic: false,
    records: [0, 2_147_483_648, -2_147_483_649, 4_294_967_296, -2_000_000_000_000, 3e12].map(
      (delta) => record(null, 'x', at + delta),
    ),
  },
  { name: 'timestamp 0', records: [record(null, 'x', 0)] },
  { name: 'timestamp -1', records: [record(null, 'x', -1)] },
  {
    name: 'idempotent producer',
    producer: { id: 4_398_046_511_105, epoch: 7, sequence: 123_456 },
    records: [record('a', '1'), record('b', '2')],
  },
  {
    name: 'transactional producer',
    isTransactional: true,
    producer: { id: 1, epoch: 0, sequence: 0 },
    records: [record('a', '1'), record('b', '2')],
  },
  {
    name: 'largest producer fields',
    producer: { id: Number.MAX_SAFE_INTEGER, epoch: 32_767, sequence: 2_147_483_647 },
    records: [record('a', '1')],
  },
  { name: 'leader epoch', leaderEpoch: 77, records: [record('a', '1')] },
  {
    name: 'base offset over 32 bits',
    platformatic: false,
    baseOffset: 8_589_934_592_123,
    records: [record('a', '1'), record('a', '2')],
  },
  {
    name: 'control marker',
    attributeBits: 0x30,
    producer: { id: 9, epoch: 1, sequence: -1 },
    records: [record('\0\0\0\x01', '\0\0\0\0\0\0')],
  },
  {
    name: 'append time',
    attributeBits: 0x08,
    records: [record('a', '1'), record('b', '2', at + 5)],
  },
  {
    name: 'lengths around one and two varint bytes',
    records: [63, 64, 65, 127, 128, 129].map((size) => record(null, 'z'.repeat(size))),
  },
  { name: 'a value of three varint bytes', records: [record('big', '0123456789'.repeat(1000))] },
  {
    name: 'many records',
    records: Array.from({ length: 300 }, (_, index) =>
      record(`k${index}`, `v${index}`, at + index),
    ),
  },
]

const fromPlatformatic = (test) => {
  const { producer } = test
  const messages = test.records.map((entry) => ({
    topic: 't',
    partition: 0,
    key: text(entry.key),
    value: text(entry.value),
    timestamp: BigInt(entry.timestamp),
    headers: new Map(entry.headers.map(([key, value]) => [Buffer.from(key), text(value)])),
  }))
  return createRecordsBatch(messages, {
    partitionLeaderEpoch: test.leaderEpoch ?? 0,
    producerId: BigInt(producer?.id ?? -1),
    producerEpoch: producer?.epoch ?? -1,
    sequences: { getWithDefault: () => producer?.sequence ?? -1 },
    transactionalId: test.isTransactional ? 'tx' : undefined,
  }).buffer
}

const kafkajsHeaders = (headers) => {
  const grouped = {}
  for (const [key, value] of headers) (grouped[key] ??= []).push(text(value))
  return grouped
}

const fromKafkajs = async (test) => {
  const { records, producer } = test
  const timestamps = records.map((entry) => entry.timestamp)
  const encoder = await KafkajsBatch({
    firstOffset: Long.fromValue(test.baseOffset ?? 0),
    firstTimestamp: timestamps[0],
    maxTimestamp: Math.max(...timestamps),
    partitionLeaderEpoch: test.leaderEpoch ?? 0,
    lastOffsetDelta: records.length - 1,
    transactional: test.isTransactional ?? false,
    producerId: Long.fromValue(producer?.id ?? -1),
    producerEpoch: producer?.epoch ?? -1,
    firstSequence: producer?.sequence ?? -1,
    records: records.map((entry, index) =>
      KafkajsRecord({
        offsetDelta: index,
        timestampDelta: entry.timestamp - timestamps[0],
        key: text(entry.key),
        value: text(entry.value),
        headers: kafkajsHeaders(entry.headers),
      }),
    ),
  })
  return encoder.buffer
}

/** Neither library writes a control batch or append time: set the bits, sign again. */
const withBits = (batch, bits) => {
  if (bits === undefined) return batch
  batch.writeInt16BE(batch.readInt16BE(21) | bits, 21)
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

/** The fields as platformatic's reader sees them; the records as they were put in. */
const describeBatch = (test, writer, batch) => {
  const read = readRecordsBatch(Reader.from(batch))
  const isAppendTime = (read.attributes & 0x08) !== 0
  const timestampOf = (entry) => (isAppendTime ? Number(read.maxTimestamp) : entry.timestamp)
  return {
    name: test.name,
    writer,
    fields: {
      baseOffset: Number(read.firstOffset),
      totalBytes: batch.length,
      leaderEpoch: read.partitionLeaderEpoch,
      crc: read.crc,
      attributes: read.attributes,
      lastOffsetDelta: read.lastOffsetDelta,
      baseTimestamp: Number(read.firstTimestamp),
      maxTimestamp: Number(read.maxTimestamp),
      producerId: Number(read.producerId),
      producerEpoch: read.producerEpoch,
      baseSequence: read.firstSequence,
      recordCount: read.records.length,
    },
    records: test.records.map((entry, index) => ({
      offset: (test.baseOffset ?? 0) + index,
      created: entry.timestamp,
      timestamp: timestampOf(entry),
      key: hex(text(entry.key)),
      value: hex(text(entry.value)),
      headers: entry.headers.map(([key, value]) => [key, hex(text(value))]),
    })),
    hex: hex(batch),
  }
}

const batchVectors = async () => {
  const vectors = []
  for (const test of cases) {
    if (test.platformatic !== false) {
      const batch = withBits(fromPlatformatic(test), test.attributeBits)
      vectors.push(describeBatch(test, 'platformatic', batch))
    }
    if (test.kafkajs !== false) {
      const batch = withBits(await fromKafkajs(test), test.attributeBits)
      vectors.push(describeBatch(test, 'kafkajs', batch))
    }
  }
  return vectors
}

/** Inputs of every length modulo 8, high bytes included. */
const hashInputs = () => {
  const inputs = ['', 'a', '21', 'foobar', 'a-little-bit-long-string', 'größe 🐘'].map(text)
  for (let length = 1; length <= 40; length++) {
    inputs.push(
      Buffer.from(Array.from({ length }, (_, index) => (index * 151 + length * 29) & 0xff)),
    )
  }
  inputs.push(Buffer.alloc(500, 0xff), Buffer.alloc(1024, 0x80))
  return inputs
}

const hashVectors = () =>
  hashInputs().map((input) => {
    const hash = murmur2(input)
    const second = kafkajsMurmur2(input)
    if (hash !== second) console.error('the two murmur2 differ', hex(input), hash, second)
    return { hex: hex(input), murmur2: hash, crc32c: crc32c(input) >>> 0 }
  })

const save = (name, vectors) => {
  const lines = vectors.map((vector) => `  ${JSON.stringify(vector)}`)
  writeFileSync(new URL(name, import.meta.url), `[\n${lines.join(',\n')}\n]\n`)
  console.log(`${name}: ${vectors.length} vectors`)
}

save('record-batches.json', await batchVectors())
save('hashes.json', hashVectors())
