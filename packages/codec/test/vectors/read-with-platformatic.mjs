/**
 * A batch as hex on each line of stdin, what `@platformatic/kafka` reads in it as one JSON line each.
 * A process of its own, because that library is ESM only and Jest cannot load it.
 */
import { readFileSync } from 'node:fs'
import { readRecordsBatch, Reader } from '@platformatic/kafka'

const hex = (bytes) => (bytes === null || bytes === undefined ? null : bytes.toString('hex'))

for (const line of readFileSync(0, 'utf8').trim().split('\n')) {
  const batch = readRecordsBatch(Reader.from(Buffer.from(line, 'hex')))
  const records = batch.records.map((record) => ({
    offset: Number(batch.firstOffset) + record.offsetDelta,
    timestamp: Number(batch.firstTimestamp + record.timestampDelta),
    key: hex(record.key),
    value: hex(record.value),
    headers: record.headers.map(([key, value]) => [key.toString(), hex(value)]),
  }))
  console.log(JSON.stringify(records))
}
