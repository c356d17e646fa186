/** From addresses to a client: connects, shakes hands, and says what to try when it fails. */
import { Client } from './client.ts'
import type { ResolvedOptions } from './options.ts'
import type { Platform } from './platform.ts'
import { BrokerSession } from './session/broker-session.ts'
import type { BrokerAddress, Transport } from './transport.ts'

/**
 * Tries the addresses in turn, each once unless `retryInitial` says otherwise. Rejects with
 * ERR_CONNECT_FAILED when nobody answers as a broker does, with ERR_ABORTED when the signal said so,
 * and with the broker's own error when it refused.
 */
export const openClient = async (
  transport: Transport,
  platform: Platform,
  addresses: BrokerAddress | readonly BrokerAddress[],
  options: ResolvedOptions,
): Promise<Client> => {
  const list = Array.isArray(addresses) ? (addresses as readonly BrokerAddress[]) : [addresses]
  const session = new BrokerSession(transport, platform, list as BrokerAddress[], options)
  await session.open()
  return new Client(session)
}
