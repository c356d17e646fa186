/**
 * Lengths and counts in front of strings, bytes and arrays. -1 stands for null.
 *
 * ```
 *               classic              compact (flexible versions)
 *   string      int16 n              uvarint n + 1
 *   bytes       int32 n              uvarint n + 1
 *   array       int32 count          uvarint count + 1
 * ```
 * A length is compared with the bytes that are left before anything is taken or allocated for it.
 */
import type { MessageReader } from '../message-reader.ts'
import type { MessageWriter } from '../message-writer.ts'
import { STRING_BYTES_MAX } from '../limits.ts'
import type { Layout } from './layout.ts'

const NULL = -1

export interface LengthCodec {
  readonly bytes: number
  read(reader: MessageReader): number
  write(writer: MessageWriter, length: number): void
}

const compact: LengthCodec = {
  bytes: 1,
  read: (reader) => reader.uvarint() - 1,
  write: (writer, length) => void writer.uvarint(length + 1),
}

const classic16: LengthCodec = {
  bytes: 2,
  read: (reader) => reader.int16(),
  write: (writer, length) => void writer.int16(length),
}

const classic32: LengthCodec = {
  bytes: 4,
  read: (reader) => reader.int32(),
  write: (writer, length) => void writer.int32(length),
}

export const stringLength = ({ isFlexible }: Layout): LengthCodec =>
  isFlexible ? compact : classic16

export const bytesLength = ({ isFlexible }: Layout): LengthCodec =>
  isFlexible ? compact : classic32

/** A checked length, or -1 for null where that is allowed. */
export const checkLength = (
  reader: MessageReader,
  length: number,
  isNullable: boolean,
  what: string,
): number => {
  if (length === NULL && isNullable) return NULL
  if (length < 0) reader.fail(`a ${what} has the length ${length}`)
  if (length > reader.remaining) {
    reader.fail(`a ${what} of ${length} bytes is longer than the ${reader.remaining} that are left`)
  }
  return length
}

export const checkStringLength = (
  reader: MessageReader,
  length: number,
  isNullable: boolean,
): number => {
  if (length > STRING_BYTES_MAX) reader.fail(`a string of ${length} bytes is too long`)
  return checkLength(reader, length, isNullable, 'string')
}

/** A checked count: as many of the smallest elements must fit what is left. */
export const checkCount = (
  reader: MessageReader,
  count: number,
  isNullable: boolean,
  bytesMin: number,
): number => {
  if (count === NULL && isNullable) return NULL
  if (count < 0) reader.fail(`an array has the length ${count}`)
  if (count * bytesMin > reader.remaining) {
    reader.fail(`${reader.remaining} bytes cannot hold an array of ${count}`)
  }
  reader.takeElements(count)
  return count
}
