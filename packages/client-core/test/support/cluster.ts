/** A client of one or more fake brokers that come and go, and everything a test turns. */
import type { Client } from '../../src/client.ts'
import { openClient } from '../../src/open-client.ts'
import { type ConnectOptions, resolveOptions } from '../../src/options.ts'
import type { ClientStatus } from '../../src/status.ts'
import type { BrokerAddress } from '../../src/transport.ts'
import { FakeBroker } from './fake-broker.ts'
import { FakePlatform, settle } from './fake-platform.ts'
import { type MemoryLink, MemoryTransport } from './memory-transport.ts'

export interface Cluster {
  readonly platform: FakePlatform
  readonly brokers: readonly FakeBroker[]
  readonly transport: MemoryTransport
  readonly client: Client
  readonly statuses: ClientStatus[]
  /** The link of the connection there is now. */
  link(): MemoryLink
  /** Breaks the connection, and lets everybody notice. */
  drop(): Promise<void>
  /** Lets the next attempt to connect happen. */
  recover(): Promise<void>
}

export const addressOf = (index: number): BrokerAddress => ({
  scheme: 'millrace',
  host: `b${index}`,
  port: 7420,
  path: '',
  url: `millrace://b${index}:7420`,
})

interface Prepared {
  readonly platform: FakePlatform
  readonly brokers: readonly FakeBroker[]
  readonly transport: MemoryTransport
  connect(options?: ConnectOptions): Promise<Client>
}

export const prepare = (
  count = 1,
  setUp: (broker: FakeBroker) => void = () => undefined,
): Prepared => {
  const platform = new FakePlatform()
  const brokers = Array.from({ length: count }, () => new FakeBroker())
  for (const broker of brokers) setUp(broker)
  const transport = new MemoryTransport((link, { host }) =>
    brokers[Number(host.slice(1))]?.accept(link),
  )
  const addresses = brokers.map((_broker, index) => addressOf(index))
  return {
    platform,
    brokers,
    transport,
    connect: (options = {}) =>
      openClient(transport, platform, addresses, resolveOptions(options, '/')),
  }
}

export const openCluster = async (
  count = 1,
  setUp: (broker: FakeBroker) => void = () => undefined,
  options: ConnectOptions = {},
): Promise<Cluster> => {
  const { connect, ...prepared } = prepare(count, setUp)
  const client = await connect(options)
  const statuses: ClientStatus[] = []
  client.on('status', (status) => statuses.push(status))
  const link = (): MemoryLink => prepared.transport.link as MemoryLink
  return {
    ...prepared,
    client,
    statuses,
    link,
    drop: async () => {
      link().end(new Error('ECONNRESET'))
      await settle()
    },
    recover: async () => {
      const last = statuses.findLast(({ type }) => type === 'reconnecting')
      if (last?.type === 'reconnecting') prepared.platform.advance(last.delayMs)
      await settle()
    },
  }
}
