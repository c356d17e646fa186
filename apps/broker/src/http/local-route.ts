/**
 * Pages that name what is stored. The HTTP port asks for no login, so once the broker knows its users
 * only the machine itself is shown them: names are not for who has no right to them.
 */
import { isLoopbackHost } from '../net/loopback.ts'
import { type HttpRoute, jsonAnswer } from './http-answer.ts'

const isLocal = (remoteAddress: string): boolean =>
  isLoopbackHost(remoteAddress.replace(/^::ffff:/i, ''))

export const localRoute =
  (route: HttpRoute, isLoginRequired: () => boolean): HttpRoute =>
  (query, remoteAddress) => {
    if (isLocal(remoteAddress) || !isLoginRequired()) return route(query, remoteAddress)
    return jsonAnswer(403, { error: 'this page names topics: ask for it on the broker’s machine' })
  }

/** The same for a page whose details are asked for with `?verbose`: others get it without. */
export const localDetails =
  (route: HttpRoute, isLoginRequired: () => boolean): HttpRoute =>
  (query, remoteAddress) => {
    if (!isLocal(remoteAddress) && isLoginRequired()) query.delete('verbose')
    return route(query, remoteAddress)
  }
