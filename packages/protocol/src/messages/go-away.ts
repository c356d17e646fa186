/**
 * GO_AWAY: the broker will close this connection soon. Correlation 0, no answer. The client sends no
 * new request, waits for its answers, and connects again.
 *
 * ```
 * { code: int (wire number), reason?: str, reconnectAfterMs?: int }
 * ```
 */
import { optionalInteger, optionalString, requireInteger } from '../fields.ts'
import { UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface GoAway {
  /** Wire number of an error: 0x0008 for a shutdown. */
  readonly code: number
  readonly reason: string
  readonly reconnectAfterMs: number
}

export const encodeGoAway = (goAway: GoAway): Uint8Array => encodeControl(goAway)

export const decodeGoAway = (body: Uint8Array): GoAway => {
  const map = decodeControl(body)
  return {
    code: requireInteger(map, 'code', 0, UINT32_MAX),
    reason: optionalString(map, 'reason', ''),
    reconnectAfterMs: optionalInteger(map, 'reconnectAfterMs', 0, UINT32_MAX, 0),
  }
}
