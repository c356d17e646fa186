/**
 * PING and PONG: the body is opaque, at most 64 bytes, and comes back as it went. Either side may
 * ask; any frame counts as a sign of life, so a busy connection needs none.
 */
import { BrokerError } from '@millrace/codec'
import { PING_BODY_BYTES_MAX } from '../limits.ts'

export interface Ping {
  readonly echo: Uint8Array
}

const checkEcho = (echo: Uint8Array): Uint8Array => {
  if (echo.length <= PING_BODY_BYTES_MAX) return echo
  const text = `a ping carries at most ${PING_BODY_BYTES_MAX} bytes, not ${echo.length}`
  throw new BrokerError('ERR_MALFORMED_BODY', [text])
}

export const encodePing = (ping: Ping): Uint8Array => checkEcho(ping.echo)

/** `echo` is a view of the body. */
export const decodePing = (body: Uint8Array): Ping => ({ echo: checkEcho(body) })
