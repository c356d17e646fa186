/**
 * ERROR: the answer to a request that failed, or with correlation 0 the reason why the connection is
 * about to close.
 *
 * ```
 * { code: int (wire number), message?: str, retriable?: bool, details?: map }
 * ```
 */
import { optionalBoolean, optionalMap, optionalString, requireInteger } from '../fields.ts'
import { UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface ErrorBody {
  readonly code: number
  readonly message: string
  readonly retriable: boolean
  readonly details?: Readonly<Record<string, unknown>> | undefined
}

export const encodeErrorBody = (error: ErrorBody): Uint8Array => encodeControl(error)

export const decodeErrorBody = (body: Uint8Array): ErrorBody => {
  const map = decodeControl(body)
  return {
    code: requireInteger(map, 'code', 0, UINT32_MAX),
    message: optionalString(map, 'message', ''),
    retriable: optionalBoolean(map, 'retriable', false),
    details: optionalMap(map, 'details'),
  }
}
