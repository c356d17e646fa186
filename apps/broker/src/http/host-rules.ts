/**
 * Which `Host` a request may name, and which pages may open a WebSocket.
 *
 * The stories they answer. Rebinding: a page of `evil.example` lets its name point to 127.0.0.1 and
 * reads a broker that only this machine should reach; the browser then names `evil.example` as the
 * host. Cross-site WebSocket: browsers open one to any host from any page, and only tell the origin.
 */
import { ConfigError } from '../config/config-error.ts'
import { isLoopbackHost } from '../net/loopback.ts'
import { type HttpAnswer, jsonAnswer } from './http-answer.ts'

export interface HostRules {
  /** The answer to a request for a host that is not ours, or `undefined` when it is. */
  refuse(host: string | undefined): HttpAnswer | undefined
}

export const splitList = (text: string): readonly string[] =>
  text
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .filter((part) => part !== '')

/** `example.org:80` → `example.org`; `[::1]:80` → `::1`. `undefined` for what is no host at all. */
export const hostNameOf = (host: string): string | undefined => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/?#@\\[\]]+))(?::\d{1,5})?$/i.exec(host)
  const name = match?.[1] ?? match?.[2]
  return name?.toLowerCase().replace(/\.$/, '')
}

/** `configured` are the names of `http.hosts`; without them a loopback listener answers loopback only. */
export const createHostRules = (bound: string, configured: string): HostRules => {
  const names = new Set(splitList(configured).map((name) => hostNameOf(name) ?? name))
  const isChecked = names.size > 0 || isLoopbackHost(bound)
  return {
    refuse: (host) => {
      if (!isChecked) return undefined
      const name = host === undefined ? undefined : hostNameOf(host)
      if (name !== undefined && (isLoopbackHost(name) || names.has(name))) return undefined
      const error = 'this host is not served here: name it in http.hosts if it should be'
      return jsonAnswer(421, { error })
    },
  }
}

export interface OriginRules {
  /** Whether a page of this origin may connect. No origin: not a browser. */
  allows(origin: string | undefined, host: string | undefined): boolean
}

const originOf = (text: string): URL | undefined => {
  try {
    const url = new URL(text)
    // Anything behind the port makes it something else than an origin.
    return url.origin === text.toLowerCase() ? url : undefined
  } catch {
    return undefined
  }
}

/** Throws a `ConfigError` for an entry that could never match. */
export const createOriginRules = (configured: string): OriginRules => {
  const entries = splitList(configured)
  const bad = entries.find(
    (entry) => entry !== '*' && (entry.includes('*') || originOf(entry) === undefined),
  )
  if (bad !== undefined) {
    const expected =
      'expected scheme://host or scheme://host:port, without a slash at the end, or *'
    throw new ConfigError([`'websocket.origins' holds '${bad}': ${expected}`])
  }
  const origins = new Set(entries)
  return {
    allows: (origin, host) => {
      if (origin === undefined || origins.has('*')) return true
      const name = origin.toLowerCase()
      return origins.has(name) || isSameHost(originOf(name), host)
    },
  }
}

/** Compared as the browser's own parser sees them, which drops the port that the scheme has anyway. */
const isSameHost = (origin: URL | undefined, host: string | undefined): boolean => {
  if (origin === undefined || host === undefined || hostNameOf(host) === undefined) return false
  return URL.canParse(`${origin.protocol}//${host}`)
    ? origin.host !== '' && origin.host === new URL(`${origin.protocol}//${host}`).host
    : false
}
