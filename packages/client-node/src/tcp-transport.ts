/** `millrace://`: a TCP connection that allocates nothing per chunk it reads. */
import { type Socket, connect as connectSocket } from 'node:net'
import type { BrokerAddress, LinkHandlers, Transport } from '@millrace/client-core'
import { WRITE_BYTES_MAX, openLink } from './socket-link.ts'

/** One buffer per connection, read into again and again: `onData` lends it out. */
const READ_BYTES = 256 * 1024

const openSocket = (address: BrokerAddress, handlers: LinkHandlers): Socket => {
  const buffer = new Uint8Array(READ_BYTES)
  const onRead = (count: number): boolean => {
    handlers.onData(buffer.subarray(0, count))
    return true
  }
  const options = {
    host: address.host,
    port: address.port,
    noDelay: true,
    writableHighWaterMark: WRITE_BYTES_MAX,
    onread: { buffer, callback: onRead },
  }
  return connectSocket(options)
}

export const tcpTransport: Transport = {
  connect: (address, handlers, signal) =>
    openLink(() => openSocket(address, handlers), 'connect', handlers, signal),
}
