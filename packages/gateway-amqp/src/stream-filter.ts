/**
 * What of a stream a consumer wants: messages tagged by the header `x-stream-filter-value`, which
 * RabbitMQ filters by the chunk and leaves to be filtered again by the client. Here each message is
 * looked at where it lies in its batch, so that nothing else is sent.
 *
 * A record has the header as its own, whichever protocol it came by: its value is compared as text.
 */
import { isUtf8, type RecordCursor, utf8Decode, utf8Encode } from '@millrace/codec'
import { type FieldTable, type FieldValue, findField } from './codec/field-table.ts'
import { fieldTypeName } from './field-type-name.ts'
import { type AmqpFault, preconditionFailed } from './errors.ts'

export const STREAM_FILTER = 'x-stream-filter'
export const STREAM_MATCH_UNFILTERED = 'x-stream-match-unfiltered'
const FILTER_VALUE = utf8Encode('x-stream-filter-value')

export class StreamFilter {
  readonly #values: ReadonlySet<string>
  readonly #takesUntagged: boolean

  constructor(values: Iterable<string>, takesUntagged: boolean) {
    this.#values = new Set(values)
    this.#takesUntagged = takesUntagged
  }

  /** Whether the record at the cursor is wanted. */
  passes(record: RecordCursor): boolean {
    const value = record.header(FILTER_VALUE)
    if (value === undefined || value === null) return this.#takesUntagged
    return this.#values.has(utf8Decode(value))
  }
}

/** `undefined` without a filter. Throws PRECONDITION_FAILED for what is none. */
export const streamFilterOf = (args: FieldTable): StreamFilter | undefined => {
  const field = findField(args, STREAM_FILTER)
  const unfiltered = findField(args, STREAM_MATCH_UNFILTERED)
  if (unfiltered !== undefined && unfiltered.type !== 't') {
    throw unacceptable(STREAM_MATCH_UNFILTERED, unfiltered)
  }
  if (field === undefined) return undefined
  const fields = field.type === 'A' ? field.value : [field]
  return new StreamFilter(fields.map(filterText), unfiltered?.value ?? false)
}

const filterText = (field: FieldValue): string => {
  if (field.type === 'S' && isUtf8(field.value)) return utf8Decode(field.value)
  throw unacceptable(STREAM_FILTER, field)
}

const unacceptable = (name: string, field: FieldValue): AmqpFault =>
  preconditionFailed(`invalid arg '${name}': {unacceptable_type,${fieldTypeName(field.type)}}`)
