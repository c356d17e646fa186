/** One transport for all that a URL may say. */
import type { Transport } from '@millrace/client-core'
import { tcpTransport } from './tcp-transport.ts'
import type { TlsOptions } from './tls-options.ts'
import { tlsTransport } from './tls-transport.ts'
import { webSocketTransport } from './websocket-transport.ts'

export const nodeTransport = (tls: TlsOptions = {}): Transport => {
  const encrypted = tlsTransport(tls)
  const webSocket = webSocketTransport(tls)
  const byScheme = { millrace: tcpTransport, millraces: encrypted, ws: webSocket, wss: webSocket }
  return {
    connect: (address, handlers, signal) =>
      byScheme[address.scheme].connect(address, handlers, signal),
  }
}
