/** The real server over the real engine, on free ports and a directory of its own. */
import { createNodeEnvironment, type EngineLog, openBroker } from '@millrace/core'
import type { ConfigValues } from '../../src/config/config-table.ts'
import { type RunningServer, startServer } from '../../src/server.ts'
import { temporary } from './command.ts'
import { defaultValues } from './fake-server.ts'

export interface RealServer {
  readonly server: RunningServer
  readonly port: number
  readonly httpPort: number
  readonly warnings: string[]
  stop(): Promise<void>
}

export const startRealServer = async (changes: Partial<ConfigValues> = {}): Promise<RealServer> => {
  const directory = await temporary()
  const warnings: string[] = []
  const log: EngineLog = {
    info: () => undefined,
    warn: (event) => void warnings.push(event),
    error: (event) => void warnings.push(event),
  }
  const server = await startServer({
    values: defaultValues({ 'topics.autoCreate': true, dataDir: directory.path, ...changes }),
    version: '0.0.0-test',
    environment: createNodeEnvironment({ log }),
    openBroker,
    onFatal: (error) => {
      throw error
    },
    openFilesMax: 100_000,
    isBusyGatewayFatal: true,
  })
  const { native = 0, http = 0 } = server.ports
  const stop = async (): Promise<void> => {
    await server.stop(1_000)
    await directory.remove()
  }
  return { server, port: native, httpPort: http, warnings, stop }
}
