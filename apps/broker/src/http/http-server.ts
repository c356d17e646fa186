/**
 * The HTTP port: health and metrics, nothing else yet. Answers GET and HEAD without a body; refuses
 * the rest, and says so when the peer speaks another protocol.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { EngineLog } from '@millrace/core'
import type { Listener } from '../net/listener.ts'
import { HTTP_HEADER_BYTES_MAX, HTTP_REQUEST_MS_MAX, HTTP_URL_CHARACTERS_MAX } from '../limits.ts'

export interface HttpAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

export type HttpRoute = (query: URLSearchParams) => HttpAnswer

export interface HttpServerOptions {
  readonly host: string
  readonly port: number
  readonly connectionsMax: number
  readonly log: EngineLog
  readonly routes: Readonly<Record<string, HttpRoute>>
}

export const jsonAnswer = (status: number, content: unknown): HttpAnswer => ({
  status,
  contentType: 'application/json; charset=utf-8',
  body: `${JSON.stringify(content)}\n`,
})

export class HttpServer implements Listener {
  readonly #options: HttpServerOptions
  readonly #server: Server

  constructor(options: HttpServerOptions) {
    this.#options = options
    const limits = {
      maxHeaderSize: HTTP_HEADER_BYTES_MAX,
      headersTimeout: HTTP_REQUEST_MS_MAX,
      requestTimeout: HTTP_REQUEST_MS_MAX,
      keepAliveTimeout: HTTP_REQUEST_MS_MAX,
      connectionsCheckingInterval: HTTP_REQUEST_MS_MAX / 4,
      noDelay: true,
    }
    this.#server = createServer(limits, (request, response) => this.#handle(request, response))
    this.#server.maxConnections = options.connectionsMax
    this.#server.on('clientError', (error, socket) => refuseForeign(error, socket))
  }

  listen(): Promise<number> {
    const { host, port, log } = this.#options
    const server = this.#server
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => {
        server.off('error', reject)
        server.on('error', (error) => {
          log.error('listener.accept-failed', { listener: 'http', reason: error.message })
        })
        const address = server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : port)
      })
    })
  }

  /** Goes on: who drains a broker wants to see it. */
  stopAccepting(): void {}

  close(): void {
    this.#server.close()
    this.#server.closeIdleConnections()
    this.#server.closeAllConnections()
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const answer = this.#answer(request)
    const body = Buffer.from(answer.body)
    const hasBody = request.headers['content-length'] !== undefined || isChunked(request)
    response.writeHead(answer.status, {
      'content-type': answer.contentType,
      'content-length': body.length,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      // A body is never read: the connection cannot be used again.
      ...(hasBody ? { connection: 'close' } : {}),
    })
    if (request.method === 'HEAD') response.end()
    else response.end(body)
    if (!hasBody) request.resume()
  }

  #answer(request: IncomingMessage): HttpAnswer {
    const { method, url = '/' } = request
    if (url.length > HTTP_URL_CHARACTERS_MAX)
      return jsonAnswer(414, { error: 'the URL is too long' })
    if (method !== 'GET' && method !== 'HEAD') {
      return jsonAnswer(405, { error: 'only GET and HEAD are answered here' })
    }
    const [path = '/', query = ''] = url.split('?', 2)
    const { routes } = this.#options
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (route === undefined) {
      const known = Object.keys(routes).join(', ')
      return jsonAnswer(404, { error: `there is nothing here: try one of ${known}` })
    }
    try {
      return route(new URLSearchParams(query))
    } catch (error) {
      const reason = error as Error
      this.#options.log.error('http.route-failed', { path, stack: String(reason.stack) })
      return jsonAnswer(500, { error: 'internal error' })
    }
  }
}

const isChunked = (request: IncomingMessage): boolean =>
  request.headers['transfer-encoding'] !== undefined

const textByCode: Readonly<Record<string, readonly [string, string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the headers are too long'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request did not end in time'],
}

const NOT_HTTP: readonly [string, string] = [
  '400 Bad Request',
  'this is the HTTP port and these bytes are not HTTP: ' +
    'native clients connect to the native port, 7420 unless it was moved',
]

const refuseForeign = (error: Error, socket: Duplex): void => {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const [status, text] = textByCode[(error as { code?: string }).code ?? ''] ?? NOT_HTTP
  const body = `${JSON.stringify({ error: text })}\n`
  const head = `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json\r\n`
  socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}
