/**
 * Names the likely mistake when the first four bytes of a connection belong to another protocol.
 * Not a detector to route by: each of these reads as a length far beyond any limit, so the connection
 * fails either way and only the text differs.
 */
const HTTP_STARTS: readonly string[] = [
  'GET ',
  'POST',
  'PUT ',
  'HEAD',
  'DELE',
  'OPTI',
  'PATC',
  'TRAC',
  'CONN',
  'PRI ',
  'HTTP',
]

const TLS_ALERT = 0x15
const TLS_HANDSHAKE = 0x16
const TLS_MAJOR = 0x03

export type ForeignProtocol = 'tls' | 'http' | 'amqp'

/** The end of an error's text. */
export const foreignTexts: Readonly<Record<ForeignProtocol, string>> = {
  tls: 'the peer speaks TLS here, and this connection is plain: check the port and the TLS setting',
  http: 'the peer speaks HTTP, not the Millrace protocol: check the port',
  amqp: 'the peer speaks AMQP, not the Millrace protocol: check the port',
}

export const foreignProtocolOf = (bytes: Uint8Array, at: number): ForeignProtocol | undefined => {
  const first = bytes[at]
  if ((first === TLS_HANDSHAKE || first === TLS_ALERT) && bytes[at + 1] === TLS_MAJOR) return 'tls'
  const text = String.fromCharCode(...bytes.subarray(at, at + 4))
  if (HTTP_STARTS.includes(text)) return 'http'
  return text === 'AMQP' ? 'amqp' : undefined
}
