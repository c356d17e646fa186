/**
 * The one look that a produced batch gets before it is stored as it is.
 *
 * Who sends a batch may lie in every field; after this check a reader can trust the lengths, the
 * count and the deltas. Cheap tests come first, the checksum before the walk: a batch damaged on the
 * way is reported as damaged (and may be sent again), not as invalid.
 *
 * A compressed batch is opaque here. Its count is what it claims, so the claim is bounded.
 */
import { crc32c } from '../crc32c.ts'
import { BrokerError } from '../errors.ts'
import * as header from './batch-header.ts'
import * as layout from './layout.ts'
import { RecordScanner } from './record-scanner.ts'

export interface BatchLimits {
  readonly batchBytesMax: number
  readonly recordsPerBatchMax: number
  /** The codec ids that are accepted, by default uncompressed only: `[0]`. */
  readonly codecs?: readonly number[]
}

const uncompressedOnly: readonly number[] = [layout.compressionCodecs.none]

const invalid = (reason: string): BrokerError => new BrokerError('ERR_INVALID_BATCH', [reason])

const checkFrame = (bytes: Uint8Array, batchBytesMax: number): void => {
  if (bytes.length > batchBytesMax) {
    throw new BrokerError('ERR_BATCH_TOO_LARGE', [bytes.length, batchBytesMax])
  }
  if (bytes.length < layout.BATCH_HEADER_BYTES) throw invalid('it is shorter than its header')
  if (header.batchMagic(bytes) !== layout.BATCH_MAGIC) {
    throw invalid(`its magic is ${header.batchMagic(bytes)}, not ${layout.BATCH_MAGIC}`)
  }
  const totalBytes = header.batchTotalBytes(bytes)
  if (totalBytes !== bytes.length) {
    throw invalid(`it declares ${totalBytes} bytes and has ${bytes.length}`)
  }
  if (crc32c(bytes.subarray(layout.BATCH_ATTRIBUTES_AT)) !== header.batchCrc(bytes)) {
    throw new BrokerError('ERR_BATCH_CHECKSUM')
  }
}

/** Every reader makes numbers of these: beyond 2^53 they would no longer be exact. */
const checkIntegers = (bytes: Uint8Array): void => {
  if (!Number.isSafeInteger(header.batchProducerId(bytes)))
    throw invalid('its producer id is out of range')
  const isSafe =
    Number.isSafeInteger(header.batchBaseTimestamp(bytes)) &&
    Number.isSafeInteger(header.batchMaxTimestamp(bytes))
  if (!isSafe) throw invalid('a timestamp is out of range')
}

const checkCount = (bytes: Uint8Array, recordsMax: number): void => {
  const count = header.batchRecordCount(bytes)
  if (count < 1) throw invalid(`it claims ${count} records`)
  if (count > recordsMax) throw invalid(`${count} records exceed the limit of ${recordsMax}`)
  const lastOffsetDelta = header.batchLastOffsetDelta(bytes)
  if (lastOffsetDelta !== count - 1) {
    throw invalid(`last offset delta ${lastOffsetDelta} does not belong to ${count} records`)
  }
}

const checkRecords = (bytes: Uint8Array): void => {
  const count = header.batchRecordCount(bytes)
  const baseTimestamp = header.batchBaseTimestamp(bytes)
  const recordsBytes = bytes.length - layout.BATCH_HEADER_BYTES
  if (count * layout.RECORD_BYTES_MIN > recordsBytes) {
    throw invalid(`${recordsBytes} bytes cannot hold ${count} records`)
  }
  const scanner = new RecordScanner(bytes, layout.BATCH_HEADER_BYTES, bytes.length)
  for (let index = 0; index < count; index++) {
    scanner.next()
    if (scanner.offsetDelta !== index) {
      throw invalid(`record ${index} has offset delta ${scanner.offsetDelta}`)
    }
    if (!Number.isSafeInteger(baseTimestamp + scanner.timestampDelta)) {
      throw invalid(`the timestamp of record ${index} is out of range`)
    }
    scanner.checkHeaders()
  }
  if (!scanner.isAtEnd) throw invalid('bytes follow the last record')
}

/** Returns when `bytes` is exactly one whole, well-formed batch, throws a `BrokerError` otherwise. */
export const validateBatch = (bytes: Uint8Array, limits: BatchLimits): void => {
  checkFrame(bytes, limits.batchBytesMax)
  const codec = header.compressionOf(header.batchAttributes(bytes))
  const codecs = limits.codecs ?? uncompressedOnly
  if (!codecs.includes(codec)) throw new BrokerError('ERR_UNSUPPORTED_CODEC', [codec])
  checkIntegers(bytes)
  if (codec === layout.compressionCodecs.none) {
    checkCount(bytes, limits.recordsPerBatchMax)
    checkRecords(bytes)
  } else {
    checkCount(bytes, Math.min(limits.recordsPerBatchMax, layout.COMPRESSED_RECORDS_MAX))
  }
}
