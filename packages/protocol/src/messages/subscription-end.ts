/**
 * SUBSCRIPTION_END: the broker ends a subscription by itself. Correlation is the subscription id; no
 * answer; nothing of the subscription follows.
 *
 * ```
 * { subscription: int, code: int (wire number), message?: str }
 * ```
 */
import { optionalString, requireInteger } from '../fields.ts'
import { UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface SubscriptionEnd {
  readonly subscription: number
  readonly code: number
  readonly message: string
}

export const encodeSubscriptionEnd = (end: SubscriptionEnd): Uint8Array => encodeControl(end)

export const decodeSubscriptionEnd = (body: Uint8Array): SubscriptionEnd => {
  const map = decodeControl(body)
  return {
    subscription: requireInteger(map, 'subscription', 1, UINT32_MAX),
    code: requireInteger(map, 'code', 0, UINT32_MAX),
    message: optionalString(map, 'message', ''),
  }
}
