/**
 * CONNECTED: what was agreed.
 *
 * ```
 * { version: int, broker?: { name?: str, version?: str }, node?: int, authenticated: bool,
 *   challenge?: bin, expiresInMs?: int, mechanisms?: [str], features?: [str], codecs?: [str], heartbeatMs: int,
 *   frameBytesMax: int, bodyBytesMax: int, batchBytesMax: int, inFlightCountMax: int,
 *   autoCreateTopics?: bool }
 * ```
 */
import {
  asString,
  optionalBoolean,
  optionalBytes,
  optionalInteger,
  optionalList,
  optionalMap,
  requireBoolean,
  requireInteger,
} from '../fields.ts'
import { FRAME_BYTES_MAX, HANDSHAKE_FRAME_BYTES_MAX, UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'
import { type ProgramInfo, readProgramInfo } from './connect.ts'

export interface Connected {
  readonly version: number
  readonly broker: ProgramInfo
  readonly node: number
  readonly authenticated: boolean
  readonly challenge?: Uint8Array | undefined
  /** How long the credentials are good for; left out: for as long as the connection lasts. */
  readonly expiresInMs?: number | undefined
  readonly mechanisms: readonly string[]
  readonly features: readonly string[]
  readonly codecs: readonly string[]
  /** Each side sends something at least this often; 0: no heartbeat. */
  readonly heartbeatMs: number
  readonly frameBytesMax: number
  readonly bodyBytesMax: number
  readonly batchBytesMax: number
  /** Requests a client may have unanswered. */
  readonly inFlightCountMax: number
  readonly autoCreateTopics: boolean
}

export const encodeConnected = (connected: Connected): Uint8Array => encodeControl(connected)

export const decodeConnected = (body: Uint8Array): Connected => {
  const map = decodeControl(body)
  return {
    version: requireInteger(map, 'version', 1, UINT32_MAX),
    broker: readProgramInfo(optionalMap(map, 'broker')),
    node: optionalInteger(map, 'node', 0, UINT32_MAX, 0),
    authenticated: requireBoolean(map, 'authenticated'),
    challenge: optionalBytes(map, 'challenge'),
    expiresInMs: optionalInteger(map, 'expiresInMs', 0, Number.MAX_SAFE_INTEGER, undefined),
    mechanisms: optionalList(map, 'mechanisms', asString, []),
    features: optionalList(map, 'features', asString, []),
    codecs: optionalList(map, 'codecs', asString, ['none']),
    heartbeatMs: requireInteger(map, 'heartbeatMs', 0, UINT32_MAX),
    frameBytesMax: requireInteger(map, 'frameBytesMax', HANDSHAKE_FRAME_BYTES_MAX, FRAME_BYTES_MAX),
    bodyBytesMax: requireInteger(map, 'bodyBytesMax', HANDSHAKE_FRAME_BYTES_MAX, UINT32_MAX),
    batchBytesMax: requireInteger(map, 'batchBytesMax', 1, UINT32_MAX),
    inFlightCountMax: requireInteger(map, 'inFlightCountMax', 1, UINT32_MAX),
    autoCreateTopics: optionalBoolean(map, 'autoCreateTopics', false),
  }
}
