/**
 * The broker over a disk with slow syncs: the same composition as `millrace start`, with another
 * disk in its environment. Started like the command, with the delay in BENCH_SYNC_DELAY_MS.
 */
import { parseArgs } from 'node:util'
import { type ConfigPath, loadConfig, startServer } from '@millrace/broker'
import { createNodeEnvironment, openBroker } from '@millrace/core'
import { slowDisk } from './slow-disk.ts'

const SHUTDOWN_MS = 5_000
/** As most systems allow; the bench opens a thousand logs and few connections. */
const OPEN_FILES_MAX = 16_384

const pathsByFlag: Readonly<Record<string, ConfigPath>> = {
  host: 'host',
  'native-port': 'native.port',
  'http-port': 'http.port',
  'kafka-port': 'kafka.port',
  'amqp-port': 'amqp.port',
  'data-dir': 'dataDir',
  'ready-file': 'readyFile',
}

const text = { type: 'string' } as const

const readFlags = (): { path: ConfigPath; flag: string; value: string }[] => {
  const names = Object.keys(pathsByFlag)
  const options = Object.fromEntries(names.map((name) => [name, text]))
  const { values } = parseArgs({ options, allowPositionals: true })
  return names.flatMap((name) => {
    const path = pathsByFlag[name]
    const value = values[name]
    if (path === undefined || typeof value !== 'string') return []
    return [{ path, flag: `--${name}`, value }]
  })
}

const main = async (): Promise<void> => {
  const { values } = await loadConfig({ flags: readFlags(), environment: process.env })
  const environment = createNodeEnvironment()
  const delayMs = Number(process.env['BENCH_SYNC_DELAY_MS'])
  const server = await startServer({
    values,
    version: 'bench',
    environment: { ...environment, disk: slowDisk(environment.disk, delayMs) },
    openBroker,
    openFilesMax: OPEN_FILES_MAX,
    isBusyGatewayFatal: true,
    onFatal: (error) => {
      console.error(error)
      process.exit(1)
    },
  })
  process.once('SIGTERM', () => {
    void server.stop(SHUTDOWN_MS).finally(() => process.exit(0))
  })
}

void main()
