/** What several tests of this package need. Bytes are compared as hex: realms do not matter then. */
import { readFileSync } from 'node:fs'
import { ByteWriter } from '../src/byte-writer.ts'
import { crc32c } from '../src/crc32c.ts'
import { isBrokerError } from '../src/errors.ts'
import { writeUint32 } from '../src/integers.ts'
import { utf8Encode } from '../src/utf8.ts'
import type { DecodedRecord, RecordInput } from '../src/record-batch/record.ts'
import { RecordCursor } from '../src/record-batch/record-cursor.ts'

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
export const nullableHex = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : toHex(bytes)
export const nullableBytes = (hex: string | null): Uint8Array | null =>
  hex === null ? null : fromHex(hex)

export const text = (value: string): Uint8Array => utf8Encode(value)

/** The code of the `BrokerError` that `run` throws, `undefined` when it returns. */
export const codeOf = (run: () => unknown): string | undefined => {
  try {
    run()
    return undefined
  } catch (error) {
    if (isBrokerError(error)) return error.code
    throw error
  }
}

export const record = (
  key: string | null,
  value: string | null,
  timestamp = 1_790_000_000_000,
  headers: RecordInput['headers'] = [],
): RecordInput => ({
  key: key === null ? null : text(key),
  value: value === null ? null : text(value),
  timestamp,
  headers,
})

export interface PlainRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

export const plain = (entry: DecodedRecord): PlainRecord => ({
  offset: entry.offset,
  timestamp: entry.timestamp,
  key: nullableHex(entry.key),
  value: nullableHex(entry.value),
  headers: entry.headers.map(({ key, value }) => [key, nullableHex(value)] as const),
})

/** Reads everything there is to read, headers included, and counts the records. */
export const walk = (batch: Uint8Array): number => {
  const cursor = new RecordCursor(batch)
  let count = 0
  while (cursor.next()) {
    cursor.headers()
    count++
  }
  return count
}

/** Writes a true checksum over whatever the batch now says. */
export const sign = (batch: Uint8Array): Uint8Array => {
  writeUint32(batch, 17, crc32c(batch.subarray(21)))
  return batch
}

export interface ForgedBatch {
  readonly records: Uint8Array
  readonly count?: number
  readonly lastOffsetDelta?: number
  readonly attributes?: number
  readonly magic?: number
}

/** A signed batch whose fields say what a test wants, true or not. */
export const forge = (batch: ForgedBatch): Uint8Array => {
  const { records, count = 1, lastOffsetDelta = count - 1, attributes = 0, magic = 2 } = batch
  const writer = new ByteWriter()
  writer
    .int64(0)
    .int32(49 + records.length)
    .int32(0)
    .int8(magic)
    .uint32(0)
  writer.int16(attributes).int32(lastOffsetDelta).int64(1000).int64(1000)
  writer.int64(-1).int16(-1).int32(-1).int32(count).bytes(records)
  return sign(writer.finish())
}

/** One record around a body, with its length before it. */
export const framed = (body: Uint8Array): Uint8Array =>
  new ByteWriter().varint(body.length).bytes(body).finish()

export const limits = { batchBytesMax: 1_048_576, recordsPerBatchMax: 10_000 }

export interface BatchVector {
  readonly name: string
  readonly writer: string
  readonly fields: Readonly<
    Record<
      | 'baseOffset'
      | 'totalBytes'
      | 'leaderEpoch'
      | 'crc'
      | 'attributes'
      | 'lastOffsetDelta'
      | 'baseTimestamp'
      | 'maxTimestamp'
      | 'producerId'
      | 'producerEpoch'
      | 'baseSequence'
      | 'recordCount',
      number
    >
  >
  readonly records: readonly (PlainRecord & { readonly created: number })[]
  readonly hex: string
}

export interface HashVector {
  readonly hex: string
  readonly murmur2: number
  readonly crc32c: number
}

const load = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`./vectors/${name}`, import.meta.url), 'utf8'))

export const batchVectors = (): BatchVector[] => load('record-batches.json') as BatchVector[]
export const hashVectors = (): HashVector[] => load('hashes.json') as HashVector[]
