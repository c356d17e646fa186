/**
 * The headers before request and response bodies.
 *
 * ```
 *    0        2        4            8           10
 *   +--------+--------+------------+-----------+-----------+------+
 *   | api    | version| correlation| client id | client id | tags |   tags: flexible versions only
 *   | key    |        |            | length    |           |      |
 *   +--------+--------+------------+-----------+-----------+------+
 *   +------------+------+
 *   | correlation| tags |   a response; ApiVersions has no tags in any version
 *   +------------+------+
 * ```
 */
import type { MessageReader } from '../message-reader.ts'
import type { MessageWriter } from '../message-writer.ts'
import { API_VERSIONS_KEY } from './apis/api-versions.ts'
import type { ApiVersion } from './api.ts'
import { checkLength } from './lengths.ts'
import { skipTags } from './struct.ts'

export interface RequestHeader {
  readonly key: number
  readonly version: number
  readonly correlation: number
}

/** What every request begins with, whatever its version: 8 bytes. */
export const readHeaderStart = (reader: MessageReader): RequestHeader => ({
  key: reader.int16(),
  version: reader.int16(),
  correlation: reader.int32(),
})

/** The client's name is of no use here: a peer may call itself anything. */
export const skipHeaderRest = (reader: MessageReader, isFlexible: boolean): void => {
  const length = checkLength(reader, reader.int16(), true, 'client id')
  if (length > 0) reader.skip(length)
  if (isFlexible) skipTags(reader)
}

export const writeResponseHeader = (
  writer: MessageWriter,
  key: number,
  correlation: number,
  isFlexible: boolean,
): void => {
  writer.uint32(correlation)
  if (isFlexible && key !== API_VERSIONS_KEY) writer.uvarint(0)
}

/** A whole response, with its size in front. */
export const writeResponse = <Response>(
  writer: MessageWriter,
  key: number,
  { isFlexible, response }: Pick<ApiVersion<unknown, Response>, 'isFlexible' | 'response'>,
  correlation: number,
  message: Response,
): void => {
  const frame = writer.beginFrame()
  writeResponseHeader(writer, key, correlation, isFlexible)
  response.write(writer, message)
  writer.endFrame(frame)
}
