/** What we write, read by two other implementations that run now, not when the vectors were made. */
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { RecordBatchBuilder } from '../../src/record-batch/record-batch-builder.ts'
import { decodeRecords, RecordCursor } from '../../src/record-batch/record-cursor.ts'
import { plain, record, text, toHex } from '../support.ts'
import type { PlainRecord } from '../support.ts'

interface KafkajsRecord {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Record<string, Buffer | null>
}
interface KafkajsBatch extends Record<string, unknown> {
  readonly records: readonly KafkajsRecord[]
}

const require = createRequire(import.meta.url)
const KafkajsDecoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => object
const readWithKafkajs = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (
  decoder: object,
) => Promise<KafkajsBatch>

const at = 1_790_000_000_000
const sample = (): Uint8Array[] => {
  const plainBatch = new RecordBatchBuilder({ baseOffset: 9_000_000_000, leaderEpoch: 3 })
  plainBatch.append(record('größe', '値', at, [{ key: 'é🐘', value: text('π') }]))
  plainBatch.append(record(null, null, at - 5, [{ key: '', value: new Uint8Array(0) }]))
  plainBatch.append(record('', '', at + 3e12, [{ key: 'gone', value: null }]))
  const producer = { producerId: 5e15, producerEpoch: 12, baseSequence: 99 }
  const inTransaction = new RecordBatchBuilder({ ...producer, isTransactional: true })
  for (let index = 0; index < 500; index++) {
    inTransaction.append(record(`k${index}`, 'v'.repeat(index), at + index * 1000))
  }
  const control = new RecordBatchBuilder({ ...producer, isTransactional: true, isControl: true })
  control.append(record('\0\0\0\x01', '\0\0\0\0\0\0', at))
  return [plainBatch.build(), inTransaction.build(), control.build()]
}

const nullable = (bytes: Buffer | null): string | null => bytes && bytes.toString('hex')
const plainKafkajs = (entry: KafkajsRecord): PlainRecord => ({
  offset: Number(entry.offset),
  timestamp: Number(entry.timestamp),
  key: nullable(entry.key),
  value: nullable(entry.value),
  headers: Object.entries(entry.headers).map(([key, value]) => [key, nullable(value)] as const),
})

describe('batches of this package', () => {
  it('say the same to kafkajs', async () => {
    for (const batch of sample()) {
      const read = await readWithKafkajs(new KafkajsDecoder(Buffer.from(batch)))
      expect(read.records.map(plainKafkajs)).toEqual(decodeRecords(batch).map(plain))
    }
  })

  it('carry their producer and transaction to kafkajs', async () => {
    const read = await readWithKafkajs(new KafkajsDecoder(Buffer.from(sample()[2]!)))
    expect(read).toMatchObject({
      producerId: '5000000000000000',
      producerEpoch: 12,
      firstSequence: 99,
      inTransaction: true,
      isControlBatch: true,
      lastOffsetDelta: 0,
    })
  })

  it('say the same to platformatic', () => {
    const script = new URL('../vectors/read-with-platformatic.mjs', import.meta.url).pathname
    const batches = sample()
    const input = batches.map(toHex).join('\n')
    const output = execFileSync(process.execPath, [script], { input, encoding: 'utf8' })
    const read = output.trim().split('\n').map((line) => JSON.parse(line) as unknown) // prettier-ignore
    expect(read).toEqual(batches.map((batch) => decodeRecords(batch).map(plain)))
  })

  it('are read here from what kafkajs writes now', async () => {
    const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
      RecordBatch: (fields: object) => Promise<{ buffer: Buffer }>
    }
    const KafkajsRecordEncoder = require('kafkajs/src/protocol/recordBatch/record/v0') as (
      fields: object,
    ) => object
    const headers = { trace: Buffer.from('abc') }
    const records = Array.from(
      { length: 50 },
      (_, offsetDelta) =>
      KafkajsRecordEncoder({ offsetDelta, timestampDelta: offsetDelta, key: null, value: Buffer.from('v'), headers }), // prettier-ignore
    )
    const { buffer } = await RecordBatch({ firstTimestamp: at, lastOffsetDelta: 49, records })
    const cursor = new RecordCursor(buffer)
    while (cursor.next()) {
      expect(cursor.timestamp).toBe(at + cursor.index)
      expect(toHex(cursor.headers()[0]!.value!)).toBe('616263')
    }
    expect(cursor.index).toBe(49)
  })
})
