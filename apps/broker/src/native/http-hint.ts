/** What a browser or curl sees that was pointed at the native port. */
import { encodeAnswer } from '../http/http-answer.ts'

const TEXT =
  'This is the native port of a Millrace broker, and it does not speak HTTP.\n' +
  'Health, metrics and WebSocket are on the HTTP port, 7421 unless it was moved.\n' +
  'Clients connect here with millrace://HOST:PORT.\n'

/** A fresh buffer: who writes it gives it away. */
export const encodeHttpHint = (): Uint8Array =>
  encodeAnswer({ status: 400, contentType: 'text/plain; charset=utf-8', body: TEXT })
