/** Answers of the HTTP port, made by routes or written where the HTTP library no longer helps. */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

export interface HttpAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

export type HttpRoute = (
  query: URLSearchParams,
  /** Of the peer, without its port. */
  remoteAddress: string,
) => HttpAnswer | Promise<HttpAnswer>

export const jsonAnswer = (
  status: number,
  content: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer => ({
  status,
  contentType: 'application/json; charset=utf-8',
  body: `${JSON.stringify(content)}\n`,
  headers,
})

/** As bytes of a connection that ends with it. */
export const encodeAnswer = ({ status, contentType, body, headers }: HttpAnswer): Uint8Array => {
  const fields = {
    connection: 'close',
    ...headers,
    'content-type': contentType,
    'content-length': String(Buffer.byteLength(body)),
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  return Buffer.from(`${head}${lines.join('')}\r\n${body}`)
}

/** Says it and hangs up; what still comes is discarded. */
export const writeAnswer = (socket: Duplex, answer: HttpAnswer): void => {
  socket.end(encodeAnswer(answer), () => socket.destroy())
  socket.resume()
}
