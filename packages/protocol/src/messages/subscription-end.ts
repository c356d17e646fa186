/**
 * SUBSCRIPTION_END: the broker ends a subscription by itself. Correlation is the subscription id; no
 * answer; nothing of the subscription follows.
 *
 * ```
 * { subscription: int, code: int (wire number), message?: str, partition?: int, from?: int,
 *   to?: int }
 * ```
 * `partition` is the one that ended it; `from` to `to` - 1 are the offsets that cannot be read.
 */
import { optionalInteger, optionalString, requireInteger } from '../fields.ts'
import { UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface SubscriptionEnd {
  readonly subscription: number
  readonly code: number
  readonly message: string
  readonly partition?: number | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
}

export const encodeSubscriptionEnd = (end: SubscriptionEnd): Uint8Array => encodeControl(end)

export const decodeSubscriptionEnd = (body: Uint8Array): SubscriptionEnd => {
  const map = decodeControl(body)
  return {
    subscription: requireInteger(map, 'subscription', 1, UINT32_MAX),
    code: requireInteger(map, 'code', 0, UINT32_MAX),
    message: optionalString(map, 'message', ''),
    partition: optionalInteger(map, 'partition', 0, UINT32_MAX, undefined),
    from: optionalInteger(map, 'from', 0, Number.MAX_SAFE_INTEGER, undefined),
    to: optionalInteger(map, 'to', 0, Number.MAX_SAFE_INTEGER, undefined),
  }
}
