/** `millraces://`: TLS from the first byte on. */
import { type TLSSocket, connect as connectTls } from 'node:tls'
import type { BrokerAddress, LinkHandlers, Transport } from '@millrace/client-core'
import { openLink } from './socket-link.ts'
import { type TlsOptions, tlsConnectionOptions } from './tls-options.ts'

const openSocket = (address: BrokerAddress, tls: TlsOptions, handlers: LinkHandlers): TLSSocket => {
  const { host, port } = address
  const options = { host, port, ...tlsConnectionOptions(address, tls) }
  const socket = connectTls(options)
  socket.setNoDelay(true)
  // Not before it is open: nothing of a broker that is not trusted is read.
  socket.once('secureConnect', () => {
    socket.on('data', (chunk: Buffer) => handlers.onData(chunk))
  })
  return socket
}

export const tlsTransport = (tls: TlsOptions = {}): Transport => ({
  connect: (address, handlers, signal) =>
    openLink(() => openSocket(address, tls, handlers), 'secureConnect', handlers, signal),
})
