/**
 * `millrace://host[:port][/namespace]`, `millraces://…` for TLS, `ws://host[:port][/path]` and
 * `wss://…` for a WebSocket: the one way to say which broker is meant. Several are several URLs, or
 * one with hosts between commas.
 */
import { invalidArgument } from './errors.ts'
import {
  ADDRESSES_COUNT_MAX,
  HOST_DEFAULT,
  NAMESPACE_DEFAULT,
  PORT_DEFAULT,
  TLS_PORT_DEFAULT,
  WSS_PORT_DEFAULT,
  WS_PATH_DEFAULT,
  WS_PORT_DEFAULT,
} from './limits.ts'
import type { AddressScheme, BrokerAddress } from './transport.ts'

export const URL_DEFAULT = `millrace://${HOST_DEFAULT}:${PORT_DEFAULT}`

export interface ParsedUrl {
  readonly address: BrokerAddress
  readonly namespace: string
}

export interface ParsedUrls {
  /** At least one. */
  readonly addresses: readonly BrokerAddress[]
  readonly namespace: string
}

const EXAMPLE = 'write millrace://host:7420 or millrace://host:7420/namespace'

const ports: Readonly<Record<AddressScheme, number>> = {
  millrace: PORT_DEFAULT,
  millraces: TLS_PORT_DEFAULT,
  ws: WS_PORT_DEFAULT,
  wss: WSS_PORT_DEFAULT,
}

/** The port that a WHATWG URL leaves out because its scheme implies it. */
const impliedPorts: Readonly<Partial<Record<AddressScheme, number>>> = { ws: 80, wss: 443 }

const isWebSocket = (scheme: AddressScheme): boolean => scheme === 'ws' || scheme === 'wss'

const parse = (url: string): URL => {
  try {
    return new URL(url)
  } catch {
    throw invalidArgument('url', `'${url}' cannot be read: ${EXAMPLE}`)
  }
}

/** As with a virtual host in a URL, the slash before the name is not part of it. */
const namespaceOf = (url: URL): string | undefined => {
  if (url.pathname === '' || url.pathname === '/') return undefined
  try {
    return decodeURIComponent(url.pathname.slice(1))
  } catch {
    throw invalidArgument('url', `the namespace '${url.pathname}' has a bad percent escape`)
  }
}

const schemeOf = (url: URL): AddressScheme => {
  const name = url.protocol.slice(0, -1)
  if (Object.hasOwn(ports, name)) return name as AddressScheme
  throw invalidArgument('url', `its scheme is '${name}': ${EXAMPLE}`)
}

const checkParts = (url: URL): void => {
  // Never repeated in the text: it may hold a password.
  if (url.username !== '' || url.password !== '') {
    throw invalidArgument('url', 'it holds a user or password: give connect() the option auth')
  }
  if (url.search !== '' || url.hash !== '') {
    throw invalidArgument('url', `it has a query or a fragment: ${EXAMPLE}`)
  }
}

/** `ws://host:80` loses its port in a URL, and `ws://host` has none: the text tells them apart. */
const portOf = (text: string, url: URL, scheme: AddressScheme): number => {
  if (url.port !== '') return Number(url.port)
  const implied = impliedPorts[scheme]
  const isWritten = implied !== undefined && new RegExp(`:0*${implied}(/|$)`).test(text)
  return isWritten ? implied : ports[scheme]
}

interface ParsedPart {
  readonly address: BrokerAddress
  /** `undefined`: not said. */
  readonly namespace: string | undefined
}

const parsePart = (text: string): ParsedPart => {
  const url = parse(text)
  const scheme = schemeOf(url)
  checkParts(url)
  const host = url.hostname === '' ? HOST_DEFAULT : url.hostname
  const port = portOf(text, url, scheme)
  if (port === 0) throw invalidArgument('url', 'port 0 is not one to connect to')
  const isPathOpen = url.pathname === '' || url.pathname === '/'
  const path = isWebSocket(scheme) ? (isPathOpen ? WS_PATH_DEFAULT : url.pathname) : ''
  return {
    address: {
      scheme,
      // An IPv6 host stands in brackets in a URL and without them everywhere else.
      host: host.replace(/^\[(.*)\]$/, '$1'),
      port,
      path,
      url: `${scheme}://${host}:${port}${path}`,
    },
    // The path of a WebSocket is the broker's: the namespace is an option of `connect`.
    namespace: isWebSocket(scheme) ? undefined : namespaceOf(url),
  }
}

/** Throws ERR_INVALID_ARGUMENT naming what is wrong with the URL. */
export const parseUrl = (text: string): ParsedUrl => {
  const { address, namespace } = parsePart(text)
  return { address, namespace: namespace ?? NAMESPACE_DEFAULT }
}

/** `millrace://a,b:7421/shop` as two texts: what has no scheme of its own takes that before it. */
const splitHosts = (text: string): string[] => {
  let scheme = ''
  return text.split(',').map((part) => {
    const trimmed = part.trim()
    const at = trimmed.indexOf('://')
    if (at < 0) return scheme + trimmed
    scheme = trimmed.slice(0, at + 3)
    return trimmed
  })
}

/** Throws ERR_INVALID_ARGUMENT naming what is wrong with them. */
export const parseUrls = (urls: string | readonly string[]): ParsedUrls => {
  const texts = (typeof urls === 'string' ? [urls] : urls).flatMap(splitHosts)
  if (texts.length === 0) throw invalidArgument('url', `there is none: ${EXAMPLE}`)
  if (texts.length > ADDRESSES_COUNT_MAX) {
    throw invalidArgument('url', `there are more than ${ADDRESSES_COUNT_MAX}`)
  }
  const parts = texts.map(parsePart)
  const [namespace = NAMESPACE_DEFAULT, ...others] = new Set(
    parts.flatMap((part) => part.namespace ?? []),
  )
  if (others.length > 0) throw invalidArgument('url', 'they name different namespaces')
  return { addresses: parts.map(({ address }) => address), namespace }
}
