/**
 * CONNECT: the first frame of every connection. The answer is CONNECTED or ERROR.
 *
 * ```
 * { magic: "millrace", versions: [int], namespace?: str, mechanism?: str, initial?: bin,
 *   client?: { name?: str, version?: str }, features?: [str], codecs?: [str],
 *   heartbeatMs?: int, frameBytesMax?: int }
 * ```
 */
import {
  asInteger,
  asString,
  malformedField,
  optionalBytes,
  optionalInteger,
  optionalList,
  optionalMap,
  optionalString,
  requireList,
  requireString,
} from '../fields.ts'
import {
  FRAME_BYTES_DEFAULT,
  HANDSHAKE_FRAME_BYTES_MAX,
  HEARTBEAT_MS_DEFAULT,
  UINT32_MAX,
} from '../limits.ts'
import { type ControlMap, decodeControl, encodeControl } from '../msgpack.ts'
import { PROTOCOL_MAGIC } from '../version.ts'

/** The name and version of a program, for logs; nothing may depend on it. */
export interface ProgramInfo {
  readonly name: string
  readonly version: string
}

export interface Connect {
  readonly versions: readonly number[]
  readonly namespace: string
  readonly mechanism: string
  readonly initial?: Uint8Array | undefined
  readonly client: ProgramInfo
  readonly features: readonly string[]
  readonly codecs: readonly string[]
  /** 0: no heartbeat wanted. */
  readonly heartbeatMs: number
  readonly frameBytesMax: number
}

export const readProgramInfo = (map: ControlMap | undefined): ProgramInfo => ({
  name: map === undefined ? '' : optionalString(map, 'name', ''),
  version: map === undefined ? '' : optionalString(map, 'version', ''),
})

const asVersion = (value: unknown, name: string): number => asInteger(value, name, 1, UINT32_MAX)

export const encodeConnect = (connect: Connect): Uint8Array =>
  encodeControl({ magic: PROTOCOL_MAGIC, ...connect })

export const decodeConnect = (body: Uint8Array): Connect => {
  const map = decodeControl(body)
  if (requireString(map, 'magic') !== PROTOCOL_MAGIC) {
    throw malformedField('magic', `'${PROTOCOL_MAGIC}'`)
  }
  return {
    versions: requireList(map, 'versions', asVersion),
    namespace: optionalString(map, 'namespace', '/'),
    mechanism: optionalString(map, 'mechanism', 'ANONYMOUS'),
    initial: optionalBytes(map, 'initial'),
    client: readProgramInfo(optionalMap(map, 'client')),
    features: optionalList(map, 'features', asString, []),
    codecs: optionalList(map, 'codecs', asString, ['none']),
    heartbeatMs: optionalInteger(map, 'heartbeatMs', 0, UINT32_MAX, HEARTBEAT_MS_DEFAULT),
    frameBytesMax: optionalInteger(
      map,
      'frameBytesMax',
      HANDSHAKE_FRAME_BYTES_MAX,
      UINT32_MAX,
      FRAME_BYTES_DEFAULT,
    ),
  }
}
