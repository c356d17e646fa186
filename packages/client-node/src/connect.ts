/** The way in: `await connect()`. */
import {
  type Client,
  type ConnectOptions as CoreConnectOptions,
  URL_DEFAULT,
  openClient,
  parseUrls,
  resolveOptions,
} from '@millrace/client-core'
import { loadNodePlatform } from './node-platform.ts'
import { nodeTransport } from './node-transport.ts'
import type { TlsOptions } from './tls-options.ts'

export interface ConnectOptions extends CoreConnectOptions {
  /** For `millraces://` and `wss://`. */
  readonly tls?: TlsOptions
}

const urlFromEnvironment = (): string => process.env['MILLRACE_URL'] || URL_DEFAULT

/**
 * Connects to a broker. The URL is `millrace://host[:port][/namespace]`, `millraces://…` for TLS,
 * `ws://host[:port][/path]` or `wss://…` for a WebSocket. Several brokers are an array of URLs, or
 * hosts between commas: they are tried in turn. Without one it is the environment variable
 * MILLRACE_URL, else `millrace://127.0.0.1:7420`.
 *
 * Rejects with ERR_CONNECT_FAILED when no broker answers within `connectTimeoutMs`, with
 * ERR_INVALID_ARGUMENT for a URL or an option that cannot be, with ERR_ABORTED, and with the broker's
 * own error when it refuses, ERR_AUTHENTICATION_FAILED for example.
 */
export const connect = async (
  url?: string | readonly string[],
  options: ConnectOptions = {},
): Promise<Client> => {
  const { addresses, namespace } = parseUrls(url ?? urlFromEnvironment())
  const { tls, ...others } = options
  const resolved = resolveOptions(others, namespace)
  return openClient(nodeTransport(tls), await loadNodePlatform(), addresses, resolved)
}
