/**
 * STORAGE_CHECK: the broker reads what it has stored, all of it or a topic, and says what is damaged.
 *
 * ```
 * STORAGE_CHECK   { topic?: str }
 * STORAGE_CHECKED { logs: int, segments: int, batches: int, bytes: int, durationMs: int,
 *                   damagedRanges: int, ranges: [{ log: str, logId: int, segment: int, kind: str,
 *                                                  from: int, to: int }],
 *                   damagedFiles: int, files: [{ log: str, logId: int, segment: int, file: str }] }
 * ```
 * The lists hold at most 100 each; the counts beside them count all.
 */
import {
  asMap,
  optionalInteger,
  optionalString,
  requireInteger,
  requireList,
  requireString,
} from '../fields.ts'
import { CONTROL_LIST_BYTES_MAX } from '../limits.ts'
import { type ControlMap, decodeControl, encodeControl } from '../msgpack.ts'

export interface StorageCheck {
  /** Left out: everything. */
  readonly topic?: string | undefined
}

export interface DamagedRange {
  readonly log: string
  readonly logId: number
  readonly segment: number
  readonly kind: string
  readonly from: number
  readonly to: number
}

export interface DamagedFile {
  readonly log: string
  readonly logId: number
  readonly segment: number
  readonly file: string
}

export interface StorageChecked {
  readonly logs: number
  readonly segments: number
  readonly batches: number
  readonly bytes: number
  readonly durationMs: number
  readonly damagedRanges: number
  readonly ranges: readonly DamagedRange[]
  readonly damagedFiles: number
  readonly files: readonly DamagedFile[]
}

const count = (map: ControlMap, name: string): number =>
  requireInteger(map, name, 0, Number.MAX_SAFE_INTEGER)

const readPlace = (map: ControlMap): { log: string; logId: number; segment: number } => ({
  log: requireString(map, 'log'),
  logId: count(map, 'logId'),
  segment: count(map, 'segment'),
})

const readRange = (value: unknown, name: string): DamagedRange => {
  const map = asMap(value, name)
  return {
    ...readPlace(map),
    kind: requireString(map, 'kind'),
    from: count(map, 'from'),
    to: count(map, 'to'),
  }
}

const readFile = (value: unknown, name: string): DamagedFile => {
  const map = asMap(value, name)
  return { ...readPlace(map), file: requireString(map, 'file') }
}

export const encodeStorageCheck = (request: StorageCheck): Uint8Array => encodeControl(request)

export const decodeStorageCheck = (body: Uint8Array): StorageCheck => ({
  topic: optionalString(decodeControl(body), 'topic', undefined),
})

export const encodeStorageChecked = (checked: StorageChecked): Uint8Array =>
  encodeControl(checked, CONTROL_LIST_BYTES_MAX)

export const decodeStorageChecked = (body: Uint8Array): StorageChecked => {
  const map = decodeControl(body, CONTROL_LIST_BYTES_MAX)
  return {
    logs: count(map, 'logs'),
    segments: count(map, 'segments'),
    batches: count(map, 'batches'),
    bytes: count(map, 'bytes'),
    durationMs: optionalInteger(map, 'durationMs', 0, Number.MAX_SAFE_INTEGER, 0),
    damagedRanges: count(map, 'damagedRanges'),
    ranges: requireList(map, 'ranges', readRange),
    damagedFiles: count(map, 'damagedFiles'),
    files: requireList(map, 'files', readFile),
  }
}
