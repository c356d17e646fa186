/** From a request's bytes to whoever serves it. Nothing before the header is believed. */
import { BrokerError } from '@millrace/codec'
import { ControlAnswer } from './control-answer.ts'
import { unsupportedApiVersions } from './handlers/api-versions.ts'
import { handleFetch } from './handlers/fetch.ts'
import { handleProduce } from './handlers/produce.ts'
import { handleRawToken } from './handlers/sasl.ts'
import type { KafkaSession } from './kafka-session.ts'
import { MessageReader } from './message-reader.ts'
import { controlHandlers } from './request-table.ts'
import type { Api, ApiVersion } from './schema/api.ts'
import { API_VERSIONS_KEY } from './schema/apis/api-versions.ts'
import { fetch, FETCH_KEY } from './schema/apis/fetch.ts'
import { produce, PRODUCE_KEY } from './schema/apis/produce.ts'
import { readHeaderStart, type RequestHeader, skipHeaderRest } from './schema/header.ts'

export const handleFrame = (
  session: KafkaSession,
  bytes: Uint8Array,
  from: number,
  to: number,
  isOwned: boolean,
): void => {
  if (session.isClosed) return
  if (session.authentication.isRaw) {
    handleRawToken(session, bytes.slice(from, to))
    return
  }
  const reader = new MessageReader(bytes, from, to)
  const header = readHeaderStart(reader)
  if (header.key === PRODUCE_KEY) {
    const { version, request } = readRequest(reader, header, produce)
    handleProduce(session.open, session, version, header.correlation, request, isOwned)
  } else if (header.key === FETCH_KEY) {
    const { version, request } = readRequest(reader, header, fetch)
    handleFetch(session.open, session, version, header.correlation, request)
  } else {
    handleControl(session, reader, header)
  }
}

const handleControl = (
  session: KafkaSession,
  reader: MessageReader,
  header: RequestHeader,
): void => {
  const { key, correlation } = header
  const handler = controlHandlers.get(key)
  if (handler === undefined) throw new BrokerError('ERR_UNKNOWN_OPCODE', [key])
  if (handler.isForStrangers !== true && !session.isOpen) {
    throw new BrokerError('ERR_NOT_AUTHENTICATED')
  }
  if (key === API_VERSIONS_KEY && handler.api.version(header.version) === undefined) {
    session.beginControl(unsupportedApiVersions(session, correlation))
    return
  }
  const { version, request } = readRequest(reader, header, handler.api)
  session.beginControl(new ControlAnswer(session, handler, version, correlation, request))
}

const readRequest = <Request, Response>(
  reader: MessageReader,
  { version: number }: RequestHeader,
  api: Api<Request, Response>,
): { readonly version: ApiVersion<Request, Response>; readonly request: Request } => {
  const version = api.version(number)
  if (version === undefined) {
    const served = `${api.name} ${api.first} to ${api.last}`
    throw new BrokerError('ERR_UNSUPPORTED_VERSION', [`${api.name} ${number}`, served])
  }
  skipHeaderRest(reader, version.isFlexible)
  const request = version.request.read(reader)
  if (reader.remaining > 0) reader.fail(`${reader.remaining} bytes follow the request`)
  return { version, request }
}
