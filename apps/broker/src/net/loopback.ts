/** Which addresses stay on this machine. */
import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** A host to bind to. Other names than `localhost` are refused: they may resolve to anything. */
export const isLoopbackHost = (host: string): boolean => {
  if (host === 'localhost') return true
  const family = isIP(host)
  if (family === 0) return false
  return loopback.check(host, family === 6 ? 'ipv6' : 'ipv4')
}

/** A peer as a connection names it: `127.0.0.1:50000`, `[::1]:50000`, `[::ffff:127.0.0.1]:50000`. */
export const isLoopbackPeer = (remoteAddress: string): boolean => {
  const port = remoteAddress.lastIndexOf(':')
  const host = remoteAddress.slice(0, port).replace(/^\[|\]$/g, '')
  return isLoopbackHost(host.replace(/^::ffff:/i, ''))
}
