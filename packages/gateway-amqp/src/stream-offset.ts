/** Where in a stream a consumer begins, and how long a stream keeps what it has. */
import { utf8Decode } from '@millrace/codec'
import { type Broker, type Caller, type OffsetQuery } from '@millrace/core'
import type { FieldValue } from './codec/field-table.ts'
import { preconditionFailed } from './errors.ts'

export const STREAM_OFFSET = 'x-stream-offset'

const AGE = /^(\d+)([YMDhms])$/
const SECOND_MS = 1_000
const HOUR_MS = 3_600 * SECOND_MS
const DAY_MS = 24 * HOUR_MS

const unitMs: Readonly<Record<string, number>> = {
  Y: 365 * DAY_MS,
  M: 30 * DAY_MS,
  D: DAY_MS,
  h: HOUR_MS,
  m: 60 * SECOND_MS,
  s: SECOND_MS,
}

/** `7D` is seven days; `undefined` for what is no age. */
export const ageMs = (text: string): number | undefined => {
  const [, count, unit = ''] = AGE.exec(text) ?? []
  const ms = Number(count) * (unitMs[unit] ?? Number.NaN)
  return Number.isSafeInteger(ms) ? ms : undefined
}

export type StreamStart =
  | { readonly kind: 'first' | 'last' | 'next' }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'time'; readonly timeMs: number }

/** The argument `x-stream-offset`; without it what is published from now on. */
export const streamStartOf = (field: FieldValue | undefined, nowMs: number): StreamStart => {
  if (field === undefined) return { kind: 'next' }
  const start = parse(field, nowMs)
  if (start === undefined) throw preconditionFailed(`invalid arg '${STREAM_OFFSET}'`)
  return start
}

const parse = (field: FieldValue, nowMs: number): StreamStart | undefined => {
  switch (field.type) {
    case 'S':
      return parseText(utf8Decode(field.value), nowMs)
    case 'T':
      return { kind: 'time', timeMs: Number(field.value) * SECOND_MS }
    case 'b':
    case 'B':
    case 's':
    case 'u':
    case 'I':
    case 'i':
    case 'l':
    case 'L': {
      const offset = Number(field.value)
      return Number.isSafeInteger(offset) && offset >= 0 ? { kind: 'offset', offset } : undefined
    }
    default:
      return undefined
  }
}

const parseText = (text: string, nowMs: number): StreamStart | undefined => {
  if (text === 'first' || text === 'last' || text === 'next') return { kind: text }
  const age = ageMs(text)
  return age === undefined ? undefined : { kind: 'time', timeMs: Math.max(0, nowMs - age) }
}

/** The offset itself, within what is there: a stream that lost its beginning begins where it can. */
export const findStart = async (
  broker: Broker,
  caller: Caller,
  topic: string,
  start: StreamStart,
): Promise<number> => {
  const earliest = await offsetAt(broker, caller, topic, 'earliest')
  if (start.kind === 'first') return earliest
  if (start.kind === 'offset') return Math.max(earliest, start.offset)
  if (start.kind === 'time') return offsetAt(broker, caller, topic, { timestamp: start.timeMs })
  const latest = await offsetAt(broker, caller, topic, 'latest')
  return start.kind === 'next' ? latest : Math.max(earliest, latest - 1)
}

const offsetAt = async (
  broker: Broker,
  caller: Caller,
  topic: string,
  at: OffsetQuery,
): Promise<number> => {
  const [answer] = await broker.listOffsets(caller, { topic, partitions: [0], at })
  if (answer === undefined) return 0
  return answer.offset < 0 ? answer.highWatermark : answer.offset
}
