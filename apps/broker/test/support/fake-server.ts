/** The real server on free ports over the broker in memory. */
import { configPaths, configTable, type ConfigValues } from '../../src/config/config-table.ts'
import { type RunningServer, type ServerOptions, startServer } from '../../src/server.ts'
import { FakeBroker } from './fake-broker.ts'
import { ManualEnvironment } from './manual-environment.ts'

export interface FakeServer {
  readonly server: RunningServer
  readonly broker: FakeBroker
  readonly environment: ManualEnvironment
  readonly port: number
  readonly httpPort: number
  stop(): Promise<void>
}

export const defaultValues = (changes: Partial<ConfigValues> = {}): ConfigValues => {
  const defaults = Object.fromEntries(configPaths.map((path) => [path, configTable[path].default]))
  const ports = {
    ...{ 'native.port': 0, 'http.port': 0, 'kafka.port': 0, 'amqp.port': 0 },
    ...{ 'native.tlsPort': 0, 'http.tlsPort': 0, 'kafka.tlsPort': 0, 'amqp.tlsPort': 0 },
  } as const
  return { ...(defaults as unknown as ConfigValues), ...ports, ...changes }
}

export const startFakeServer = async (
  changes: Partial<ConfigValues> = {},
  options: Partial<ServerOptions> = {},
): Promise<FakeServer> => {
  const broker = new FakeBroker()
  const environment = new ManualEnvironment()
  const server = await startServer({
    values: defaultValues({ 'topics.autoCreate': true, ...changes }),
    version: '0.0.0-test',
    environment,
    openBroker: () => Promise.resolve(broker),
    onFatal: () => undefined,
    openFilesMax: 100_000,
    isBusyGatewayFatal: true,
    ...options,
  })
  const { native = 0, http = 0 } = server.ports
  const stop = async (): Promise<void> => {
    const stopped = server.stop(1_000)
    // The deadline is the manual clock's: a stop that waits for peers must not hang a test.
    environment.advance(5_000)
    await stopped
  }
  return { server, broker, environment, port: native, httpPort: http, stop }
}
