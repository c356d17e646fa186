/**
 * HTTP over sockets that a listener let in, plain or TLS: health and metrics, and the door to
 * WebSocket. Answers GET and HEAD without a body; refuses the rest, and says so when the peer speaks
 * another protocol. Opens no port.
 *
 * Threats answered here: requests that drip (one deadline from the last answer to the next request's
 * end), bodies nobody asked for (never read, the connection ends), pages of other sites that reach for
 * a broker on this machine (`host-rules.ts`).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { EngineLog } from '@millrace/core'
import { HTTP_HEADER_BYTES_MAX, HTTP_URL_CHARACTERS_MAX } from '../limits.ts'
import { type Entry, ignoreError } from '../net/acceptor.ts'
import type { CoarseTimer, CoarseTimers } from '../net/coarse-timers.ts'
import type { HostRules } from './host-rules.ts'
import { type HttpAnswer, type HttpRoute, jsonAnswer, writeAnswer } from './http-answer.ts'
import { describeForeignRequest } from './foreign-request.ts'

export type { HttpAnswer, HttpRoute } from './http-answer.ts'

/** A request to leave HTTP, with whatever the peer sent behind it. */
export interface UpgradeRequest {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  readonly entry: Entry
}

/** Takes the socket over and answers `undefined`, or says why not. */
export type UpgradeRoute = (upgrade: UpgradeRequest) => HttpAnswer | undefined

export interface HttpServerOptions {
  readonly log: EngineLog
  readonly timers: CoarseTimers
  readonly requestMsMax: number
  readonly hosts: HostRules
  readonly routes: Readonly<Record<string, HttpRoute>>
  readonly upgrades: Readonly<Record<string, UpgradeRoute>>
}

class HttpPeer {
  readonly entry: Entry
  deadline: CoarseTimer | undefined = undefined
  isAnswering = false
  /** Received when the last answer was done. */
  bytesRead = 0

  constructor(entry: Entry) {
    this.entry = entry
  }
}

const REQUEST_TIMEOUT = jsonAnswer(408, { error: 'the request did not end in time' })

export class HttpServer {
  readonly #options: HttpServerOptions
  readonly #server: Server
  readonly #peers = new Map<Duplex, HttpPeer>()

  constructor(options: HttpServerOptions) {
    this.#options = options
    // The library's own timeouts work for servers that listen themselves; `HttpPeer.deadline` is ours.
    const limits = { maxHeaderSize: HTTP_HEADER_BYTES_MAX, keepAliveTimeout: 0 }
    this.#server = createServer(limits, (request, response) => this.#handle(request, response))
    this.#server.on('clientError', (error, socket) => this.#refuseForeign(error, socket))
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
  }

  accept(entry: Entry): void {
    const { socket } = entry
    const peer = new HttpPeer(entry)
    this.#peers.set(socket, peer)
    socket.on('error', ignoreError)
    socket.once('close', () => {
      peer.deadline?.cancel()
      this.#peers.delete(socket)
      entry.leave()
    })
    this.#expectRequest(peer)
    this.#server.emit('connection', socket)
  }

