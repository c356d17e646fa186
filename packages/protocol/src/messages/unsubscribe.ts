/**
 * UNSUBSCRIBE: no delivery of this subscription follows the answer UNSUBSCRIBED.
 *
 * ```
 * { subscription: int }      both ways
 * ```
 */
import { requireInteger } from '../fields.ts'
import { UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface Unsubscribe {
  readonly subscription: number
}

export type Unsubscribed = Unsubscribe

export const encodeUnsubscribe = (unsubscribe: Unsubscribe): Uint8Array =>
  encodeControl(unsubscribe)

export const decodeUnsubscribe = (body: Uint8Array): Unsubscribe => ({
  subscription: requireInteger(decodeControl(body), 'subscription', 1, UINT32_MAX),
})
