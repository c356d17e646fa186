/** Requests and responses by our own tables, for tests of behaviour; bytes are judged elsewhere. */
import { ByteReader } from '@millrace/codec'
import { MessageReader } from '../../src/message-reader.ts'
import { MessageWriter } from '../../src/message-writer.ts'
import type { Api, ApiVersion } from '../../src/schema/api.ts'
import { API_VERSIONS_KEY } from '../../src/schema/apis/api-versions.ts'

export const versionOf = <Q, A>(api: Api<Q, A>, version: number): ApiVersion<Q, A> => {
  const found = api.version(version)
  if (found === undefined) throw new Error(`${api.name} ${version} is not described`)
  return found
}

/** A whole request with its size in front. */
export const encodeRequest = <Q, A>(
  api: Api<Q, A>,
  version: number,
  correlation: number,
  request: Q,
): Buffer => {
  const { isFlexible, request: codec } = versionOf(api, version)
  const writer = new MessageWriter()
  const at = writer.reserve(4)
  writer.int16(api.key).int16(version).uint32(correlation).int16(4).utf8('test')
  if (isFlexible) writer.uvarint(0)
  codec.write(writer, request)
  writer.patchUint32(at, writer.position - 4)
  return Buffer.from(writer.finish())
}

/** A response without its size. */
export const decodeResponse = <Q, A>(
  api: Api<Q, A>,
  version: number,
  frame: Uint8Array,
): { readonly correlation: number; readonly response: A } => {
  const { isFlexible, response: codec } = versionOf(api, version)
  const reader = new MessageReader(frame)
  const correlation = reader.int32()
  if (isFlexible && api.key !== API_VERSIONS_KEY) reader.uvarint()
  const response = codec.read(reader)
  if (reader.remaining > 0) throw new Error(`${reader.remaining} bytes follow the response`)
  return { correlation, response }
}

export const encodeBody = <Q, A>(api: Api<Q, A>, version: number, response: A): Buffer => {
  const writer = new MessageWriter()
  versionOf(api, version).response.write(writer, response)
  return Buffer.from(writer.finish())
}

/** The size of a frame, or `undefined` when there are not four bytes of it. */
export const sizeOf = (bytes: Uint8Array): number | undefined =>
  bytes.length < 4 ? undefined : new ByteReader(bytes).int32()
