/** `millrace://host[:port][/namespace]`, the one way to say which broker is meant. */
import { invalidArgument } from './errors.ts'
import { HOST_DEFAULT, NAMESPACE_DEFAULT, PORT_DEFAULT } from './limits.ts'
import type { BrokerAddress } from './transport.ts'

export const URL_DEFAULT = `millrace://${HOST_DEFAULT}:${PORT_DEFAULT}`

export interface ParsedUrl {
  readonly address: BrokerAddress
  readonly namespace: string
}

const EXAMPLE = 'write millrace://host:7420 or millrace://host:7420/namespace'

const parse = (url: string): URL => {
  try {
    return new URL(url)
  } catch {
    throw invalidArgument('url', `'${url}' cannot be read: ${EXAMPLE}`)
  }
}

/** As with a virtual host in a URL, the slash before the name is not part of it. */
const namespaceOf = (url: URL): string => {
  if (url.pathname === '' || url.pathname === '/') return NAMESPACE_DEFAULT
  try {
    return decodeURIComponent(url.pathname.slice(1))
  } catch {
    throw invalidArgument('url', `the namespace '${url.pathname}' has a bad percent escape`)
  }
}

const checkParts = (url: URL): void => {
  if (url.protocol !== 'millrace:') {
    throw invalidArgument('url', `its scheme is '${url.protocol.slice(0, -1)}': ${EXAMPLE}`)
  }
  // Never repeated in the text: it may hold a password.
  if (url.username !== '' || url.password !== '') {
    throw invalidArgument('url', 'it holds a user or password: those are not supported yet')
  }
  if (url.search !== '' || url.hash !== '') {
    throw invalidArgument('url', `it has a query or a fragment: ${EXAMPLE}`)
  }
}

/** Throws ERR_INVALID_ARGUMENT naming what is wrong with the URL. */
export const parseUrl = (text: string): ParsedUrl => {
  const url = parse(text)
  checkParts(url)
  const host = url.hostname === '' ? HOST_DEFAULT : url.hostname
  const port = url.port === '' ? PORT_DEFAULT : Number(url.port)
  if (port === 0) throw invalidArgument('url', 'port 0 is not one to connect to')
  return {
    // An IPv6 host stands in brackets in a URL and without them everywhere else.
    address: { host: host.replace(/^\[(.*)\]$/, '$1'), port, url: `millrace://${host}:${port}` },
    namespace: namespaceOf(url),
  }
}
