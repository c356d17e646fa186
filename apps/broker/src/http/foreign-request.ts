/** What the HTTP parser stumbled over, in words that help whoever pointed a client here. */
import { type HttpAnswer, jsonAnswer } from './http-answer.ts'

export interface ForeignRequest {
  readonly answer: HttpAnswer
  /** Set when the bytes are not HTTP at all, for the log. */
  readonly foreign: string | undefined
}

const statusByCode: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'the headers are too long'],
}

const TLS_HANDSHAKE = 0x16
/** A native frame begins with its length, and the first one is short. */
const NATIVE_FIRST = 0x00

const describe = (packet: Uint8Array | undefined): string | undefined => {
  if (packet?.[0] === TLS_HANDSHAKE) {
    return (
      'these bytes are TLS and not HTTP, which this port speaks plainly: ' +
      'https is on http.tlsPort, 7423 unless it was moved'
    )
  }
  if (packet?.[0] === NATIVE_FIRST) {
    return (
      'this is the HTTP port and these bytes are not HTTP: ' +
      'native clients connect to the native port, 7420 unless it was moved'
    )
  }
  return undefined
}

export const describeForeignRequest = (error: Error): ForeignRequest => {
  const { code, rawPacket, message } = error as {
    code?: string
    rawPacket?: Uint8Array
    message: string
  }
  const known = statusByCode[code ?? '']
  if (known !== undefined) {
    return { answer: jsonAnswer(known[0], { error: known[1] }), foreign: undefined }
  }
  const foreign = describe(rawPacket)
  const text = foreign ?? `these bytes are not HTTP as it should be: ${message}`
  return { answer: jsonAnswer(400, { error: text }), foreign }
}
