/** CONNECT, and AUTHENTICATE for as long as the broker asks. Ends with an established connection. */
import { BrokerError, compressionCodecs } from '@millrace/codec'
import {
  BODY_BYTES_MAX,
  type Connected,
  HEARTBEAT_MS_MIN,
  Opcode,
  PROTOCOL_VERSIONS,
  decodeAuthenticated,
  decodeConnected,
  encodeAuthenticate,
  encodeConnect,
} from '@millrace/protocol'
import { invalidArgument } from '../errors.ts'
import type { ResolvedOptions } from '../options.ts'
import { call } from './call.ts'
import type { Connection } from './connection.ts'

/** The package's own version; a test compares it with package.json. */
export const CLIENT_VERSION = '0.1.0'

const AUTHENTICATION_STEPS_MAX = 16

const connectBody = (options: ResolvedOptions, codecs: readonly string[]): Uint8Array =>
  encodeConnect({
    versions: PROTOCOL_VERSIONS,
    namespace: options.namespace,
    mechanism: options.authenticator?.mechanism ?? 'ANONYMOUS',
    initial: options.authenticator?.initial,
    client: { name: options.clientName, version: CLIENT_VERSION },
    features: [],
    codecs,
    heartbeatMs: options.heartbeatMs,
    frameBytesMax: options.frameBytesMax,
  })

/** Runs while CONNECTED is being read: the next frame of the same chunk may be a large one. */
const accept = (connection: Connection, body: Uint8Array): Connected => {
  const connected = decodeConnected(body)
  if (!PROTOCOL_VERSIONS.includes(connected.version)) {
    const spoken = PROTOCOL_VERSIONS.join(', ')
    throw new BrokerError('ERR_MALFORMED_BODY', [
      `the broker chose version ${connected.version} of ${spoken}`,
    ])
  }
  const { heartbeatMs, frameBytesMax, inFlightCountMax } = connected
  connection.setLimits({
    // A broker that asks for a heartbeat every millisecond is not obeyed.
    heartbeatMs: heartbeatMs === 0 ? 0 : Math.max(heartbeatMs, HEARTBEAT_MS_MIN),
    frameBytesMax,
    bodyBytesMax: Math.min(connected.bodyBytesMax, BODY_BYTES_MAX),
    inFlightCountMax,
  })
  return connected
}

const authenticate = async (
  connection: Connection,
  options: ResolvedOptions,
  first: Uint8Array | undefined,
): Promise<void> => {
  const { authenticator } = options
  if (authenticator === undefined) throw new BrokerError('ERR_NOT_AUTHENTICATED')
  let challenge = first
  for (let step = 0; step < AUTHENTICATION_STEPS_MAX; step++) {
    const response = authenticator.respond(challenge ?? new Uint8Array(0))
    const body = encodeAuthenticate({ response })
    const timeoutMs = options.connectTimeoutMs
    const answer = await call(connection, Opcode.AUTHENTICATE, body, decodeAuthenticated, {
      timeoutMs,
    })
    if (answer.authenticated) return
    challenge = answer.challenge
  }
  throw new BrokerError('ERR_AUTHENTICATION_FAILED')
}

/** Rejects with the broker's own error, or with why the connection ended. */
export const handshake = async (
  connection: Connection,
  options: ResolvedOptions,
  canInflate: boolean,
): Promise<Connected> => {
  const body = connectBody(options, canInflate ? Object.keys(compressionCodecs) : ['none'])
  if (options.namespace === '') throw invalidArgument('namespace', 'it is empty')
  const timeoutMs = options.connectTimeoutMs
  const decode = (answer: Uint8Array): Connected => accept(connection, answer)
  const connected = await call(connection, Opcode.CONNECT, body, decode, { timeoutMs })
  if (!connected.authenticated) await authenticate(connection, options, connected.challenge)
  connection.establish()
  return connected
}
