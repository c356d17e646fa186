/** Checks shared by the binary messages. A body may be longer than its head: the rest is ignored. */
import { BrokerError, readInt64, readUint64 } from '@millrace/codec'

export const checkHead = (body: Uint8Array, headBytes: number, name: string): void => {
  if (body.length >= headBytes) return
  const text = `${name} needs ${headBytes} bytes and has ${body.length}`
  throw new BrokerError('ERR_MALFORMED_BODY', [text])
}

/** Offsets end at 2^53 - 1, so that every implementation can hold them; the codec's reader rounds. */
const checkExact = (value: number, name: string): number => {
  if (Number.isSafeInteger(value)) return value
  throw new BrokerError('ERR_MALFORMED_BODY', [`${name} is beyond 2^53 - 1`])
}

export const readOffset = (body: Uint8Array, at: number, name: string): number =>
  checkExact(readUint64(body, at), name)

export const readTimestamp = (body: Uint8Array, at: number, name: string): number =>
  checkExact(readInt64(body, at), name)
