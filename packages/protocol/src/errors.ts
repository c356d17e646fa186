/**
 * Between `BrokerError` and the ERROR frame. The numbers are the codec's; a number this version does
 * not know still reaches the reader, in the text.
 */
import { BrokerError, errorCodeOfWire, errorTable } from '@millrace/codec'
import { encodeFrame } from './frame-writer.ts'
import { ERROR_MESSAGE_CHARACTERS_MAX } from './limits.ts'
import { decodeErrorBody, encodeErrorBody, type ErrorBody } from './messages/error.ts'
import { Opcode } from './opcode.ts'

/** The number that stands for a code on the wire. */
export const wireOfError = (error: BrokerError): number => errorTable[error.code].wire

/** At the limit, but never through a surrogate pair: half of one is not UTF-8. */
const cutText = (text: string): string => {
  const cut = text.slice(0, ERROR_MESSAGE_CHARACTERS_MAX)
  return /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut
}

export const errorBodyOf = (error: BrokerError): ErrorBody => ({
  code: wireOfError(error),
  message: cutText(error.message),
  retriable: error.retriable,
})

/** A whole ERROR frame, small enough for the handshake. Correlation 0: about the connection. */
export const encodeError = (error: BrokerError, correlation: number, channel = 0): Uint8Array =>
  encodeFrame(Opcode.ERROR, channel, correlation, encodeErrorBody(errorBodyOf(error)))

/** The error a wire number and a text stand for, also from GO_AWAY and SUBSCRIPTION_END. */
export const receivedError = (wire: number, message: string): BrokerError => {
  const code = errorCodeOfWire(wire)
  if (code !== undefined)
    return BrokerError.received(code, message || new BrokerError(code).message)
  const number = `0x${wire.toString(16).padStart(4, '0')}`
  return BrokerError.received('ERR_INTERNAL', `${message || 'no text'} (unknown error ${number})`)
}

/** The error inside an ERROR body. */
export const decodeError = (body: Uint8Array): BrokerError => {
  const { code, message } = decodeErrorBody(body)
  return receivedError(code, message)
}
