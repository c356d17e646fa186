/**
 * A page that names what is stored. The HTTP port asks for no login, so once the broker knows its
 * users only the machine itself is shown it: names are not for who has no right to them.
 */
import { isLoopbackHost } from '../net/loopback.ts'
import { type HttpRoute, jsonAnswer } from './http-answer.ts'

export const localRoute =
  (route: HttpRoute, isLoginRequired: () => boolean): HttpRoute =>
  (query, remoteAddress) => {
    const isLocal = isLoopbackHost(remoteAddress.replace(/^::ffff:/i, ''))
    if (isLocal || !isLoginRequired()) return route(query, remoteAddress)
    return jsonAnswer(403, { error: 'this page names topics: ask for it on the broker’s machine' })
  }
