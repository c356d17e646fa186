/** CONNECT, and AUTHENTICATE for as long as the broker asks. Ends with an established connection. */
import { BrokerError, compressionCodecs } from '@millrace/codec'
import {
  BODY_BYTES_MAX,
  type Connected,
  HEARTBEAT_MS_MIN,
  Opcode,
  PROTOCOL_VERSIONS,
  decodeConnected,
  encodeConnect,
} from '@millrace/protocol'
import { invalidArgument } from '../errors.ts'
import type { Authenticator } from '../auth/exchange.ts'
import type { ResolvedOptions } from '../options.ts'
import type { Platform } from '../platform.ts'
import type { BrokerAddress } from '../transport.ts'
import { answerChallenges } from './authenticate.ts'
import { call } from './call.ts'
import type { Connection } from './connection.ts'

/** The package's own version; a test compares it with package.json. */
export const CLIENT_VERSION = '0.1.0'

const connectBody = (
  options: ResolvedOptions,
  login: Authenticator | undefined,
  codecs: readonly string[],
): Uint8Array =>
  encodeConnect({
    versions: PROTOCOL_VERSIONS,
    namespace: options.namespace,
    mechanism: login?.mechanism ?? 'ANONYMOUS',
    initial: login?.initial,
    client: { name: options.clientName, version: CLIENT_VERSION },
    features: ['queues'],
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

/** What the handshake has to know beside the connection. */
export interface HandshakeContext {
  readonly options: ResolvedOptions
  readonly platform: Platform
  readonly address: BrokerAddress
}

export interface HandshakeResult {
  readonly connected: Connected
  /** How long the credentials are good for, when the broker says so. */
  readonly expiresInMs: number | undefined
}

/** The broker's own error, or why the connection ended, is the rejection. */
export const handshake = async (
  connection: Connection,
  { options, platform, address }: HandshakeContext,
): Promise<HandshakeResult> => {
  if (options.namespace === '') throw invalidArgument('namespace', 'it is empty')
  const login = await options.credentials?.begin(address, platform)
  const canInflate = platform.compression !== undefined
  const codecs = canInflate ? Object.keys(compressionCodecs) : ['none']
  const body = connectBody(options, login, codecs)
  const timeoutMs = options.connectTimeoutMs
  const decode = (answer: Uint8Array): Connected => accept(connection, answer)
  const connected = await call(connection, Opcode.CONNECT, body, decode, { timeoutMs })
  const expiresInMs = await finish(connection, login, connected, timeoutMs)
  connection.establish()
  return { connected, expiresInMs }
}

const finish = async (
  connection: Connection,
  login: Authenticator | undefined,
  { authenticated, challenge, expiresInMs }: Connected,
  timeoutMs: number,
): Promise<number | undefined> => {
  if (authenticated) {
    login?.complete?.(challenge)
    return expiresInMs
  }
  if (login === undefined) throw new BrokerError('ERR_NOT_AUTHENTICATED')
  const response = await login.respond(challenge ?? new Uint8Array(0))
  return answerChallenges({ connection, login, timeoutMs }, response, undefined)
}
