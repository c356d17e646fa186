/**
 * The door of `/ws` and its like: who may leave HTTP for a WebSocket, and the session that it becomes then.
 *
 * The checks stand before the library's, so that a refusal says in JSON what would be accepted:
 * version and key, no body, the subprotocol, the page the browser is on, and how many there are.
 */
import type { IncomingMessage } from 'node:http'
import type { Connection, EngineLog, Session } from '@millrace/core'
import { WebSocketServer } from 'ws'
import { WEBSOCKET_FRAGMENTS_MAX, WEBSOCKET_MESSAGE_BYTES_MAX } from '../limits.ts'
import { ChannelConnection, type ConnectionSurroundings } from '../net/connection.ts'
import type { ConnectionCounter } from '../net/connection-counter.ts'
import { WebSocketChannel, type WebSocketSurroundings } from '../net/websocket-channel.ts'
import type { OriginRules } from './host-rules.ts'
import { type HttpAnswer, jsonAnswer } from './http-answer.ts'
import type { UpgradeRequest, UpgradeRoute } from './http-server.ts'

/** Of the native protocol. */
export const SUBPROTOCOL = 'millrace.v1'
const VERSION = '13'
const KEY = /^[+/0-9A-Za-z]{22}==$/

export interface WebSocketRouteOptions {
  /** What the protocol behind the door is called. */
  readonly subprotocol: string
  /** Clients that name no subprotocol are let in too: some cannot. */
  readonly isSubprotocolOptional?: boolean
  readonly origins: OriginRules
  readonly counter: ConnectionCounter
  readonly surroundings: ConnectionSurroundings
  readonly log: EngineLog
  /** False from the moment the broker begins to stop. */
  readonly isServing: () => boolean
  readonly accept: (connection: Connection) => Session
}

export const createWebSocketRoute = (options: WebSocketRouteOptions): UpgradeRoute => {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    // Ours are counted.
    autoPong: false,
    maxPayload: WEBSOCKET_MESSAGE_BYTES_MAX,
    maxFragments: WEBSOCKET_FRAGMENTS_MAX,
    // Text is refused whatever is in it.
    skipUTF8Validation: true,
    handleProtocols: () => options.subprotocol,
  })
  const { log, surroundings } = options
  const own: WebSocketSurroundings = {
    timers: surroundings.timers,
    memory: surroundings.memory,
    onRefused: (peer, code, reason) => log.warn('websocket.refused', { peer, code, reason }),
  }
  return (upgrade) => refuse(upgrade.request, options) ?? enter(server, upgrade, options, own)
}

const refuse = (
  { headers }: IncomingMessage,
  { origins, isServing, log, subprotocol, isSubprotocolOptional }: WebSocketRouteOptions,
): HttpAnswer | undefined => {
  const bad = (error: string): HttpAnswer => jsonAnswer(400, { error })
  if (headers['sec-websocket-version'] !== VERSION) {
    const error = `only version ${VERSION} of WebSocket is spoken here`
    return jsonAnswer(426, { error }, { 'sec-websocket-version': VERSION })
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? ''))
    return bad('Sec-WebSocket-Key is missing or bad')
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
    return bad('an Upgrade to WebSocket has no body')
  }
  const asked = headers['sec-websocket-protocol']
  const isLeftOut = asked === undefined && isSubprotocolOptional === true
  if (!isLeftOut && !listOf(asked).includes(subprotocol)) {
    return bad(`the subprotocol ${subprotocol} is required`)
  }
  if (!origins.allows(headers.origin, headers.host)) {
    log.warn('websocket.origin-refused', { origin: headers.origin?.slice(0, 256) })
    const error =
      'pages of this origin may not connect: name it in websocket.origins if they should'
    return jsonAnswer(403, { error })
  }
  return isServing() ? undefined : jsonAnswer(503, { error: 'the broker is shutting down' })
}

const listOf = (header: string | undefined): readonly string[] =>
  header === undefined ? [] : header.split(',').map((part) => part.trim())

const enter = (
  server: WebSocketServer,
  { request, socket, head, entry }: UpgradeRequest,
  { counter, surroundings, accept, log }: WebSocketRouteOptions,
  own: WebSocketSurroundings,
): HttpAnswer | undefined => {
  const id = counter.enter()
  if (id === undefined) {
    const error = `the limit of ${counter.countMax} connections is reached`
    log.warn('listener.connection-refused', { listener: 'ws', reason: error })
    return jsonAnswer(503, { error })
  }
  socket.once('close', () => counter.leave())
  server.handleUpgrade(request, socket, head, (webSocket) => {
    const channel = new WebSocketChannel(webSocket, entry, own, (bytes) =>
      connection.receive(bytes),
    )
    const connection = new ChannelConnection(id, channel, surroundings)
    connection.attach(accept(connection))
  })
  return undefined
}
