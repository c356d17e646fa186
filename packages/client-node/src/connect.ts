/** The way in: `await connect()`. */
import {
  type Client,
  type ConnectOptions,
  URL_DEFAULT,
  openClient,
  parseUrl,
  resolveOptions,
} from '@millrace/client-core'
import { loadNodePlatform } from './node-platform.ts'
import { tcpTransport } from './tcp-transport.ts'

const urlFromEnvironment = (): string => process.env['MILLRACE_URL'] || URL_DEFAULT

/**
 * Connects to a broker. The URL is `millrace://host[:port][/namespace]`; without one it is the
 * environment variable MILLRACE_URL, else `millrace://127.0.0.1:7420`.
 *
 * Rejects with ERR_CONNECT_FAILED when no broker answers within `connectTimeoutMs`, with
 * ERR_INVALID_ARGUMENT for a URL or an option that cannot be, with ERR_ABORTED, and with the broker's
 * own error when it refuses, ERR_NAMESPACE_NOT_FOUND for example.
 */
export const connect = async (url?: string, options: ConnectOptions = {}): Promise<Client> => {
  const { address, namespace } = parseUrl(url ?? urlFromEnvironment())
  const resolved = resolveOptions(options, namespace)
  return openClient(tcpTransport, await loadNodePlatform(), address, resolved)
}