  close(): void {
    for (const socket of this.#peers.keys()) socket.destroy()
  }

  #expectRequest(peer: HttpPeer): void {
    peer.deadline?.cancel()
    peer.deadline = this.#options.timers.after(this.#options.requestMsMax, () =>
      this.#handleDeadline(peer),
    )
  }

  #handleDeadline({ entry: { socket }, isAnswering, bytesRead }: HttpPeer): void {
    const hasBegun = socket.bytesRead > bytesRead
    if (hasBegun && !isAnswering && socket.writable) writeAnswer(socket, REQUEST_TIMEOUT)
    // An idle connection is closed without a word.
    else socket.destroy()
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const peer = this.#peers.get(request.socket)
    if (peer !== undefined) {
      peer.isAnswering = true
      this.#expectRequest(peer)
      response.once('close', () => this.#endAnswer(peer))
    }
    void this.#answer(request).then((answer) => respond(request, response, answer))
  }

  #endAnswer(peer: HttpPeer): void {
    peer.isAnswering = false
    peer.bytesRead = peer.entry.socket.bytesRead
    if (!peer.entry.socket.destroyed) this.#expectRequest(peer)
  }

  /** Never fails. */
  async #answer(request: IncomingMessage): Promise<HttpAnswer> {
    const { method, url = '/' } = request
    if (url.length > HTTP_URL_CHARACTERS_MAX)
      return jsonAnswer(414, { error: 'the URL is too long' })
    if (method !== 'GET' && method !== 'HEAD') {
      return jsonAnswer(
        405,
        { error: 'only GET and HEAD are answered here' },
        { allow: 'GET, HEAD' },
      )
    }
    const misdirected = this.#options.hosts.refuse(request.headers.host)
    if (misdirected !== undefined) return misdirected
    const [path, query] = splitUrl(url)
    const { routes, upgrades } = this.#options
    if (Object.hasOwn(upgrades, path)) {
      const error = `${path} is for WebSocket: send an Upgrade`
      return jsonAnswer(426, { error }, { upgrade: 'websocket', connection: 'upgrade, close' })
    }
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (route === undefined) {
      const known = [...Object.keys(routes), ...Object.keys(upgrades)].join(', ')
      return jsonAnswer(404, { error: `there is nothing here: try one of ${known}` })
    }
    try {
      return await route(new URLSearchParams(query), request.socket.remoteAddress ?? '')
    } catch (error) {
      const reason = error as Error
      this.#options.log.error('http.route-failed', { path, stack: String(reason.stack) })
      return jsonAnswer(500, { error: 'internal error' })
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // HTTP has let go of the socket, its error listener included.
    socket.on('error', ignoreError)
    const peer = this.#peers.get(socket)
    if (peer === undefined) {
      socket.destroy()
      return
    }
    this.#expectRequest(peer)
    const answer = this.#answerUpgrade(request, socket, head, peer.entry)
    if (answer !== undefined) {
      void Promise.resolve(answer).then((made) => writeAnswer(socket, made))
      return
    }
    // From here on it is a connection like those of other listeners.
    peer.deadline?.cancel()
    this.#peers.delete(socket)
    peer.entry.leave()
  }

  #answerUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    entry: Entry,
  ): HttpAnswer | Promise<HttpAnswer> | undefined {
    const { headers, method, url = '/' } = request
    const [path] = splitUrl(url)
    const { upgrades, hosts } = this.#options
    const route = Object.hasOwn(upgrades, path) ? upgrades[path] : undefined
    const isWebSocket = headers.upgrade?.toLowerCase() === 'websocket'
    // An upgrade is an offer: what is not wanted of it is ignored, as curl expects for its h2c.
    if (route === undefined || !isWebSocket) return this.#answer(request)
    if (method !== 'GET') return jsonAnswer(405, { error: 'a WebSocket begins with GET' })
    return hosts.refuse(headers.host) ?? route({ request, socket, head, entry })
  }

  #refuseForeign(error: Error, socket: Duplex): void {
    if (!socket.writable || this.#peers.get(socket)?.isAnswering === true) {
      socket.destroy()
      return
    }
    const { answer, foreign } = describeForeignRequest(error)
    if (foreign !== undefined) {
      const peer = this.#peers.get(socket)?.entry.socket.remoteAddress
      this.#options.log.warn('http.foreign-bytes', { peer, reason: foreign })
    }
    writeAnswer(socket, answer)
  }
}

const respond = (
  request: IncomingMessage,
  response: ServerResponse,
  { status, contentType, body, headers }: HttpAnswer,
): void => {
  const bytes = Buffer.from(body)
  const hasBody = request.headers['content-length'] !== undefined || isChunked(request)
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
    // A body is never read: the connection cannot be used again.
    ...(hasBody ? { connection: 'close' } : {}),
  })
  if (request.method === 'HEAD') response.end()
  else response.end(bytes)
  if (!hasBody) request.resume()
}

const splitUrl = (url: string): [path: string, query: string] => {
  const at = url.indexOf('?')
  return at === -1 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)]
}

const isChunked = (request: IncomingMessage): boolean =>
  request.headers['transfer-encoding'] !== undefined
