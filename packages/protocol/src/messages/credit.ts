/**
 * CREDIT: the client can take this many more bytes of batches. No answer.
 *
 * ```
 * 0              4       8
 * | subscription | bytes |
 *   u32            u32
 * ```
 */
import { readUint32, writeUint32 } from '@millrace/codec'
import { checkHead } from './binary-body.ts'

export const CREDIT_BYTES = 8

export interface Credit {
  subscription: number
  bytes: number
}

export const createCredit = (): Credit => ({ subscription: 0, bytes: 0 })

export const writeCredit = (
  target: Uint8Array,
  at: number,
  subscription: number,
  bytes: number,
): void => {
  writeUint32(target, at, subscription)
  writeUint32(target, at + 4, bytes)
}

/** Fills and returns `out`. */
export const decodeCredit = (body: Uint8Array, out: Credit = createCredit()): Credit => {
  checkHead(body, CREDIT_BYTES, 'CREDIT')
  out.subscription = readUint32(body, 0)
  out.bytes = readUint32(body, 4)
  return out
}

export const encodeCredit = (credit: Readonly<Credit>): Uint8Array => {
  const body = new Uint8Array(CREDIT_BYTES)
  writeCredit(body, 0, credit.subscription, credit.bytes)
  return body
}
