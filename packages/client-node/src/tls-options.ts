/** `tls` of `connect`: whom this side trusts, and who it is. */
import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { BrokerAddress } from '@millrace/client-core'

/** PEM texts or bytes, as `node:tls` takes them. */
export interface TlsOptions {
  /** Authorities to trust instead of those that come with Node. */
  readonly ca?: ConnectionOptions['ca']
  /** The certificate of this client, with `key`: for `auth: { mechanism: 'EXTERNAL' }`. */
  readonly cert?: ConnectionOptions['cert']
  readonly key?: ConnectionOptions['key']
  readonly passphrase?: string
  /** The name that the broker's certificate must carry. Default: the host of the URL. */
  readonly servername?: string
  /** False trusts anybody who answers: for tests only. Default: true. */
  readonly rejectUnauthorized?: boolean
}

const OPTION_NAMES = ['ca', 'cert', 'key', 'passphrase'] as const

/** As `node:tls` and `ws` take them. */
export const tlsConnectionOptions = (
  { host }: BrokerAddress,
  tls: TlsOptions,
): ConnectionOptions => {
  const options: ConnectionOptions = { rejectUnauthorized: tls.rejectUnauthorized ?? true }
  for (const name of OPTION_NAMES) {
    if (tls[name] !== undefined) Object.assign(options, { [name]: tls[name] })
  }
  // An address is no server name (RFC 6066); the certificate is compared with the host all the same.
  const servername = tls.servername ?? (isIP(host) === 0 ? host : undefined)
  if (servername !== undefined) options.servername = servername
  return options
}
